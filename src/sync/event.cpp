#include "sync/event.hpp"

namespace co_wq {
namespace {

// The locks of events live apart from them, so that a released waiter which dies, or is cancelled, may still ask
// what became of its slot when the event is gone.
constexpr std::size_t lock_count = 64;
struct alignas(64) padded_lock : detail::spin_lock {};
constinit padded_lock locks[lock_count];

detail::spin_lock& lock_of(const event& one) noexcept {
    return locks[(reinterpret_cast<std::uintptr_t>(&one) >> 5) % lock_count];
}

}  // namespace

event::~event() {
    detail::spin_lock& lock = lock_of(*this);
    lock.lock();
    const bool waited_for = !waiters_.empty();
    lock.unlock();
    CO_WQ_REQUIRE(!waited_for, "an event was destroyed while tasks wait for it: set it, or end them first");
}

void event::set() noexcept {
    detail::spin_lock& lock = lock_of(*this);
    lock.lock();
    set_.store(true, std::memory_order_release);
    op_slot* released = waiters_.take_all(detail::mark_granted);
    lock.unlock();
    detail::signal_all(released, 0);  // the event may be gone by now
}

bool event::link_unless_set(op_slot& slot) noexcept {
    detail::spin_lock& lock = lock_of(*this);
    lock.lock();
    const bool link = !set_.load(std::memory_order_relaxed);  // stored under the lock, which orders
    if (link) waiters_.push_back(slot);
    lock.unlock();
    return link;
}

bool event::unlink(event& on, op_slot& slot) noexcept {
    detail::spin_lock& lock = lock_of(on);
    lock.lock();
    const bool linked = slot.detail == detail::mark_linked;
    if (linked) on.waiters_.remove(slot, detail::mark_none);  // linked, so the event is there
    lock.unlock();
    return linked;
}

namespace detail {

bool event_awaiter::suspend(promise_base& frame) {
    if (!prepare(frame)) return false;
    if (event_.link_unless_set(*slot_)) {
        stay();
        return true;
    }
    unpark();
    return false;
}

void event_awaiter::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<event_awaiter&>(self);
    if (event::unlink(me.event_, *me.slot_)) me.end_by_cancel(reason);
}

event_awaiter::~event_awaiter() {
    if (!slot_) return;
    if (!cancelled_ && event::unlink(event_, *slot_)) {
        slot_->slab().withdraw(*slot_);
    } else {
        slot_->slab().abandon(*slot_);
    }
}

}  // namespace detail
}  // namespace co_wq
