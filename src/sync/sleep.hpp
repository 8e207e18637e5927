// sleep_for, sleep_until: suspends the task until a time has come.
//
// Guarantees: never early, late by at most one tick of the timer queue plus the loop's own lag.
// Errors:     stopped or timed_out when the surrounding scope is cancelled first.
// Requires:   a queue with timers (an event loop).
//
//   co_await sleep_for(250ms);
#pragma once

#include "base/result.hpp"
#include "sync/timer_queue.hpp"
#include "task/op_waiter.hpp"
#include "task/workqueue.hpp"

namespace co_wq {

namespace detail {

class sleep_awaiter : public awaiter_base, private worknode, private timer, private cancel_node {
public:
    sleep_awaiter(duration wait, time_point until) noexcept
        : awaiter_base(ops), worknode(&resume), timer(&expired), cancel_node(&cancelled), wait_(wait), until_(until) {}

    bool await_ready() const noexcept { return false; }

    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        return suspend(waiting.promise());
    }
    result<void> await_resume() noexcept {
        exit();
        if (ended_by_cancel_) return fail(reason_);
        return {};
    }

private:
    bool suspend(promise_base& frame) noexcept;
    static void resume(worknode& self) noexcept;
    static void expired(timer& self) noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static constexpr awaiter_ops ops{"sleep"};

    duration wait_;
    time_point until_;
    errc reason_ = errc::stopped;
    bool ended_by_cancel_ = false;
};

}  // namespace detail

inline detail::sleep_awaiter sleep_for(duration wait) noexcept { return {wait, no_deadline}; }
inline detail::sleep_awaiter sleep_until(time_point when) noexcept { return {duration::max(), when}; }

}  // namespace co_wq
