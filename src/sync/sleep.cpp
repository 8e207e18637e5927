#include "sync/sleep.hpp"

namespace co_wq::detail {

bool sleep_awaiter::suspend(promise_base& frame) noexcept {
    enter(frame);
    const task_env& env = frame.env();
    CO_WQ_REQUIRE(env.queue->timers(), "sleeping needs an event loop");
    if (env.scope) {
        if (env.scope->cancelled()) {
            ended_by_cancel_ = true;
            reason_ = env.scope->reason();
            return false;
        }
        env.scope->add(*this);
    }
    if (wait_ != duration::max()) until_ = saturating_add(env.queue->now(), wait_);
    if (until_ != no_deadline) env.queue->timers()->arm(*this, until_);
    return true;
}

void sleep_awaiter::resume(worknode& self) noexcept {
    auto& me = static_cast<sleep_awaiter&>(self);
    running_frame = me.frame_;
    me.frame_->self().resume();
}

void sleep_awaiter::expired(timer& self) noexcept {
    auto& me = static_cast<sleep_awaiter&>(self);
    me.cancel_node::unlink();
    me.frame_->env().queue->post(me);
}

void sleep_awaiter::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<sleep_awaiter&>(self);
    me.timer::cancel();
    me.ended_by_cancel_ = true;
    me.reason_ = reason;
    me.frame_->env().queue->post(me);
}

}  // namespace co_wq::detail
