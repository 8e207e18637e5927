#include "proxy/socks/peers.hpp"

namespace co_wq::proxy::socks {

peer_table::known peer_table::find(const endpoint_key& which) noexcept {
    const auto at = places_.find(which);
    if (at == places_.end()) return known::no;
    uses_.splice(uses_.begin(), uses_, at->second);
    return at->second->allowed ? known::allowed : known::refused;
}

void peer_table::add(const endpoint_key& which, bool allowed) {
    if (const auto at = places_.find(which); at != places_.end()) {
        at->second->allowed = allowed;
        return;
    }
    if (uses_.size() >= most_) {
        places_.erase(uses_.back().which);
        uses_.pop_back();
    }
    uses_.push_front({which, allowed});
    try {
        places_.emplace(which, uses_.begin());
    } catch (...) {
        uses_.pop_front();
        throw;
    }
}

name_table::entry* name_table::find(std::string_view name, time_point now) noexcept {
    const auto at = all_.find(name);
    if (at == all_.end()) return nullptr;
    if (at->second.now == state::asking || now < at->second.until) return &at->second;
    all_.erase(at);
    return nullptr;
}

name_table::entry* name_table::add(std::string_view name) {
    if (all_.size() >= most_) {
        auto first = all_.end();
        for (auto at = all_.begin(); at != all_.end(); ++at)
            if (at->second.now != state::asking && (first == all_.end() || at->second.until < first->second.until))
                first = at;
        if (first == all_.end()) return nullptr;
        all_.erase(first);
    }
    return &all_.try_emplace(std::string(name)).first->second;
}

}  // namespace co_wq::proxy::socks
