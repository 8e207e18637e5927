// event: a flag that tasks wait for; it stays set until it is reset.
//
// For:        "it has happened": started, configured, drained.
// Guarantees: set() releases every task that waits at that moment, even if reset() follows at once. Waiting for a
//             set event does not suspend.
// Threads:    any; a waiting task goes on on its own queue.
// Lifetime:   may be destroyed once nobody waits; tasks already released need it no more. Destroying it with
//             waiting tasks is a fault.
// Errors:     wait: stopped or timed_out when the surrounding scope is cancelled first.
//
//   event ready;
//   co_await ready.wait();     // elsewhere: ready.set();
#pragma once

#include "sync/detail/parking.hpp"

namespace co_wq {

class event;

namespace detail {

class event_awaiter : public parked {
public:
    explicit event_awaiter(event& on) noexcept : parked(ops, &cancelled), event_(on) {}
    ~event_awaiter();
    bool await_ready() const noexcept;
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return suspend(waiting.promise());
    }
    result<void> await_resume() noexcept {
        exit();
        return outcome();
    }

private:
    bool suspend(promise_base& frame);
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static constexpr awaiter_ops ops{"event"};
    event& event_;
};

}  // namespace detail

class event {
public:
    explicit event(bool set = false) noexcept : set_(set) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event();

    // What the caller did before is visible to those it releases.
    void set() noexcept;
    void reset() noexcept { set_.store(false, std::memory_order_relaxed); }
    bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

    [[nodiscard]] detail::event_awaiter wait() noexcept { return detail::event_awaiter(*this); }

private:
    friend class detail::event_awaiter;
    bool link_unless_set(op_slot& slot) noexcept;
    // False: it was released.
    static bool unlink(event& on, op_slot& slot) noexcept;

    std::atomic<bool> set_;
    detail::wait_list waiters_;
};

inline bool detail::event_awaiter::await_ready() const noexcept { return event_.is_set(); }

}  // namespace co_wq
