// limiter: what all loops know together about limits: how many connections there are, who has how many of them, and
// whether there is memory for more.
//
// For:        server_group has the one; each connection deals with it as a guest (guest.hpp).
// Guarantees: counts are exact over all loops.
// Threads:    any. Lifetime: outlives every guest.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "proxy/limits/memory_guard.hpp"
#include "proxy/limits/parties.hpp"

namespace co_wq::proxy {

enum class limit_kind : std::uint8_t {
    none,
    connections_per_client,
    connections_per_user,
    requests_per_client,
    requests_per_user,
    memory,
    request_time,
    tunnel_time,
    unanswered,  // a connection that was over a limit when many of those were being told
    count,
};
inline constexpr std::size_t limit_kinds = static_cast<std::size_t>(limit_kind::count);
// As the access log names it: "limit: requests per client".
std::string_view rule_of(limit_kind which) noexcept;
// As a metric's label: "requests_per_client".
std::string_view name_of(limit_kind which) noexcept;

// What a client is told; or nothing, when it may go on.
struct denial {
    limit_kind which = limit_kind::none;
    std::uint32_t retry_after_s = 1;

    explicit operator bool() const noexcept { return which != limit_kind::none; }
    std::uint16_t status() const noexcept { return which == limit_kind::memory ? 503 : 429; }
    // Whether its connection may ask again.
    bool keeps() const noexcept {
        return which == limit_kind::requests_per_client || which == limit_kind::requests_per_user ||
               which == limit_kind::connections_per_user;
    }
    std::string_view rule() const noexcept { return rule_of(which); }
    std::string text() const;
};
// Of a rate: in so long there is room.
denial denied_for(limit_kind which, duration wait) noexcept;

class limiter {
public:
    // Connections that are over a limit hold no place among the others while they are told so, but a descriptor.
    static constexpr std::uint32_t turning_away_max = 64;

    // One more connection; false: there are as many as allowed.
    bool reserve() noexcept {
        if (connections_.fetch_add(1, std::memory_order_relaxed) < connections_max()) return true;
        unreserve();
        return false;
    }
    void unreserve() noexcept { connections_.fetch_sub(1, std::memory_order_relaxed); }
    std::uint32_t connections() const noexcept { return connections_.load(std::memory_order_relaxed); }
    std::uint32_t connections_max() const noexcept { return connections_max_.load(std::memory_order_relaxed); }

    // Takes the limits that are not a loop's own. descriptors: connections that they are enough for.
    void set(const limits& chosen, std::uint32_t descriptors);

    bool turn_away() noexcept {
        if (turning_away_.fetch_add(1, std::memory_order_relaxed) < turning_away_max) return true;
        turned_away();
        return false;
    }
    void turned_away() noexcept { turning_away_.fetch_sub(1, std::memory_order_relaxed); }

    // A line of the log about a denial: one a second for each limit, and how many there were meanwhile.
    void tell(limit_kind which, std::string_view client, std::string_view user, time_point now);
    // What the heap keeps goes back to the system; once a second at most.
    void give_back_memory(time_point now) noexcept;

    party_table& clients() noexcept { return clients_; }
    party_table& users() noexcept { return users_; }
    memory_guard& memory() noexcept { return memory_; }

private:
    struct teller {
        std::atomic<std::int64_t> next{0};
        std::atomic<std::uint64_t> silent{0};
    };

    std::atomic<std::uint32_t> connections_{0}, connections_max_{0}, turning_away_{0};
    party_table clients_, users_;
    memory_guard memory_;
    std::array<teller, limit_kinds> told_;
    std::atomic<std::int64_t> next_give_back_{0};
};

}  // namespace co_wq::proxy
