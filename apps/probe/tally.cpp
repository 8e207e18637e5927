#include "probe/tally.hpp"

#include <algorithm>

namespace co_wq::probe {

void tally::merge(const tally& other) {
    latency.merge(other.latency);
    service.merge(other.service);
    setup.merge(other.setup);
    calm.merge(other.calm);
    disturbed.merge(other.disturbed);
    failed.merge(other.failed);
    answered += other.answered;
    in_time += other.in_time;
    bytes += other.bytes;
    failed_disturbed += other.failed_disturbed;
    connections += other.connections;
    reopened += other.reopened;
    rude_deeds += other.rude_deeds;
    rude_answered += other.rude_answered;
    rude_ended += other.rude_ended;
    rude_unable += other.rude_unable;
    not_started += other.not_started;
    backlog_max += other.backlog_max;
    oldest = std::max(oldest, other.oldest);
}

second board::reduced(const window& of) noexcept {
    second made;
    made.answered = of.latency.count();
    made.failed = of.failed;
    made.backlog = of.backlog;
    made.p50_ns = of.latency.at(50);
    made.p99_ns = of.latency.at(99);
    return made;
}

bool board::publish(std::size_t index, window&& of) {
    const std::scoped_lock guard(lock_);
    if (index >= entries_.size()) entries_.resize(index + 1);
    entry& one = entries_[index];
    one.sum.latency.merge(of.latency);
    one.sum.failed += of.failed;
    one.sum.backlog += of.backlog;
    one.shown = reduced(one.sum);
    if (++one.shares < loops_) return false;
    one.sum = window();  // its memory goes back
    return true;
}

std::vector<second> board::seconds() const {
    const std::scoped_lock guard(lock_);
    std::vector<second> all;
    for (const entry& one : entries_) all.push_back(one.shown);
    return all;
}

second board::at(std::size_t index) const {
    const std::scoped_lock guard(lock_);
    return index < entries_.size() ? entries_[index].shown : second();
}

}  // namespace co_wq::probe
