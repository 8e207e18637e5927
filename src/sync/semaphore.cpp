#include "sync/semaphore.hpp"

namespace co_wq {

semaphore::~semaphore() {
    lock_.lock();
    const bool used = unsettled_ > 0;
    lock_.unlock();
    CO_WQ_REQUIRE(!used, "a semaphore was destroyed while tasks wait for it, or have a permit on its way to them");
}

// True: linked. False: took a permit.
bool semaphore::link_unless_free(op_slot& slot) noexcept {
    lock_.lock();
    std::int64_t seen = word_.load(std::memory_order_relaxed);
    while (seen >= 0) {
        if (seen > 0) {
            // acquire: as in try_acquire
            if (word_.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire, std::memory_order_relaxed)) {
                lock_.unlock();
                return false;
            }
        } else if (word_.compare_exchange_weak(seen, -1, std::memory_order_relaxed)) {
            break;
        }
    }
    ++unsettled_;
    waiters_.push_back(slot);
    lock_.unlock();
    return true;
}

// False: it has a permit.
bool semaphore::unlink(op_slot& slot) noexcept {
    lock_.lock();
    const bool linked = slot.detail == detail::mark_linked;
    if (linked) {
        waiters_.remove(slot, detail::mark_none);
        --unsettled_;
        if (waiters_.empty()) word_.store(0, std::memory_order_relaxed);  // -1 before: only we could change it
    }
    lock_.unlock();
    return linked;
}

void semaphore::release_to_waiters(std::int64_t permits) noexcept {
    while (permits > 0) {
        lock_.lock();
        op_slot* served = waiters_.pop_front(detail::mark_granted);
        if (!served) {
            // the last waiter left meanwhile, so the word counts again; release: pairs with try_acquire
            word_.fetch_add(permits, std::memory_order_release);
            permits = 0;
        } else {
            --permits;
            if (waiters_.empty()) word_.store(0, std::memory_order_relaxed);
        }
        lock_.unlock();
        if (served) op_slab::signal(*served, 0);
    }
}

namespace detail {

bool semaphore_awaiter::suspend(promise_base& frame) {
    if (!prepare(frame)) return false;
    if (semaphore_.link_unless_free(*slot_)) {
        stay();
        return true;
    }
    unpark();
    return false;
}

void semaphore_awaiter::settle() noexcept {
    semaphore_.lock_.lock();
    --semaphore_.unsettled_;
    semaphore_.lock_.unlock();
}

void semaphore_awaiter::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<semaphore_awaiter&>(self);
    if (me.semaphore_.unlink(*me.slot_)) me.end_by_cancel(reason);
}

semaphore_awaiter::~semaphore_awaiter() {
    if (!slot_) return;
    op_slab& slab = slot_->slab();
    if (cancelled_) {
        slab.abandon(*slot_);
    } else if (semaphore_.unlink(*slot_)) {
        slab.withdraw(*slot_);
    } else {
        slab.abandon(*slot_);
        semaphore_.release();  // before settling: the semaphore is certain to live until then
        settle();
    }
}

}  // namespace detail
}  // namespace co_wq
