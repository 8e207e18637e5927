#include "task/run_on.hpp"

#include "base/this_thread.hpp"

namespace co_wq::detail {

remote_task::remote_task(workqueue& there, promise_base& child, void (*collect)(remote_task&, promise_base&) noexcept,
                         void (*fail)(remote_task&) noexcept, void (*free)(remote_task&) noexcept) noexcept
    : awaiter_base(ops),
      guest(&evict),
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
    if (!hold_there()) return;
    references_.fetch_add(1, std::memory_order_relaxed);  // from a reference that is held
    there_.execute(cancel_);
    reach_.store(reach::open, std::memory_order_release);  // the queue dies after our post
}

// False: it is gone.
bool remote_task::hold_there() noexcept {
    reach expected = reach::open;
    return reach_.compare_exchange_strong(expected, reach::held, std::memory_order_relaxed);
}

void remote_task::start(owned_node& self, bool run) noexcept {
    remote_task& me = static_cast<part&>(self).owner;
    if (run && !me.abandoned()) {
        me.there_.host(me);
        running_frame = me.child_;
        return me.child_->self().resume();
    }
    me.end_unfinished(!run);
}

void remote_task::evict(guest& self) noexcept { static_cast<remote_task&>(self).end_unfinished(true); }

void remote_task::end_unfinished(bool queue_is_gone) noexcept {
    destroy_tree(*std::exchange(child_, nullptr));
    if (queue_is_gone) fail_(*this);
    ended();
}

std::coroutine_handle<> remote_task::child_done(awaiter_base& self, promise_base& child) noexcept {
    auto& me = static_cast<remote_task&>(self);
    me.guest::unlink();
    me.collect_(me, child);
    me.child_ = nullptr;
    child.self().destroy();
    running_frame = nullptr;
    me.ended();
    return std::noop_coroutine();
}

// From here on the queue may die at any time: the waiter posts nothing more to it.
void remote_task::ended() noexcept {
    reach expected = reach::open;
    // acquire: a post of the waiter's, which lasts for a few instructions, is over
    for (unsigned round = 0; !reach_.compare_exchange_weak(expected, reach::gone, std::memory_order_acquire); ++round) {
        expected = reach::open;
        spin_pause(round);
    }
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
