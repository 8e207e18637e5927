// with_scope: awaits a task under a cancel scope that the caller holds, so that others can cancel just this part.
//
//   cancel_scope here;
//   co_await with_scope(here, copy(a, b));     // here.cancel() ends it; the surrounding scope does too
#pragma once

#include "task/task.hpp"

namespace co_wq {

namespace detail {

template <class T>
class scope_awaiter : public awaiter_base {
public:
    scope_awaiter(cancel_scope& scope, task<T>&& child) noexcept
        : awaiter_base(ops), scope_(scope), child_(&std::move(child).release()) {}
    ~scope_awaiter() {
        if (child_) destroy_tree(*child_);
    }
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        promise_base& parent = waiting.promise();
        enter(parent);
        env_ = parent.env();
        if (env_.scope && env_.scope != &scope_) scope_.attach(*env_.scope);
        env_.scope = &scope_;
        child_->link_to(parent, &env_);
        running_frame = child_;
        return child_->self();
    }
    T await_resume() {
        exit();
        return child_->take();
    }

private:
    static promise_base* take_child(awaiter_base& self) noexcept {
        return std::exchange(static_cast<scope_awaiter&>(self).child_, nullptr);
    }
    static promise_base* child_at(const awaiter_base& self, std::size_t index) noexcept {
        return index == 0 ? static_cast<const scope_awaiter&>(self).child_ : nullptr;
    }
    static constexpr awaiter_ops ops{"task in a scope", &take_child, nullptr, &child_at, nullptr};

    cancel_scope& scope_;
    task_env env_;
    promise<T>* child_;
};

}  // namespace detail

template <class T>
[[nodiscard]] detail::scope_awaiter<T> with_scope(cancel_scope& scope, task<T> work) noexcept {
    return {scope, std::move(work)};
}

}  // namespace co_wq
