#include "task/run_on.hpp"

namespace co_wq::detail {

remote_task::remote_task(workqueue& there, promise_base& child, void (*collect)(remote_task&, promise_base&) noexcept,
                         void (*fail)(remote_task&) noexcept, void (*free)(remote_task&) noexcept) noexcept
    : awaiter_base(ops),
      there_(there),
      collect_(collect),
      fail_(fail),
      free_(free),
      child_(&child),
      start_(&start, *this),
      cancel_(&cancel, *this) {}

void remote_task::send(const task_env& home) noexcept {
    if (home.scope && home.scope->cancelled()) {
        scope_.cancel(home.scope->reason());  // nobody else knows the record yet
        cancel_sent_ = true;
    }
    env_.queue = &there_;
    env_.scope = &scope_;
    env_.deadline = home.deadline;
    env_.name = home.name;
    child_->link_to(*this, &env_);
    there_.execute(start_);
}

void remote_task::send_cancel(errc reason) noexcept {
    if (std::exchange(cancel_sent_, true)) return;
    reason_ = reason;
    references_.fetch_add(1, std::memory_order_relaxed);  // from a reference that is held
    there_.execute(cancel_);
}

void remote_task::start(owned_node& self, bool run) noexcept {
    remote_task& me = static_cast<part&>(self).owner;
    if (run && !me.abandoned()) {
        running_frame = me.child_;
        return me.child_->self().resume();
    }
    destroy_tree(*std::exchange(me.child_, nullptr));
    if (!run) me.fail_(me);
    me.ended();
}

std::coroutine_handle<> remote_task::child_done(awaiter_base& self, promise_base& child) noexcept {
    auto& me = static_cast<remote_task&>(self);
    me.collect_(me, child);
    me.child_ = nullptr;
    child.self().destroy();
    running_frame = nullptr;
    me.ended();
    return std::noop_coroutine();
}

void remote_task::ended() noexcept {
    (void)publish();
    release();
}

// The start message was sent before and by the same thread, so the task has begun, unless its queue died.
void remote_task::cancel(owned_node& self, bool run) noexcept {
    remote_task& me = static_cast<part&>(self).owner;
    if (run && me.child_) me.scope_.cancel(me.reason_);
    me.release();
}

}  // namespace co_wq::detail
