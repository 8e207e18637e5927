// What a channel does whatever its values are.
//
// Values are items in pool memory, in one list: first those accepted (in the buffer), then those whose senders
// are still parked. A receiver that is served gets no item, but the promise of one (reserved); it takes the first
// when it goes on. So an item is never in the hands of a frame that may die.
//
//   items:   [accepted ... accepted][parked ... parked]     reserved <= accepted
//            first                   first_parked           parked only when accepted >= capacity
//   receivers wait only when every item is reserved.
//
// Threads: channel_core: any. The awaiters: the task's own.
#pragma once

#include <cstddef>

#include "sync/detail/parking.hpp"

namespace co_wq::detail {

struct channel_item {
    channel_item* prev = nullptr;
    channel_item* next = nullptr;
    op_slot* sender = nullptr;  // parked with it
};

class channel_core {
public:
    enum class outcome : unsigned char { done, wait, closed };

    explicit channel_core(std::size_t capacity) noexcept : capacity_(capacity) {}
    void require_unused() noexcept;
    channel_item* take_left() noexcept;

    outcome try_send(channel_item& item) noexcept { return send(item, nullptr); }
    // wait: full, and the item is parked with slot, if there is one.
    outcome send(channel_item& item, op_slot* slot) noexcept;
    // What became of a parked sender's slot; linked: it no longer is, and the item is the caller's. leaves: the
    // waiter is gone in any case.
    wait_mark withdraw_sender(channel_item& item, op_slot& slot, bool leaves) noexcept;

    outcome try_recv(channel_item*& item) noexcept;
    // done: an item is reserved. wait: slot is linked.
    outcome reserve(op_slot& slot) noexcept;
    // Takes the item that is reserved for the caller.
    channel_item* claim() noexcept;
    // What became of a receiver's slot; linked: it no longer is. leaves: as above, and a reservation is passed on.
    wait_mark withdraw_receiver(op_slot& slot, bool leaves) noexcept;

    // A waiter that was served or closed has gone on, or is gone.
    void settle() noexcept;
    void close() noexcept;

    bool closed() const noexcept;
    bool has_room() const noexcept;
    std::size_t size() const noexcept;
    std::size_t capacity() const noexcept { return capacity_; }

private:
    void append(channel_item& item) noexcept;
    void remove(channel_item& item) noexcept;
    channel_item* pop(op_slot*& woken) noexcept;
    op_slot* accept_parked() noexcept;
    op_slot* serve_receiver() noexcept;

    const std::size_t capacity_;
    mutable spin_lock lock_;
    // guarded by lock_
    bool closed_ = false;
    std::uint32_t unsettled_ = 0;  // parked, or served and not resumed yet
    std::size_t count_ = 0;        // items in the list
    std::size_t accepted_ = 0;
    std::size_t reserved_ = 0;
    channel_item* first_ = nullptr;
    channel_item* last_ = nullptr;
    channel_item* first_parked_ = nullptr;
    wait_list receivers_;
};

class channel_sender : public parked {
protected:
    channel_sender(channel_core& core, channel_item& item) noexcept
        : parked(ops, &cancelled), core_(core), item_(&item) {}
    bool ready() noexcept;
    bool suspend(promise_base& frame);
    void resumed() noexcept;
    // Gives back the slot if the wait is still on.
    void release() noexcept;

    channel_core& core_;
    channel_item* item_;  // null: the channel's

private:
    bool settle_on(channel_core::outcome came) noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static constexpr awaiter_ops ops{"channel send"};
};

class channel_receiver : public parked {
protected:
    explicit channel_receiver(channel_core& core) noexcept : parked(ops, &cancelled), core_(core) {}
    bool ready() noexcept;
    bool suspend(promise_base& frame);
    void resumed() noexcept;
    void release() noexcept;

    channel_core& core_;
    channel_item* item_ = nullptr;

private:
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static constexpr awaiter_ops ops{"channel recv"};
};

}  // namespace co_wq::detail
