#include "proxy/limits/limiter.hpp"

#include <fmt/format.h>

#include "base/log.hpp"

namespace co_wq::proxy {
namespace {

struct words {
    std::string_view rule, name, why;
};
constexpr words said[limit_kinds] = {
    {"", "none", ""},
    {"limit: connections per client", "connections_per_client", "there are as many from here as there may be"},
    {"limit: connections per user", "connections_per_user", "there are as many of this user as there may be"},
    {"limit: requests per client", "requests_per_client", "too many a second from here"},
    {"limit: requests per user", "requests_per_user", "too many a second of this user"},
    {"limit: memory", "memory", "the proxy has no memory for more"},
    {"limit: request time", "request_time", "it took longer than it may"},
    {"limit: tunnel time", "tunnel_time", "it lived as long as it may"},
    {"limit: connections over a limit", "unanswered", "there are too many to be told so"},
};

// True once a second over all threads.
bool due(std::atomic<std::int64_t>& next, time_point now) noexcept {
    const std::int64_t here = now.time_since_epoch().count();
    std::int64_t when = next.load(std::memory_order_relaxed);
    return here >= when && next.compare_exchange_strong(when, here + 1'000'000'000, std::memory_order_relaxed);
}

}  // namespace

std::string_view rule_of(limit_kind which) noexcept { return said[static_cast<unsigned>(which)].rule; }
std::string_view name_of(limit_kind which) noexcept { return said[static_cast<unsigned>(which)].name; }

std::string denial::text() const {
    return fmt::format("by rule {}: {}", rule(), said[static_cast<unsigned>(which)].why);
}

denial denied_for(limit_kind which, duration wait) noexcept {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    return {which, static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 1, 1'000'000'000))};
}

void limiter::set(const limits& chosen, std::uint32_t descriptors) {
    const std::uint32_t most = chosen.connections_max > 0 ? std::min(descriptors, chosen.connections_max) : descriptors;
    connections_max_.store(most, std::memory_order_relaxed);
    const std::uint64_t ceiling = chosen.memory_bytes_max ? *chosen.memory_bytes_max : memory_guard::usual_ceiling();
    memory_.set_ceiling(ceiling);
    const std::uint64_t resident = memory_.resident_bytes();
    if (ceiling > 0 && resident > ceiling / 10 * 9)
        log::warn("--max-memory: {} bytes are resident already, {} are allowed: new requests will be refused", resident,
                  ceiling);
}

void limiter::tell(limit_kind which, std::string_view client, std::string_view user, time_point now) {
    teller& one = told_[static_cast<unsigned>(which)];
    if (!due(one.next, now)) {
        one.silent.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    const std::uint64_t silent = one.silent.exchange(0, std::memory_order_relaxed);
    const std::string more = silent == 0 ? std::string() : fmt::format(" (and {} more since the last line)", silent);
    const words& spoken = said[static_cast<unsigned>(which)];
    log::info("{}{}{} denied by rule {}: {}{}", client, user.empty() ? "" : " ", log::on_one_line(user, 300),
              spoken.rule, spoken.why, more);
}

void limiter::give_back_memory(time_point now) noexcept {
    if (due(next_give_back_, now)) os::give_back_memory();
}

}  // namespace co_wq::proxy
