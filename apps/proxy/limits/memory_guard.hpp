// memory_guard: whether there is too much memory in use to take on new work.
// memory_watch: one loop's look at it.
//
// For:        refusing in time what a kernel would otherwise end by killing.
// Guarantees: looked at no more often than every 100 ms for each loop, when something new comes; an idle proxy looks at
//             nothing. Between the ceiling and 90 % of it the answer stays as it was. What is in use is resident memory
//             without what the pools keep for their next use, so that a load that has gone frees its share.
// Threads:    memory_guard: any. memory_watch: its loop's own; together with others'.
// Lifetime:   the guard outlives its watches.
//
//   if (watch.look(loop.turn_time())) return refuse(503);
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"
#include "base/os/memory.hpp"

namespace co_wq::proxy {

class memory_guard {
public:
    static constexpr duration interval = std::chrono::milliseconds(100);

    // 0: there is none.
    void set_ceiling(std::uint64_t size) noexcept { ceiling_.store(size, std::memory_order_relaxed); }
    std::uint64_t ceiling() const noexcept { return ceiling_.load(std::memory_order_relaxed); }
    bool shedding() const noexcept { return shedding_.load(std::memory_order_relaxed); }
    std::uint64_t resident_bytes() const noexcept { return gauge_.resident_bytes(); }
    // Resident, without what is kept for later.
    std::uint64_t used_bytes() const noexcept;

    // What a limit says, where none is set: 85 % of what the system allows, or 0.
    static std::uint64_t usual_ceiling();

private:
    friend class memory_watch;
    enum class change : unsigned char { none, began, ended };
    change look() noexcept;

    os::memory_gauge gauge_;
    std::atomic<std::uint64_t> ceiling_{0};
    std::atomic<bool> shedding_{false};
    std::atomic<std::int64_t> kept_{0};  // by all loops' pools
};

class memory_watch {
public:
    explicit memory_watch(memory_guard& guard) noexcept : guard_(guard) {}
    memory_watch(const memory_watch&) = delete;
    memory_watch& operator=(const memory_watch&) = delete;
    ~memory_watch() { keep(0); }

    // Whether new work is to be refused. began: called, once over all loops, when that begins.
    template <class Began>
    bool look(time_point now, Began&& began) {
        if (now >= next_ && look_again(now)) began();
        return guard_.shedding();
    }
    // pool_trim; what the loop keeps is counted anew, since it may look at nothing for long.
    std::size_t trim(std::size_t size_class) noexcept;

private:
    bool look_again(time_point now);
    void count_kept() noexcept;
    void keep(std::int64_t bytes) noexcept;

    memory_guard& guard_;
    time_point next_{};
    std::int64_t kept_ = 0;
};

}  // namespace co_wq::proxy
