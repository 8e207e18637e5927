#include "sync/channel.hpp"

#include <mutex>

namespace co_wq::detail {
namespace {
// May the operation complete without suspending?
bool may_go_on() noexcept {
    workqueue* const queue = workqueue::current();
    return !queue || queue->spend_budget();
}
}  // namespace

void channel_core::require_unused() noexcept {
    const std::scoped_lock guard(lock_);
    CO_WQ_REQUIRE(unsettled_ == 0, "a channel was destroyed while tasks are in send or recv: close it, and join them");
}

channel_item* channel_core::take_left() noexcept {
    channel_item* item = first_;
    if (item) first_ = item->next;
    return item;
}

void channel_core::append(channel_item& item) noexcept {
    item.prev = last_;
    item.next = nullptr;
    (last_ ? last_->next : first_) = &item;
    last_ = &item;
    ++count_;
}

void channel_core::remove(channel_item& item) noexcept {
    (item.prev ? item.prev->next : first_) = item.next;
    (item.next ? item.next->prev : last_) = item.prev;
    --count_;
}

// The first parked item joins the buffer; its sender is to be signalled.
op_slot* channel_core::accept_parked() noexcept {
    channel_item& item = *first_parked_;
    first_parked_ = item.next;
    ++accepted_;
    op_slot* const sender = std::exchange(item.sender, nullptr);
    sender->detail = mark_granted;
    return sender;
}

// Takes the first item. woken: a sender that could be accepted for it.
channel_item* channel_core::pop(op_slot*& woken) noexcept {
    if (accepted_ == 0) woken = accept_parked();  // a meeting
    channel_item* const item = first_;
    remove(*item);
    --accepted_;
    if (first_parked_ && (accepted_ < capacity_ || accepted_ < reserved_)) woken = accept_parked();
    return item;
}

// Promises an item to the oldest receiver, if there are both; it is to be signalled.
op_slot* channel_core::serve_receiver() noexcept {
    if (receivers_.empty() || count_ == reserved_) return nullptr;
    ++reserved_;
    return receivers_.pop_front(mark_granted);
}

channel_core::outcome channel_core::send(channel_item& item, op_slot* slot) noexcept {
    op_slot* served = nullptr;
    {
        const std::scoped_lock guard(lock_);
        if (closed_) return outcome::closed;
        if (receivers_.empty() && accepted_ >= capacity_) {
            if (!slot) return outcome::wait;
            item.sender = slot;
            slot->detail = mark_linked;
            append(item);
            if (!first_parked_) first_parked_ = &item;
            ++unsettled_;
            return outcome::wait;
        }
        append(item);
        ++accepted_;
        served = serve_receiver();
    }
    if (served) op_slab::signal(*served, 0);
    return outcome::done;
}

wait_mark channel_core::withdraw_sender(channel_item& item, op_slot& slot, bool leaves) noexcept {
    const std::scoped_lock guard(lock_);
    const auto mark = static_cast<wait_mark>(slot.detail);
    if (leaves || mark == mark_linked) --unsettled_;
    if (mark == mark_linked) {
        if (first_parked_ == &item) first_parked_ = item.next;
        remove(item);
        item.sender = nullptr;
        slot.detail = mark_none;
    }
    return mark;
}

channel_core::outcome channel_core::try_recv(channel_item*& item) noexcept {
    op_slot* woken = nullptr;
    {
        const std::scoped_lock guard(lock_);
        if (count_ == reserved_) return closed_ ? outcome::closed : outcome::wait;
        item = pop(woken);
    }
    if (woken) op_slab::signal(*woken, 0);
    return outcome::done;
}

channel_core::outcome channel_core::reserve(op_slot& slot) noexcept {
    op_slot* woken = nullptr;
    {
        const std::scoped_lock guard(lock_);
        if (count_ == reserved_) {
            if (closed_) return outcome::closed;
            receivers_.push_back(slot);
            ++unsettled_;
            return outcome::wait;
        }
        ++reserved_;
        ++unsettled_;
        slot.detail = mark_granted;
        if (accepted_ < reserved_) woken = accept_parked();
    }
    if (woken) op_slab::signal(*woken, 0);
    return outcome::done;
}

channel_item* channel_core::claim() noexcept {
    op_slot* woken = nullptr;
    channel_item* item = nullptr;
    {
        const std::scoped_lock guard(lock_);
        --reserved_;
        --unsettled_;
        item = pop(woken);
    }
    if (woken) op_slab::signal(*woken, 0);
    return item;
}

wait_mark channel_core::withdraw_receiver(op_slot& slot, bool leaves) noexcept {
    op_slot* served = nullptr;
    wait_mark mark;
    {
        const std::scoped_lock guard(lock_);
        mark = static_cast<wait_mark>(slot.detail);
        if (mark == mark_linked) {
            receivers_.remove(slot, mark_none);
            --unsettled_;
        } else if (leaves) {
            --unsettled_;
            if (mark == mark_granted) {
                --reserved_;
                served = serve_receiver();
            }
        }
    }
    if (served) op_slab::signal(*served, 0);
    return mark;
}

void channel_core::settle() noexcept {
    const std::scoped_lock guard(lock_);
    --unsettled_;
}

void channel_core::close() noexcept {
    op_slot* receivers = nullptr;
    op_slot* senders = nullptr;
    {
        const std::scoped_lock guard(lock_);
        closed_ = true;
        receivers = receivers_.take_all(mark_closed);
        // the parked items go back to their senders, newest first so that the chain is oldest first
        while (first_parked_) {
            channel_item& item = *last_;
            if (first_parked_ == &item) first_parked_ = nullptr;
            remove(item);
            op_slot* const sender = std::exchange(item.sender, nullptr);
            sender->detail = mark_closed;
            sender->links.next = senders;
            senders = sender;
        }
    }
    signal_all(senders, -static_cast<std::int32_t>(errc::closed));
    signal_all(receivers, -static_cast<std::int32_t>(errc::closed));
}

bool channel_core::closed() const noexcept {
    const std::scoped_lock guard(lock_);
    return closed_;
}

bool channel_core::has_room() const noexcept {
    const std::scoped_lock guard(lock_);
    return !closed_ && (!receivers_.empty() || accepted_ < capacity_);
}

std::size_t channel_core::size() const noexcept {
    const std::scoped_lock guard(lock_);
    return accepted_ - reserved_;
}

bool channel_sender::settle_on(channel_core::outcome came) noexcept {
    if (came == channel_core::outcome::done) {
        item_ = nullptr;
    } else if (came == channel_core::outcome::closed) {
        result_ = as_result(errc::closed);
    }
    return came != channel_core::outcome::wait;
}

bool channel_sender::ready() noexcept { return may_go_on() && settle_on(core_.try_send(*item_)); }

bool channel_sender::suspend(promise_base& frame) {
    if (!prepare(frame)) return false;
    if (!settle_on(core_.send(*item_, slot_))) {
        stay();
        return true;
    }
    if (!item_) {
        slot_->slab().finish(*slot_, 0);  // sent; the budget is spent: gives way
        return true;
    }
    unpark();
    return false;
}

void channel_sender::resumed() noexcept {
    if (!suspended_ || cancelled_) return;
    if (result_ >= 0) item_ = nullptr;
    core_.settle();
}

void channel_sender::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<channel_sender&>(self);
    if (me.core_.withdraw_sender(*me.item_, *me.slot_, false) == mark_linked) me.end_by_cancel(reason);
}

void channel_sender::release() noexcept {
    if (!slot_) return;
    op_slab& slab = slot_->slab();
    if (!suspended_ || cancelled_) return (void)slab.abandon(*slot_);
    const wait_mark mark = core_.withdraw_sender(*item_, *slot_, true);
    if (mark == mark_linked) return slab.withdraw(*slot_);
    if (mark == mark_granted) item_ = nullptr;
    slab.abandon(*slot_);
}

bool channel_receiver::ready() noexcept {
    if (!may_go_on()) return false;
    const auto came = core_.try_recv(item_);
    if (came == channel_core::outcome::closed) result_ = as_result(errc::closed);
    return came != channel_core::outcome::wait;
}

bool channel_receiver::suspend(promise_base& frame) {
    if (!prepare(frame)) return false;
    switch (core_.reserve(*slot_)) {
        case channel_core::outcome::closed:
            result_ = as_result(errc::closed);
            unpark();
            return false;
        case channel_core::outcome::done:
            suspended_ = true;
            slot_->slab().finish(*slot_, 0);  // gives way, then takes it
            return true;
        case channel_core::outcome::wait: break;
    }
    stay();
    return true;
}

void channel_receiver::resumed() noexcept {
    if (!suspended_ || cancelled_) return;
    if (result_ >= 0) {
        item_ = core_.claim();
    } else {
        core_.settle();
    }
}

void channel_receiver::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<channel_receiver&>(self);
    if (me.core_.withdraw_receiver(*me.slot_, false) == mark_linked) me.end_by_cancel(reason);
}

void channel_receiver::release() noexcept {
    if (!slot_) return;
    op_slab& slab = slot_->slab();
    if (cancelled_) return (void)slab.abandon(*slot_);
    if (core_.withdraw_receiver(*slot_, true) == mark_linked) return slab.withdraw(*slot_);
    slab.abandon(*slot_);
}

}  // namespace co_wq::detail
