// callback_wq: a serial queue (strand) over any executor.
//
// For:        things that must run one after the other without a lock: callbacks of a library, the state of an
//             object that several threads post to.
// Guarantees: first in, first out; one runs at a time, and each sees what the one before did; no lock is held while
//             it runs. Posting is one compare-and-swap and never allocates in steady state. A drain runs at most
//             `batch` nodes, then goes to the end of its executor's queue. Nothing posted is lost: the state
//             lives as long as a handle, a scheduled or a running drain; all hold references.
// Requires:   the executor outlives its use: handles may live longer, posting may not. Callables do not throw.
// Threads:    handles and post: any. schedule: the task's own, which must be the executor.
// Lifetime:   nodes still queued when the executor dies are dropped unrun, with the last reference.
// Cost:       see bench; about 20 ns to post, drain and resume.
//
//   callback_wq strand(loop, "device");
//   strand.post([&] { device.poll(); });
//   co_await strand.schedule();          // goes on inside the strand, until the next co_await
//   int id = co_await strand.run([&] { return device.open(); });  // from any queue, result on the task's own;
//                                      // with captures that own something, name the lambda first (thread_pool.hpp)
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>

#include "task/callback_wq_trace.hpp"
#include "task/completion.hpp"
#include "task/inbox.hpp"
#include "task/remote.hpp"

namespace co_wq {

namespace detail {

// What all handles of one queue share. The inbox's idle word means: no drain is scheduled.
class serial_state {
public:
    serial_state(executor& runs_on, const char* name) noexcept;
    serial_state(const serial_state&) = delete;
    serial_state& operator=(const serial_state&) = delete;
    ~serial_state();

    // relaxed: a new reference is made from one that is held
    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        // acq_rel: the last one frees what all others are done with
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) pool_delete(this);
    }

    void post(worknode& node) noexcept {
        CO_WQ_TRACE_CALLBACK_WQ("post", name_, &node);
        if (inbox_.push(node)) schedule();
    }

    bool running_here() const noexcept { return current_ == this; }
    executor& runs_on() const noexcept { return executor_; }
    const char* name() const noexcept { return name_; }
    unsigned references() const noexcept { return references_.load(std::memory_order_relaxed); }
    [[noreturn]] void wrong_context(const char* operation, unsigned generation) const noexcept;

private:
    static constexpr int batch = 64;
    static constinit thread_local const serial_state* current_;

    struct drain_node : owned_node {
        explicit drain_node(serial_state& state) noexcept : owned_node(&act), owner(state) {}
        static void act(owned_node& self, bool run) noexcept;
        serial_state& owner;
    };
    void schedule() noexcept {
        add_reference();  // the drain's own
        executor_.execute(drain_);
    }
    void drain() noexcept;
    void run(worknode& node) noexcept;

    // any thread
    inbox inbox_;
    std::atomic<unsigned> references_{1};
    // set once
    executor& executor_;
    const char* const name_;
    // the drain only
    worknode* pending_ = nullptr;
    drain_node drain_;
};

class schedule_awaiter : public awaiter_base {
public:
    explicit schedule_awaiter(serial_state& state) noexcept : awaiter_base(ops), state_(state) {}
    ~schedule_awaiter() {
        if (block_) block_->leave(false);
    }
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        promise_base& frame = waiting.promise();
        enter(frame);
        if (&state_.runs_on() != frame.env().queue) [[unlikely]]
            state_.wrong_context("schedule", 0);
        block_ = pool_new<hook_block>(resume_hook(waiting));
        block_->arm();
        state_.post(*block_);
    }
    void await_resume() noexcept {
        exit();
        std::exchange(block_, nullptr)->leave(true);
    }

private:
    static constexpr awaiter_ops ops{"callback_wq schedule"};
    serial_state& state_;
    hook_block* block_ = nullptr;
};

// A reference to post with, once.
class serial_sender {
public:
    explicit serial_sender(serial_state& state) noexcept : state_(&state) { state.add_reference(); }
    serial_sender(serial_sender&& other) noexcept : state_(other.state_) { state_->add_reference(); }
    ~serial_sender() { state_->release(); }
    void operator()(worknode& node) const noexcept { state_->post(node); }

private:
    serial_state* state_;
};

}  // namespace detail

// A handle; copying it makes another one to the same queue. A moved-from handle stays what it was.
class callback_wq {
public:
    // name must outlive the queue (a literal).
    explicit callback_wq(executor& runs_on, const char* name = "callback_wq")
        : state_(pool_new<detail::serial_state>(runs_on, name)) {}
    callback_wq(const callback_wq& other) noexcept : state_(other.state_) { state_->add_reference(); }
    callback_wq& operator=(const callback_wq& other) noexcept {
        other.state_->add_reference();
        std::exchange(state_, other.state_)->release();
        return *this;
    }
    ~callback_wq() { state_->release(); }

    // call() runs once in the queue.
    template <class Call>
        requires std::invocable<std::decay_t<Call>&>
    void post(Call&& call) const {
        state_->post(
            detail::make_message(std::forward<Call>(call), {.queue = name(), .guard_references = references()}));
    }
    void post(std::nullptr_t) const = delete;

    // Ends the token's operation with result; its waiter is resumed in the queue.
    void post(completion&& token, std::int32_t result = 0) const noexcept {
        if (token.home_ != &state_->runs_on()) [[unlikely]]
            state_->wrong_context(token.what(), token.generation());
        state_->post(token.consume(result, name(), references()));
    }

    // Awaitable: the task goes on inside the queue. Its executor must be the task's own queue. Not cancellable.
    [[nodiscard]] detail::schedule_awaiter schedule() const noexcept { return detail::schedule_awaiter(*state_); }

    // Awaitable: call() runs in the queue, wherever that is; its result comes back to the task's own queue. As
    // thread_pool::run in everything else.
    template <class Call>
        requires std::invocable<std::decay_t<Call>&>
    [[nodiscard]] auto run(Call&& call) const {
        detail::require_callable(call, {.queue = name(), .guard_references = references()});
        return detail::remote_call_awaiter<detail::serial_sender, std::decay_t<Call>>(
            ops, detail::serial_sender(*state_), std::forward<Call>(call));
    }

    // The caller runs inside this queue.
    bool running_here() const noexcept { return state_->running_here(); }
    executor& runs_on() const noexcept { return state_->runs_on(); }
    const char* name() const noexcept { return state_->name(); }
    // Handles, scheduled and running drains; a snapshot.
    unsigned references() const noexcept { return state_->references(); }
    friend bool operator==(const callback_wq& left, const callback_wq& right) noexcept {
        return left.state_ == right.state_;
    }

private:
    static constexpr awaiter_ops ops{"callback_wq run"};

    detail::serial_state* state_;
};

}  // namespace co_wq
