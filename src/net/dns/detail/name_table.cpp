#include "net/dns/detail/name_table.hpp"

namespace co_wq::net::dns::detail {

name_table::~name_table() { CO_WQ_ASSERT(asking_ == 0, "c-ares has answered every query before its records die"); }

name_record* name_table::find(std::string_view name, record_type type) noexcept {
    const auto found = records_.find(key_view{name, type});
    if (found == records_.end()) return nullptr;
    name_record& record = found->second;
    if (!record.asking_) {
        record.list_hook<name_record>::unlink();
        recent_.push_back(record);
    }
    return &record;
}

name_record& name_table::begin(std::string_view name, record_type type) {
    name_record* record = find(name, type);
    if (!record) {
        const auto made = records_.try_emplace(name_key{std::string(name), type}, on_reply_).first;
        record = &made->second;
        record->key_ = &made->first;
        record->owner = owner_;
    } else {
        CO_WQ_ASSERT(!record->asking_, "a question in flight is joined, not asked again");
        forget(*record);
    }
    record->asking_ = true;
    record->outdated_ = false;
    ++asking_;
    return *record;
}

void name_table::settle(name_record& record, answer_ptr come, time_point now, duration ttl) noexcept {
    CO_WQ_ASSERT(record.asking_, "a question is answered once");
    record.asking_ = false;
    --asking_;
    if (record.outdated_) ttl = duration::zero();
    record.known_ = std::move(come);
    record.expires_ = record.true_until_ = saturating_add(now, ttl);
    recent_.push_back(record);
    record.bytes_ = sizeof(name_record) + record.key_->name.capacity() +
                    (record.known_->has_value() ? record.known_->value().size_bytes() : sizeof(answer));
    bytes_ += record.bytes_;
    ++entries_;
    while (lookup* waiter = record.waiters.pop_front()) waiter->deliver(record.known_);
    // never the one that was settled just now: its caller may still look at it
    while ((entries_ > entries_max_ || bytes_ > bytes_max_) && recent_.first() != &record) {
        ++evictions_;
        drop(recent_.front());
    }
}

void name_table::settle_stale(name_record& record, time_point now, duration ttl) noexcept {
    const time_point until = record.true_until_;
    settle(record, record.known_, now, ttl);
    record.true_until_ = until;
}

void name_table::forget(name_record& record) noexcept {
    record.list_hook<name_record>::unlink();
    bytes_ -= record.bytes_;
    --entries_;
}

void name_table::drop(name_record& record) noexcept {
    CO_WQ_ASSERT(!record.asking_ && record.waiters.empty(), "a record in use is not dropped");
    forget(record);
    records_.erase(records_.find(*record.key_));
}

void name_table::flush() noexcept {
    while (name_record* record = recent_.first()) drop(*record);
    for (auto& [key, asking] : records_) {
        asking.known_ = nullptr;
        asking.outdated_ = true;
    }
    CO_WQ_ASSERT(entries_ == 0 && bytes_ == 0, "all kept records are in the list");
}

}  // namespace co_wq::net::dns::detail
