#include "net/tls/detail/session_cache.hpp"

#include <algorithm>
#include <ctime>

namespace co_wq::net::tls::detail {
namespace {

bool is_good(const SSL_SESSION* session) noexcept {
    const auto age = static_cast<long>(std::time(nullptr)) - SSL_SESSION_get_time(session);
    return SSL_SESSION_is_resumable(session) == 1 && age >= 0 && age < SSL_SESSION_get_timeout(session);
}

constexpr auto older = [](const auto& one, const auto& other) { return one.second->number < other.second->number; };

}  // namespace

void session_cache::put(const std::string& key, session_ptr session) {
    if (sessions_max_ == 0) return;
    const std::scoped_lock guard(lock_);
    const auto drop = [this](auto place) {
        recent_.erase(place->second);
        by_key_.erase(place);
    };
    if (by_key_.count(key) >= per_server_max) {
        const auto [begin, end] = by_key_.equal_range(key);
        drop(std::min_element(begin, end, older));  // of this server's
    }
    recent_.push_front({key, std::move(session), ++numbers_});
    by_key_.emplace(key, recent_.begin());
    if (recent_.size() <= sessions_max_) return;
    const auto last = std::prev(recent_.end());
    auto [begin, end] = by_key_.equal_range(last->key);
    for (auto at = begin; at != end; ++at) {
        if (at->second != last) continue;
        drop(at);
        break;
    }
}

session_ptr session_cache::take(const std::string& key) {
    const std::scoped_lock guard(lock_);
    for (;;) {
        const auto [begin, end] = by_key_.equal_range(key);
        if (begin == end) return nullptr;
        const auto found = std::max_element(begin, end, older);  // what the server sealed last opens longest
        const auto place = found->second;
        const bool good = is_good(place->session.get());
        const bool once = SSL_SESSION_get_protocol_version(place->session.get()) == TLS1_3_VERSION;
        if (good && !once) {
            SSL_SESSION_up_ref(place->session.get());
            recent_.splice(recent_.begin(), recent_, place);
            return session_ptr(place->session.get());
        }
        session_ptr taken = std::move(place->session);
        by_key_.erase(found);
        recent_.erase(place);
        if (good) return taken;
    }
}

std::size_t session_cache::size() const {
    const std::scoped_lock guard(lock_);
    return recent_.size();
}

void session_cache::clear() {
    const std::scoped_lock guard(lock_);
    by_key_.clear();
    recent_.clear();
}

}  // namespace co_wq::net::tls::detail
