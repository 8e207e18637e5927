// run_on: awaits a task that runs entirely on another queue, that is, on another thread.
//
// For:        work that belongs to another loop: its sockets, its caches. The coroutine's result comes back.
// Guarantees: the task's frame is started, resumed and destroyed on the other queue's thread only; result or
//             exception comes back to the awaiting task's own queue. Cancelling the surrounding scope cancels the
//             task's scope there, by message; the result is still awaited. Destroying the awaiting frame does the
//             same and does not wait: the task ends in its own time and its result is dropped. If the task had
//             not begun by then, it never does.
//             If the other queue is destroyed first, the task is too, and queue_gone is thrown to the waiter.
// Requires:   the task takes its parameters by value: it may outlive the awaiting frame. The other queue exists when
//             run_on is awaited; from then on it may die at any time.
// Threads:    called on any queue's own.
//
//   std::size_t open = co_await run_on(loops[1], count_open_streams());
#pragma once

#include "task/remote.hpp"

namespace co_wq {

namespace detail {

// The root of the task over there; belongs to waiter, runner and a cancel message together.
class remote_task : public awaiter_base, public remote_record, private guest {
public:
    remote_task(const remote_task&) = delete;

    // The waiter's thread.
    void send(const task_env& home) noexcept;
    void send_cancel(errc reason) noexcept;
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) free_(*this);
    }

protected:
    // collect: moves the result out of the ended frame. fail: stores queue_gone.
    remote_task(workqueue& there, promise_base& child, void (*collect)(remote_task&, promise_base&) noexcept,
                void (*fail)(remote_task&) noexcept, void (*free)(remote_task&) noexcept) noexcept;
    ~remote_task() = default;

private:
    struct part : owned_node {
        part(function act, remote_task& record) noexcept : owned_node(act), owner(record) {}
        remote_task& owner;
    };
    static void start(owned_node& self, bool run) noexcept;
    static void cancel(owned_node& self, bool run) noexcept;
    static promise_base* take_child(awaiter_base& self) noexcept {
        return std::exchange(static_cast<remote_task&>(self).child_, nullptr);
    }
    static std::coroutine_handle<> child_done(awaiter_base& self, promise_base& child) noexcept;
    static promise_base* child_at(const awaiter_base& self, std::size_t index) noexcept {
        return index == 0 ? static_cast<const remote_task&>(self).child_ : nullptr;
    }
    static void evict(guest& self) noexcept;
    void end_unfinished(bool queue_is_gone) noexcept;
    void ended() noexcept;
    bool hold_there() noexcept;
    static constexpr awaiter_ops ops{"root from another queue", &take_child, &child_done, &child_at, nullptr};

    // set once
    workqueue& there_;
    void (*const collect_)(remote_task&, promise_base&) noexcept;
    void (*const fail_)(remote_task&) noexcept;
    void (*const free_)(remote_task&) noexcept;
    // any thread
    std::atomic<unsigned> references_{2};  // waiter and runner
    // Whether the other queue can be reached: it waits with its death while the waiter is about to post there.
    enum class reach : unsigned char { open, held, gone };
    std::atomic<reach> reach_{reach::open};
    // the waiter's thread
    bool cancel_sent_ = false;
    errc reason_ = errc::stopped;  // the other thread's once the message is sent
    // the other thread
    promise_base* child_;
    task_env env_;
    cancel_scope scope_;
    part start_;
    part cancel_;
};

template <class T>
class typed_remote_task final : public remote_task {
public:
    typed_remote_task(workqueue& there, task<T>&& work) noexcept
        : remote_task(there, std::move(work).release(), &collect, &fail, &free) {}
    T take() { return outcome_.take(); }

private:
    static void collect(remote_task& self, promise_base& child) noexcept {
        static_cast<typed_remote_task&>(self).outcome_.set_from(
            [&]() -> T { return static_cast<promise<T>&>(child).take(); });
    }
    static void fail(remote_task& self) noexcept {
        static_cast<typed_remote_task&>(self).outcome_.set_from([]() -> T { throw queue_gone(); });
    }
    static void free(remote_task& self) noexcept { pool_delete(static_cast<typed_remote_task*>(&self)); }
    outcome<T> outcome_;
};

template <class T>
class run_on_awaiter : public op_waiter {
public:
    run_on_awaiter(workqueue& there, task<T>&& work)
        : op_waiter(ops, &cancelled), there_(there), work_(std::move(work)) {}
    ~run_on_awaiter() {
        if (!record_) return;
        if (slot_) {
            record_->send_cancel(errc::stopped);
            (void)record_->give_up();
        }
        record_->release();
    }
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        promise_base& frame = waiting.promise();
        enter(frame);
        record_ = pool_new<typed_remote_task<T>>(there_, std::move(work_));
        const task_env& env = frame.env();
        op_slab& slab = env.queue->slots();
        slot_ = &slab.fill(op_kind::remote, this);
        slab.arm(*slot_);
        record_->bind(*slot_);
        if (env.scope && !env.scope->cancelled()) env.scope->add(*this);
        record_->send(env);
    }
    T await_resume() {
        exit();
        return record_->take();
    }

private:
    static void cancelled(cancel_node& self, errc reason, list&) noexcept {
        auto& me = static_cast<run_on_awaiter&>(self);
        me.slot_->slab().request_cancel(*me.slot_);
        me.record_->send_cancel(reason);
    }
    static constexpr awaiter_ops ops{"task on another queue"};

    workqueue& there_;
    task<T> work_;
    typed_remote_task<T>* record_ = nullptr;
};

}  // namespace detail

template <class T>
[[nodiscard]] detail::run_on_awaiter<T> run_on(workqueue& other, task<T> work) {
    return detail::run_on_awaiter<T>(other, std::move(work));
}

}  // namespace co_wq
