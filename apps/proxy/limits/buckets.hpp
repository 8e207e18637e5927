// request_bucket, shaper: how much of a rate is taken. Both are one word that says when all that was taken is paid for:
// the generic cell rate algorithm, which is a token bucket without a refill.
//
// For:        request_bucket: a request is let in, or told when one may come again. shaper: bytes are taken as they
// come,
//             and whoever took them waits until they are paid for before it takes more.
// Guarantees: lock-free; exact over all threads: of requests never more than the burst and what a rate gives since;
//             of bytes, over any span, the rate and what was taken last. The rate is told with each call: a reload
//             changes nothing here.
// Requires:   times of one monotonic clock. A caller whose time is a little behind another one's is none the worse.
// Threads:    any.
// Source:     ITU-T I.371 (the virtual scheduling algorithm).
//
//   const duration wait = bucket.take({.per_second = 10, .burst = 20}, now);     // zero: go on
//   const duration owed = shaper.take(got, 1024 * 1024, now);                    // sleep that long before the next
//   read
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/clock.hpp"
#include "proxy/limits/limits.hpp"

namespace co_wq::proxy {

class request_bucket {
public:
    static constexpr std::int64_t apart_max = 1'000'000'000;  // nanoseconds between two callers' times
    // Zero: taken. Else nothing is, and one may be after this long. by: with a limit.
    duration take(const rate& by, time_point now) noexcept {
        const std::int64_t step = 1'000'000'000 / by.per_second;
        const std::int64_t ahead_max = step * (by.burst - std::int64_t{1});
        const std::int64_t here = now.time_since_epoch().count();
        std::int64_t paid = paid_.load(std::memory_order_relaxed);
        for (;;) {
            // by a lower rate, before a reload: who has waited as long as this one asks is let in, a second later at
            // most
            if (const std::int64_t most = here + ahead_max + step + apart_max; paid > most) {
                if (paid_.compare_exchange_weak(paid, most, std::memory_order_relaxed)) paid = most;
                continue;
            }
            const std::int64_t from = std::max(paid, here);
            if (from - here > ahead_max) return duration(from - here - ahead_max);
            if (paid_.compare_exchange_weak(paid, from + step, std::memory_order_relaxed)) return duration::zero();
        }
    }
    bool rested(time_point now) const noexcept {
        return paid_.load(std::memory_order_relaxed) <= now.time_since_epoch().count();
    }

private:
    std::atomic<std::int64_t> paid_{0};  // nanoseconds of the clock
};

class shaper {
public:
    // What may come at once after a pause, as the time it is worth.
    static constexpr duration slack = std::chrono::milliseconds(50);
    static constexpr std::uint64_t size_max = std::uint64_t{1} << 30;

    // size: at most size_max. per_second: within the bounds of limits.hpp.
    duration take(std::uint64_t size, std::uint64_t per_second, time_point now) noexcept {
        // size * 10^9 has room: 2^30 * 2^30
        const auto cost = static_cast<std::int64_t>((size * 1'000'000'000 + per_second - 1) / per_second);
        const std::int64_t here = now.time_since_epoch().count();
        std::int64_t paid = paid_.load(std::memory_order_relaxed), next = 0;
        do next = std::max(paid, here - slack.count()) + cost;
        while (!paid_.compare_exchange_weak(paid, next, std::memory_order_relaxed));
        return std::max(duration(next - here), duration::zero());
    }
    bool rested(time_point now) const noexcept {
        return paid_.load(std::memory_order_relaxed) <= now.time_since_epoch().count();
    }

private:
    std::atomic<std::int64_t> paid_{0};
};

}  // namespace co_wq::proxy
