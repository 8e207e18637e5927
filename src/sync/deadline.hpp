// with_deadline, with_timeout, shield: a task below a limit of its own, or below none.
//
// For:        one deadline that bounds everything awaited below it: names, connects, handshakes, reads.
// Guarantees: at the deadline every operation below ends with timed_out (one that has a result already delivers
//             it); the task itself decides what it makes of that and is always awaited to its end. Limits nest:
//             the earliest wins.
// Requires:   a queue with timers. Threads: the task's own.
//
//   result<std::size_t> got = co_await with_timeout(5s, read_header(stream));
//   if (!got && got.error() == errc::timed_out) …
#pragma once

#include "base/result.hpp"
#include "sync/timer_queue.hpp"
#include "task/task.hpp"
#include "task/workqueue.hpp"

namespace co_wq {

namespace detail {

// A cancel scope with a timer, and the environment that carries both.
class deadline_scope : private timer {
public:
    enum class kind : unsigned char { at, after, shielded };
    deadline_scope(kind how, duration wait, time_point until) noexcept
        : timer(&expired), wait_(wait), until_(until), kind_(how) {}
    const task_env* enter(const task_env& outer) noexcept;
    void leave() noexcept { timer::cancel(); }

private:
    static void expired(timer& self) noexcept;

    cancel_scope cancel_;
    task_env env_;
    duration wait_;
    time_point until_;
    kind kind_;
};

template <class T>
class deadline_awaiter : public awaiter_base, private deadline_scope {
public:
    deadline_awaiter(task<T>&& child, kind how, duration wait, time_point until) noexcept
        : awaiter_base(ops), deadline_scope(how, wait, until), child_(&std::move(child).release()) {}
    ~deadline_awaiter() {
        if (child_) destroy_tree(*child_);
    }
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        promise_base& parent = waiting.promise();
        awaiter_base::enter(parent);
        child_->link_to(parent, deadline_scope::enter(parent.env()));
        running_frame = child_;
        return child_->self();
    }
    T await_resume() {
        leave();
        exit();
        return child_->take();
    }

private:
    static promise_base* take_child(awaiter_base& self) noexcept {
        return std::exchange(static_cast<deadline_awaiter&>(self).child_, nullptr);
    }
    static promise_base* child_at(const awaiter_base& self, std::size_t index) noexcept {
        return index == 0 ? static_cast<const deadline_awaiter&>(self).child_ : nullptr;
    }
    static constexpr awaiter_ops ops{"task with a deadline", &take_child, nullptr, &child_at, nullptr};

    promise<T>* child_;
};

}  // namespace detail

template <class T>
[[nodiscard]] detail::deadline_awaiter<T> with_deadline(time_point when, task<T> work) noexcept {
    return {std::move(work), detail::deadline_scope::kind::at, duration{}, when};
}
template <class T>
[[nodiscard]] detail::deadline_awaiter<T> with_timeout(duration wait, task<T> work) noexcept {
    return {std::move(work), detail::deadline_scope::kind::after, wait, no_deadline};
}
// Runs work to its end whatever happens to the surrounding scope: for clean-up. Destruction still reaches it.
template <class T>
[[nodiscard]] detail::deadline_awaiter<T> shield(task<T> work) noexcept {
    return {std::move(work), detail::deadline_scope::kind::shielded, duration{}, no_deadline};
}

}  // namespace co_wq
