#include "net/dns/detail/engine.hpp"

#include <algorithm>

#include "net/dns/host_name.hpp"

namespace co_wq::net::dns::detail {
namespace {

answer_ptr make_failure(errc code) { return std::make_shared<const answer>(fail(code)); }

const answer_ptr& loopback_answer(io::address_family family) {
    static const answer_ptr ipv4 = std::make_shared<const answer>(address_list{io::socket_address::loopback(0)});
    static const answer_ptr ipv6 = std::make_shared<const answer>(
        address_list{io::socket_address::ipv6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0)});
    return family == io::address_family::ipv6 ? ipv6 : ipv4;
}

}  // namespace

engine::engine(io::event_loop& loop, resolver_options options)
    : loop_(loop),
      options_(std::move(options)),
      hosts_(options_.hosts_file),
      table_(options_.entries_max, this, &on_reply),
      channel_(std::make_unique<cares_channel>(loop, options_)) {}

void engine::ask(lookup& who, const std::string& name, io::address_family family) {
    who.set_name(name.c_str());
    if (is_localhost_name(name)) return who.set(loopback_answer(family));
    if (is_invalid_name(name)) {
        static const answer_ptr never = make_failure(errc::name_not_found);
        return who.set(never);
    }
    const time_point now = loop_.now();
    if (answer_ptr given = hosts_.find(name, family, now)) return who.set(std::move(given));
    name_record* record = table_.find(name, family);
    if (record && record->fresh(now)) {
        ++counters_.hits;
        return who.set(record->known());
    }
    ++counters_.misses;
    if (record && record->asking()) {
        ++counters_.joined;
        return record->waiters.push_back(who);
    }
    if (table_.asking() >= options_.queries_max) {
        ++counters_.refused;
        static const answer_ptr too_many = make_failure(errc::limit_exceeded);
        return who.set(too_many);
    }
    record = &table_.begin(name, family);
    start(*record);
    if (record->asking()) return record->waiters.push_back(who);
    who.set(record->known());
}

void engine::start(name_record& record) {
    std::erase_if(draining_, [](const auto& one) { return one->in_flight() == 0; });
    ++counters_.queries;
    channel_->ask(record, record.key().name, record.key().family);
}

void engine::on_reply(query& self, reply&& come) noexcept {
    auto& record = static_cast<name_record&>(self);
    static_cast<engine*>(record.owner)->settle(record, std::move(come));
}

void engine::settle(name_record& record, reply&& come) noexcept {
    counters_.timeouts += come.timeouts;
    if (come.found) {
        ++counters_.positive;
    } else if (come.found.error() == errc::name_not_found || come.found.error() == errc::name_no_data) {
        ++counters_.negative;
    } else {
        ++counters_.failures;
    }
    const duration ttl = ttl_of(come);
    table_.settle(record, std::make_shared<const answer>(std::move(come.found)), loop_.now(), ttl);
}

duration engine::ttl_of(const reply& come) const noexcept {
    if (come.found) return std::clamp(come.ttl, options_.ttl_min, std::max(options_.ttl_min, options_.ttl_max));
    switch (come.found.error().code()) {
        case errc::name_not_found:
        case errc::name_no_data: return options_.negative_ttl;
        case errc::name_server_failed:
        case errc::timed_out: return options_.failure_ttl;
        default: return duration::zero();  // says nothing about the name
    }
}

void engine::flush() noexcept {
    table_.flush();
    hosts_.forget();
}

void engine::reload() {
    auto fresh = std::make_unique<cares_channel>(loop_, options_);
    draining_.push_back(std::move(channel_));
    channel_ = std::move(fresh);
    flush();
}

resolver_counters engine::counters() const noexcept {
    resolver_counters now = counters_;
    now.evictions = table_.evictions();
    now.entries = table_.entries();
    now.in_flight = table_.asking();
    return now;
}

}  // namespace co_wq::net::dns::detail
