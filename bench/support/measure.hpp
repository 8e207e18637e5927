// Clocks, output and inputs that all in-process benchmarks share; without the runtime, so that the floor programs
// are measured by the same means.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace co_wq::bench {

inline std::int64_t nanoseconds_of(clockid_t clock) noexcept {
    timespec read{};
    clock_gettime(clock, &read);
    return std::int64_t{read.tv_sec} * 1'000'000'000 + read.tv_nsec;
}
inline std::int64_t wall_ns() noexcept { return nanoseconds_of(CLOCK_MONOTONIC); }
inline std::int64_t cpu_ns() noexcept { return nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID); }

// Binds the calling thread to a core; without effect where that core is not ours.
inline void pin_to_core(int core) noexcept {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(core, &only);
    (void)pthread_setaffinity_np(pthread_self(), sizeof only, &only);
}

// One result line: "metric value", in nanoseconds per operation.
inline void report(const char* metric, std::int64_t total_ns, long operations) {
    std::printf("%s %.3f\n", metric, static_cast<double>(total_ns) / static_cast<double>(operations));
    std::fflush(stdout);
}

// A benchmark that does not do its work must not print a figure.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "wrong result: %s\n", what);
    std::exit(1);
}

// The optimiser must produce value and may not know what is made of it.
template <class T>
void keep(const T& value) noexcept {
    asm volatile("" : : "r,m"(value) : "memory");
}

// The generator of all timer deadlines: xorshift64 (Marsaglia, 2003), always from the same seed.
class deadline_generator {
public:
    std::uint64_t next() noexcept {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }
    // 10 to 60 s away: armed and cancelled.
    std::int64_t far_ns() noexcept { return static_cast<std::int64_t>(10'000 + next() % 50'000) * 1'000'000; }
    // 0 to 100 ms away: fires.
    std::int64_t near_ns() noexcept { return static_cast<std::int64_t>(next() % 100'000) * 1'000; }

private:
    std::uint64_t state_ = 88'172'645'463'325'252u;
};

inline constexpr long timer_count = 1'000'000;

}  // namespace co_wq::bench
