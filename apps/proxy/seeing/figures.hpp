// figures: what one loop counts, for whoever reads it from another thread.
//
// For:        metrics. One set per loop, summed by the reader.
// Guarantees: writing is a plain load and store, without a lock or a locked instruction; a reader sees each figure
//             whole, though not all of one moment.
// Threads:    written by one loop; read by any thread.
//
//   figure count;
//   ++count;                  // the loop
//   count.get();              // anybody
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "http/method.hpp"
#include "proxy/limits/limiter.hpp"

namespace co_wq::proxy {

class figure {
public:
    void add(std::uint64_t more) noexcept { set(get() + more); }
    void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
    figure& operator++() noexcept {
        add(1);
        return *this;
    }
    figure& operator--() noexcept {
        add(~std::uint64_t{0});
        return *this;
    }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// How often a span was at most each of these, and their sum.
class span_histogram {
public:
    // Seconds: from a name in the cache on this machine to an origin that thinks.
    static constexpr std::array<double, 16> bounds_s{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                     0.05,   0.1,     0.25,   0.5,   1,      2.5,   10,   30};
    void add(duration span) noexcept;
    // Of those above the bound before and up to this one; the last: above all of them.
    std::uint64_t in_bucket(std::size_t index) const noexcept { return buckets_[index].get(); }
    std::uint64_t sum_ns() const noexcept { return sum_ns_.get(); }

private:
    std::array<figure, bounds_s.size() + 1> buckets_;
    figure sum_ns_;
};

inline constexpr std::size_t methods_counted = static_cast<std::size_t>(http::method::other) + 1;
inline constexpr std::size_t status_classes = 6;  // 0: no status was sent; 1xx to 5xx

// Why we answered ourselves: a bounded set, from the status that says it.
enum class refusal_reason : std::uint8_t {
    bad_request,
    denied,
    authentication,
    method,
    timeout,
    too_large,
    rate,
    loop,
    upstream_failed,
    upstream_timeout,
    overload,
    other,
    count,
};
refusal_reason refusal_reason_of(std::uint16_t status) noexcept;
std::string_view name_of(refusal_reason reason) noexcept;

enum class connect_failure : std::uint8_t { name, refused, unreachable, timeout, denied, resources, other, count };
connect_failure connect_failure_of(error what) noexcept;
std::string_view name_of(connect_failure reason) noexcept;

struct alignas(64) loop_figures {
    figure connections;
    figure requests;  // begun
    figure tunnels;
    figure refused;
    figure accept_errors;
    figure tls_handshakes, tls_failures;  // with clients
    figure tunnels_current;
    std::array<std::array<figure, status_classes>, methods_counted> answered;  // ended, tunnels at their beginning
    std::array<figure, static_cast<std::size_t>(refusal_reason::count)> refused_by;
    std::array<figure, limit_kinds> limited;
    figure bytes_up, bytes_down;
    figure connects;
    std::array<figure, static_cast<std::size_t>(connect_failure::count)> connect_failures;
    figure pool_hits, pool_misses;
    figure parent_retries;  // another parent was asked after one that failed
    span_histogram first_byte, connect_time;

    // Copies of what the loop's parts count for themselves, as of the last look (loop_seeing::refresh).
    figure pool_size;
    figure dns_lookups, dns_cache_hits, dns_queries, dns_failures, dns_timeouts;
    figure waits, events, turns, late_completions, live_operations;
};

}  // namespace co_wq::proxy
