// timer_queue: very many timers on one thread, which never asks the time: it is told.
//
// For:        sleeps, deadlines and timeouts of an event loop.
// Guarantees: arm and cancel are O(1) without allocation; a timer never fires early and at most one tick
//             (65.5 us) late, as far as the loop turns; firing a million timers at once neither recurses nor
//             grows the stack. Destroying an armed timer cancels it.
// Threads:    the owner of the loop.
// Lifetime:   timers and queue may die in any order.
// Source:     a hierarchical timing wheel (Varghese and Lauck, 1987): level k has 64 places of 64^k ticks.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/clock.hpp"
#include "base/intrusive_list.hpp"

namespace co_wq {

class timer : public list_hook<timer> {
public:
    // Called from advance(); may destroy the timer, arm it again, and arm or cancel others.
    using function = void (*)(timer& self) noexcept;
    explicit timer(function on_expiry) noexcept : on_expiry_(on_expiry) {}

    bool armed() const noexcept { return linked(); }
    void cancel() noexcept { unlink(); }

private:
    friend class timer_queue;
    std::uint64_t tick_ = 0;
    const function on_expiry_;
};

class timer_queue {
public:
    static constexpr int tick_shift = 16;
    static constexpr duration tick{1 << tick_shift};

    explicit timer_queue(time_point start) noexcept : now_tick_(floor_tick(start)) {}

    // Arms a timer for the first tick at or after deadline; one in the past fires at the next advance.
    void arm(timer& one, time_point deadline) noexcept {
        std::uint64_t due = ceil_tick(deadline);
        if (due <= now_tick_) due = now_tick_ + 1;
        one.tick_ = due;
        place(one);
    }

    // Fires everything due at now, in order of ticks; returns how many fired.
    std::size_t advance(time_point now) noexcept;

    // When advance must be called next; no_deadline when no timer is armed. May be earlier than the first timer
    // when that lies far ahead: then advance only sorts.
    time_point next() noexcept;

private:
    static constexpr int level_bits = 6;
    static constexpr int places = 1 << level_bits;
    static constexpr int levels = 8;

    static std::uint64_t floor_tick(time_point at) noexcept {
        return static_cast<std::uint64_t>(at.time_since_epoch().count()) >> tick_shift;
    }
    static std::uint64_t ceil_tick(time_point at) noexcept {
        const auto nanoseconds = static_cast<std::uint64_t>(at.time_since_epoch().count());
        return (nanoseconds + (std::uint64_t{1} << tick_shift) - 1) >> tick_shift;
    }

    void place(timer& one) noexcept {
        const std::uint64_t differing = one.tick_ ^ now_tick_;
        int level = differing ? (63 - std::countl_zero(differing)) / level_bits : 0;
        if (level >= levels) level = levels - 1;
        const auto slot = static_cast<std::size_t>(one.tick_ >> (level * level_bits)) & (places - 1);
        const auto row = static_cast<std::size_t>(level);
        wheel_[row][slot].push_back(one);
        occupied_[row] |= std::uint64_t{1} << slot;
    }
    // The first tick at which something is to be done (fire or sort), or ~0.
    std::uint64_t next_event() noexcept;
    std::size_t process(std::uint64_t at) noexcept;

    std::uint64_t now_tick_;
    std::array<std::uint64_t, levels> occupied_{};  // a set bit may be stale: its place can have emptied since
    std::array<std::array<intrusive_list<timer>, places>, levels> wheel_;
};

}  // namespace co_wq
