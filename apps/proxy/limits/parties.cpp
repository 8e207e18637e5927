#include "proxy/limits/parties.hpp"

#include "base/assert.hpp"

namespace co_wq::proxy {

party_table::party_table() : hash_{policy::random_siphash_key()} {
    for (auto& each : shards_) each = std::make_unique<shard>(hash_);
}

party* party_table::enter(const std::string& key, std::uint32_t most, time_point now) {
    shard& in = shard_of(key);
    const std::scoped_lock guard(in.lock);
    if (in.known.size() > in.sweep_above) sweep(in, now);
    const auto at = in.known.try_emplace(key).first;
    party& one = at->second;
    if (most != 0 && one.seats_ >= most) return nullptr;
    if (!one.key_) one.key_ = &at->first;  // who leaves reads it without the lock
    ++one.seats_;
    return &one;
}

void party_table::leave(party& one, time_point now) noexcept {
    shard& in = shard_of(*one.key_);
    const std::scoped_lock guard(in.lock);
    CO_WQ_ASSERT(one.seats_ > 0, "who leaves has entered");
    if (--one.seats_ > 0 || !one.rested(now)) return;
    in.known.erase(in.known.find(*one.key_));
}

// Those that owe nothing any more. What is left is needed; so the next time is when there are twice as many.
void party_table::sweep(shard& one, time_point now) noexcept {
    std::erase_if(one.known, [now](const auto& each) { return each.second.seats_ == 0 && each.second.rested(now); });
    one.sweep_above = std::max<std::size_t>(64, one.known.size() * 2);
}

std::size_t party_table::size() const {
    std::size_t all = 0;
    for (const auto& each : shards_) {
        const std::scoped_lock guard(each->lock);
        all += each->known.size();
    }
    return all;
}

}  // namespace co_wq::proxy
