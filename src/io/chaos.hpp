// chaos: completions delayed, put out of order, and operations cancelled at random, on a real reactor.
//
// For:        staging: `co_http_proxy --chaos SEED:RATE`, loop_options::chaos. Timing that an ordinary machine shows
//             once a month happens all the time, in the binary that will be deployed.
// Guarantees: does only what may happen anyway: a completion comes later (by delay_max at most) or behind others; a
//             recv, send or connect on a stream ends with `stopped`, as if its scope had been cancelled. What a
//             listener, a signal or a descriptor of another library waits for is delayed, never cancelled. No
//             completion is lost and none comes twice.
// Threads:    its loop's.
// Lifetime:   the loop owns it; let_go before the loop's timers go.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/random.hpp"
#include "base/result.hpp"
#include "sync/timer_queue.hpp"
#include "task/op_slot.hpp"

namespace co_wq::io {

class event_loop;

struct chaos_options {
    std::uint64_t seed = 0;
    double rate = 0;  // the share of completions that are touched, 0 (none) to 1 (each)
};

// "SEED:RATE", such as 7:0.01: a whole number, and a share above 0 up to 1. Errors: invalid_argument.
result<chaos_options> chaos_from(std::string_view text) noexcept;

class chaos {
public:
    chaos(event_loop& loop, chaos_options options) noexcept;
    ~chaos() { let_go(); }

    // An operation has come up in its queue, and was taken out. True: chaos has seen to it; false: it stays.
    bool take(op_slot& slot) noexcept;
    // After all were taken: what was put behind goes back into the queue.
    void put_behind() noexcept;
    // What is held goes back into the queue.
    void let_go() noexcept;

    struct counters {
        std::uint64_t held = 0, behind = 0, cancelled = 0;
    };
    const counters& count() const noexcept { return count_; }

    static constexpr duration delay_min = std::chrono::microseconds(100);
    static constexpr unsigned delay_doublings = 8;
    static constexpr duration delay_max = delay_min * (1 << delay_doublings);

private:
    // Completions that wait for the same moment.
    struct lane : timer {
        lane() noexcept : timer(&due) {}
        static void due(timer& self) noexcept;
        event_loop* loop = nullptr;
        run_list held;
    };

    void hold(op_slot& slot) noexcept;
    bool cancel(op_slot& slot) noexcept;

    event_loop& loop_;
    seeded_random random_;
    const double rate_;
    std::array<lane, 4> lanes_;
    run_list behind_;
    counters count_;
};

}  // namespace co_wq::io
