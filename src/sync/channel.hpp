// channel<T>: a bounded queue of values between tasks; with capacity 0 a meeting of sender and receiver.
//
// For:        handing work or data from producers to consumers, with back-pressure.
// Guarantees: values come out in the order they went in, each once. send waits while the channel is full, recv while
//             it is empty, both first come, first served. What send took is never lost: a value meant for a
//             receiver that dies, or is cancelled, goes to the next. After 64 calls without suspension in a row
//             each call gives way once, so that a busy channel does not starve its queue.
// Threads:    any; a waiting task goes on on its own queue. Values are moved and destroyed without a lock held.
// Lifetime:   outlives every send and recv that has not returned; destroying it earlier is a fault. Values left in
//             it die with it.
// Errors:     send: closed (before or while it waited; the value is destroyed), stopped or timed_out (scope cancelled
//             while it waited; the value is destroyed). recv: closed, once the channel is closed and empty; stopped
//             or timed_out. try_send: closed, limit_exceeded (full). try_recv: closed, limit_exceeded (empty).
// Cost:       one pooled allocation per value.
//
//   channel<job> jobs(64);
//   co_await jobs.send(job(1));                           // producer
//   for (;;) {                                            // consumer
//       result<job> next = co_await jobs.recv();
//       if (!next) break;
//   }
#pragma once

#include "sync/detail/channel_core.hpp"

namespace co_wq {

namespace detail {

template <class T>
struct channel_value : channel_item {
    template <class... Args>
    explicit channel_value(Args&&... args) : value(std::forward<Args>(args)...) {}
    T value;
};

template <class T>
class send_awaiter : public channel_sender {
public:
    send_awaiter(channel_core& core, channel_value<T>* item) noexcept : channel_sender(core, *item) {}
    ~send_awaiter() {
        release();
        if (item_) pool_delete(static_cast<channel_value<T>*>(item_));
    }
    bool await_ready() noexcept { return ready(); }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return suspend(waiting.promise());
    }
    result<void> await_resume() noexcept {
        exit();
        resumed();
        return outcome();
    }
};

template <class T>
class recv_awaiter : public channel_receiver {
public:
    explicit recv_awaiter(channel_core& core) noexcept : channel_receiver(core) {}
    ~recv_awaiter() {
        release();
        if (item_) pool_delete(static_cast<channel_value<T>*>(item_));
    }
    bool await_ready() noexcept { return ready(); }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return suspend(waiting.promise());
    }
    result<T> await_resume() noexcept(std::is_nothrow_move_constructible_v<T>) {
        exit();
        resumed();
        if (!item_) return std::unexpected(outcome().error());
        return std::move(static_cast<channel_value<T>*>(item_)->value);
    }
};

}  // namespace detail

template <class T>
class channel {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>);

public:
    explicit channel(std::size_t capacity) noexcept : core_(capacity) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() {
        core_.require_unused();
        while (auto* left = core_.take_left()) pool_delete(static_cast<detail::channel_value<T>*>(left));
    }

    // result<void>, when the channel has taken the value; with capacity 0, when a receiver has.
    [[nodiscard]] detail::send_awaiter<T> send(T value) {
        return detail::send_awaiter<T>(core_, pool_new<detail::channel_value<T>>(std::move(value)));
    }
    // result<T>: the oldest value.
    [[nodiscard]] detail::recv_awaiter<T> recv() noexcept { return detail::recv_awaiter<T>(core_); }

    // Moves from value only when it succeeds.
    result<void> try_send(T&& value) {
        if (!core_.has_room()) return fail(core_.closed() ? errc::closed : errc::limit_exceeded);
        auto* item = pool_new<detail::channel_value<T>>(std::move(value));
        const auto came = core_.try_send(*item);
        if (came == detail::channel_core::outcome::done) return {};
        value = std::move(item->value);  // somebody was faster
        pool_delete(item);
        return fail(came == detail::channel_core::outcome::closed ? errc::closed : errc::limit_exceeded);
    }
    result<T> try_recv() {
        detail::channel_item* item = nullptr;
        const auto came = core_.try_recv(item);
        if (came == detail::channel_core::outcome::closed) return fail(errc::closed);
        if (came == detail::channel_core::outcome::wait) return fail(errc::limit_exceeded);
        auto* taken = static_cast<detail::channel_value<T>*>(item);
        result<T> value(std::move(taken->value));
        pool_delete(taken);
        return value;
    }

    // No more values go in; those inside can still be received. Waiting senders and receivers end with closed.
    void close() noexcept { core_.close(); }
    bool closed() const noexcept { return core_.closed(); }
    // Values inside and not spoken for; a snapshot.
    std::size_t size() const noexcept { return core_.size(); }
    std::size_t capacity() const noexcept { return core_.capacity(); }

private:
    detail::channel_core core_;
};

}  // namespace co_wq
