// with_stop: a task that ends when a stop token says so.
//
// For:        letting another thread, or code without coroutines, end a task.
// Guarantees: the task runs in a cancel scope of its own inside the surrounding one; a stop cancels it with
//             `stopped`, on the task's own queue. The task is always awaited to its end, and decides itself what it
//             makes of the cancellation. A stop that comes after the frame died finds a record without a scope.
// Threads:    the task's own; the stop may be requested on any.
// Lifetime:   the source outlives the await.
//
//   auto outcome = co_await with_stop(source.get_token(), serve(stream));
#pragma once

#include <optional>

#include "task/owned_node.hpp"
#include "task/stop_token.hpp"
#include "task/task.hpp"
#include "task/workqueue.hpp"

namespace co_wq {

namespace detail {

// Carries one stop from the requesting thread to the scope's queue. Owned by the awaiter; the message is the second
// owner once it is sent.
class stop_relay final : public owned_node {
public:
    stop_relay(workqueue& queue, cancel_scope& scope) noexcept : owned_node(&arrive), queue_(queue), scope_(&scope) {}

    // At most once, on any thread.
    void send() noexcept { queue_.execute(*this); }
    // The awaiter ends; sent tells whether send was called (it has returned by then).
    void leave(bool sent) noexcept;

private:
    static void arrive(owned_node& self, bool run) noexcept;
    workqueue& queue_;
    // owner of the queue only
    cancel_scope* scope_;
    bool arrived_ = false;
};

class stop_scope {
public:
    explicit stop_scope(inplace_stop_token token) noexcept : token_(token) {}
    ~stop_scope() { leave(); }
    const task_env* enter(const task_env& outer);
    void leave() noexcept;

private:
    struct notify {
        explicit notify(stop_scope& scope) noexcept : owner(&scope) {}
        void operator()() const noexcept {
            owner->sent_ = true;
            owner->relay_->send();
        }
        stop_scope* owner;
    };

    inplace_stop_token token_;
    cancel_scope cancel_;
    task_env env_;
    stop_relay* relay_ = nullptr;
    bool sent_ = false;  // written by the callback, read after its deregistration
    std::optional<inplace_stop_callback<notify>> callback_;
};

template <class T>
class stop_awaiter : public awaiter_base, private stop_scope, private transfer_point {
public:
    stop_awaiter(inplace_stop_token token, task<T>&& child) noexcept
        : awaiter_base(ops), stop_scope(token), child_(&std::move(child).release()) {}
    ~stop_awaiter() {
        if (child_) destroy_tree(*child_);
    }
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) {
        promise_base& parent = waiting.promise();
        awaiter_base::enter(parent);
        child_->link_to(*this, stop_scope::enter(parent.env()));
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
        return std::exchange(static_cast<stop_awaiter&>(self).child_, nullptr);
    }
    static std::coroutine_handle<> child_done(awaiter_base& self, promise_base&) noexcept {
        auto& me = static_cast<stop_awaiter&>(self);
        return me.next(me.frame()->self(), me.frame()->env().queue);
    }
    static promise_base* child_at(const awaiter_base& self, std::size_t index) noexcept {
        return index == 0 ? static_cast<const stop_awaiter&>(self).child_ : nullptr;
    }
    static constexpr awaiter_ops ops{"task with a stop token", &take_child, &child_done, &child_at, nullptr};

    promise<T>* child_;
};

}  // namespace detail

template <class T>
[[nodiscard]] detail::stop_awaiter<T> with_stop(inplace_stop_token token, task<T> work) noexcept {
    return {token, std::move(work)};
}

}  // namespace co_wq
