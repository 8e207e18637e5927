// Monotonic time. Only event loops and benchmarks ask for it; everything else is told.
#pragma once

#include <chrono>
#include <cstdint>

namespace co_wq {

using duration = std::chrono::nanoseconds;
// Nanoseconds of CLOCK_MONOTONIC; under the simulated reactor, virtual nanoseconds since the run's start.
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

inline constexpr time_point no_deadline = time_point::max();

inline time_point steady_now() noexcept {
    return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
}

// now + wait, without overflow.
constexpr time_point saturating_add(time_point now, duration wait) noexcept {
    return wait >= no_deadline - now ? no_deadline : now + wait;
}

}  // namespace co_wq
