// Parking: how a task waits on a synchronisation object that other threads may signal.
//
// A waiting task is an op slot of its own queue's slab, linked in the object's list. Whoever takes the slot out of
// the list, under the object's lock, has the one right to signal it; what became of it is noted in the slot under
// the same lock. So a waiter that dies or is cancelled learns whether it was served, without ever asking the other
// thread: still linked, it unlinks itself; served, it passes on what it was given.
//
// Threads: wait_list and marks: under the object's lock. parked: the task's own.
#pragma once

#include "base/result.hpp"
#include "sync/detail/spin_lock.hpp"
#include "task/op_waiter.hpp"
#include "task/workqueue.hpp"

namespace co_wq::detail {

// What became of a parked slot; in op_slot::detail.
enum wait_mark : std::uint8_t {
    mark_none,
    mark_linked,   // in the object's list
    mark_granted,  // taken out: it has what it waited for
    mark_closed,   // taken out: the object was closed
};

class wait_list {
public:
    bool empty() const noexcept { return !first_; }

    void push_back(op_slot& slot) noexcept {
        slot.links.prev = last_;
        slot.links.next = nullptr;
        (last_ ? last_->links.next : first_) = &slot;
        last_ = &slot;
        slot.detail = mark_linked;
    }

    // The oldest, marked; null when empty.
    op_slot* pop_front(wait_mark mark) noexcept {
        op_slot* slot = first_;
        if (slot) remove(*slot, mark);
        return slot;
    }

    void remove(op_slot& slot, wait_mark mark) noexcept {
        (slot.links.prev ? slot.links.prev->links.next : first_) = slot.links.next;
        (slot.links.next ? slot.links.next->links.prev : last_) = slot.links.prev;
        slot.detail = mark;
    }

    // All, marked, as a chain for signal_all.
    op_slot* take_all(wait_mark mark) noexcept {
        for (op_slot* slot = first_; slot; slot = slot->links.next) slot->detail = mark;
        op_slot* chain = first_;
        first_ = last_ = nullptr;
        return chain;
    }

private:
    op_slot* first_ = nullptr;
    op_slot* last_ = nullptr;
};

// Signals what take_all gave; without the lock.
inline void signal_all(op_slot* chain, std::int32_t result) noexcept {
    while (chain) {
        op_slot& slot = *chain;
        chain = slot.links.next;  // once signalled, the slot is its owner's
        op_slab::signal(slot, result);
    }
}

// Base of the awaiters. Results: 0 or more, or a negated errc.
class parked : public op_waiter {
protected:
    parked(const awaiter_ops& names, cancel_node::function on_cancel) noexcept : op_waiter(names, on_cancel) {}

    // Arms slot_. False: the surrounding scope is cancelled, which is the result.
    bool prepare(promise_base& frame) {
        enter(frame);
        const task_env& env = frame.env();
        if (env.scope && env.scope->cancelled()) [[unlikely]] {
            result_ = as_result(env.scope->reason());
            return false;
        }
        op_slab& slab = env.queue->slots();
        slot_ = &slab.fill(op_kind::wait, this);
        slab.arm(*slot_);
        return true;
    }
    // The object has linked slot_: the frame stays suspended.
    void stay() noexcept {
        suspended_ = true;
        if (cancel_scope* scope = frame_->env().scope) scope->add(*this);
    }
    // The object served at once: slot_ was never shared.
    void unpark() noexcept {
        op_slot& slot = *std::exchange(slot_, nullptr);
        slot.slab().withdraw(slot);
    }

    // The object has unlinked slot_ because of a cancellation.
    void end_by_cancel(errc reason) noexcept {
        cancelled_ = true;
        slot_->slab().finish(*slot_, as_result(reason));
    }

    static constexpr std::int32_t as_result(errc code) noexcept { return -static_cast<std::int32_t>(code); }
    result<void> outcome() const noexcept {
        if (result_ < 0) return fail(static_cast<errc>(-result_));
        return {};
    }

    bool suspended_ = false;  // was linked: another thread may have served it
    bool cancelled_ = false;  // ended by its scope: the object knows nothing of it any more
};

}  // namespace co_wq::detail
