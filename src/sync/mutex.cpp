#include "sync/mutex.hpp"

namespace co_wq {

// Worth it only while a holder on another thread may be about to finish, and nobody would be overtaken.
bool mutex::take_by_spinning() noexcept {
    for (unsigned round = 0; round < spin_rounds; ++round) {
        const std::uintptr_t seen = word_.load(std::memory_order_relaxed);
        if (seen == 0 && take()) return true;
        if ((seen & waited_for) || seen == here()) return false;
        detail::spin_pause(0);
    }
    return false;
}

// True: linked. False: took the lock.
bool mutex::link_unless_free(op_slot& slot) noexcept {
    lock_.lock();
    std::uintptr_t seen = word_.load(std::memory_order_relaxed);
    for (;;) {
        if (seen == 0) {
            if (take()) {
                lock_.unlock();
                return false;
            }
            seen = word_.load(std::memory_order_relaxed);
        } else if ((seen & waited_for) ||
                   // relaxed: the holder that sees the bit takes lock_, which we release with the slot linked
                   word_.compare_exchange_weak(seen, seen | waited_for, std::memory_order_relaxed)) {
            break;
        }
    }
    waiters_.push_back(slot);
    lock_.unlock();
    return true;
}

// False: it holds the lock.
bool mutex::unlink(op_slot& slot) noexcept {
    lock_.lock();
    const bool linked = slot.detail == detail::mark_linked;
    if (linked) {
        waiters_.remove(slot, detail::mark_none);
        if (waiters_.empty()) word_.fetch_and(~waited_for, std::memory_order_relaxed);
    }
    lock_.unlock();
    return linked;
}

void mutex::hand_over() noexcept {
    lock_.lock();
    op_slot* const next = waiters_.pop_front(detail::mark_granted);
    std::uintptr_t word = 0;
    if (next) {
        word = next->slab().queue().on_owner() ? here() : elsewhere;
        if (!waiters_.empty()) word |= waited_for;
    }
    // release: for whoever takes a free lock; the waiter gets what we did with the signal
    word_.store(word, std::memory_order_release);
    lock_.unlock();
    if (next) op_slab::signal(*next, 0);
}

// A handed-over lock has reached its new holder: tells spinning threads where that is.
void mutex::arrived() noexcept {
    std::uintptr_t seen = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(seen, here() | (seen & waited_for), std::memory_order_relaxed)) {
    }
}

namespace detail {

bool mutex_awaiter::suspend(promise_base& frame) {
    if (mutex_.take_by_spinning()) return false;
    if (!prepare(frame)) return false;
    if (mutex_.link_unless_free(*slot_)) {
        stay();
        return true;
    }
    unpark();
    return false;
}

void mutex_awaiter::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<mutex_awaiter&>(self);
    if (me.mutex_.unlink(*me.slot_)) me.end_by_cancel(reason);
}

mutex_awaiter::~mutex_awaiter() {
    if (!slot_) return;
    op_slab& slab = slot_->slab();
    if (cancelled_) {
        slab.abandon(*slot_);
    } else if (mutex_.unlink(*slot_)) {
        slab.withdraw(*slot_);
    } else {
        slab.abandon(*slot_);
        mutex_.unlock();
    }
}

}  // namespace detail
}  // namespace co_wq
