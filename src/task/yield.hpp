// yield(): gives way to everything else that is ready on the same queue.
//
//   while (more()) { work(); co_await yield(); }
#pragma once

#include "task/promise.hpp"
#include "task/workqueue.hpp"

namespace co_wq {

namespace detail {
class yield_awaiter : public awaiter_base, private worknode {
public:
    yield_awaiter() noexcept
        : awaiter_base(ops), worknode([](worknode& self) noexcept {
              auto& me = static_cast<yield_awaiter&>(self);
              running_frame = me.frame_;
              me.frame_->self().resume();
          }) {}
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        promise_base& frame = waiting.promise();
        enter(frame);
        frame.env().queue->post(*this);
    }
    void await_resume() noexcept { exit_entered(); }

private:
    static constexpr awaiter_ops ops{"yield"};
};
}  // namespace detail

[[nodiscard]] inline detail::yield_awaiter yield() noexcept { return {}; }

namespace this_task {
// The environment of the calling task, without suspending: auto& env = co_await this_task::environment();
class environment_awaiter {
public:
    environment_awaiter() noexcept = default;
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> asking) noexcept {
        env_ = asking.promise().env_pointer();
        return false;
    }
    const task_env& await_resume() const noexcept { return *env_; }

private:
    const task_env* env_ = nullptr;
};
[[nodiscard]] inline environment_awaiter environment() noexcept { return {}; }
}  // namespace this_task

}  // namespace co_wq
