#include "sync/deadline.hpp"

namespace co_wq::detail {

const task_env* deadline_scope::enter(const task_env& outer) noexcept {
    env_ = outer;
    env_.scope = &cancel_;
    if (kind_ == kind::shielded) {
        env_.deadline = no_deadline;
        return &env_;
    }
    if (outer.scope) cancel_.attach(*outer.scope);
    if (kind_ == kind::after) until_ = saturating_add(outer.queue->now(), wait_);
    if (until_ < env_.deadline) {
        env_.deadline = until_;
        CO_WQ_REQUIRE(outer.queue->timers(), "a deadline needs an event loop");
        outer.queue->timers()->arm(*this, until_);
    }
    return &env_;
}

void deadline_scope::expired(timer& self) noexcept {
    static_cast<deadline_scope&>(self).cancel_.cancel(errc::timed_out);
}

}  // namespace co_wq::detail
