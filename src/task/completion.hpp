// resume_hook, callback_operation, completion: how a callback resumes a coroutine, with no state that can be wrong.
//
// For:        libraries that call back, on any thread, once per operation (name services, USB, other event loops).
// Why:        a waiter may die while its completion is queued. So the queue holds a block in pool memory, never
//             the frame; the waiter's death turns the block into a no-op that is drained harmlessly.
//
//   resume_hook   a coroutine to resume; has no null state, not even after a move
//   completion    the one right to end one operation: move-only, made by arming it, consumed by
//                 callback_wq::post(std::move(token)). Dropping it unposted is a fault, as is posting it twice.
//
//   filled --arm--> armed --post--> (queued) --drain--> fired      abandon: the waiter dies;
//      \--abandon--> free  \--abandon--> abandoned --drain--> free    whoever is last frees the block
//
// Errors:     faults name operation, queue, references on it and generation.
// Threads:    completion: any. Everything else: the queue of the awaiting task.
//
//   auto start = [&](completion done) {
//       submit(transfer, [strand, done = std::move(done)](int s) mutable { strand.post(std::move(done), s); });
//   };
//   int status = co_await await_completion("usb transfer", start);
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>

#include "task/executor.hpp"
#include "task/op_slot.hpp"
#include "task/owned_node.hpp"
#include "task/promise.hpp"
#include "task/workqueue.hpp"

namespace co_wq {

class callback_wq;
class completion;

class resume_hook {
public:
    resume_hook() = delete;
    resume_hook(std::nullptr_t) = delete;
    template <class Promise>
    explicit resume_hook(std::coroutine_handle<Promise> waiting) noexcept : handle_(waiting) {
        if (!waiting) [[unlikely]]
            raise_fault(fault_kind::no_callable, "waiting != nullptr",
                        "a resume hook is made from a suspended coroutine");
        if constexpr (std::is_base_of_v<promise_base, Promise>) frame_ = &waiting.promise();
    }
    // The source resumes nothing from here on.
    resume_hook(resume_hook&& other) noexcept
        : handle_(std::exchange(other.handle_, std::noop_coroutine())), frame_(std::exchange(other.frame_, nullptr)) {}
    resume_hook& operator=(resume_hook&& other) noexcept {
        handle_ = std::exchange(other.handle_, std::noop_coroutine());
        frame_ = std::exchange(other.frame_, nullptr);
        return *this;
    }

    // Once; a second call resumes nothing.
    void fire() && noexcept {
        detail::running_frame = std::exchange(frame_, nullptr);
        std::exchange(handle_, std::noop_coroutine()).resume();
    }

private:
    std::coroutine_handle<> handle_;
    promise_base* frame_ = nullptr;
};

namespace detail {

// The operation block: what a queue holds in place of a frame.
class hook_block final : public owned_node {
public:
    enum class state : unsigned char { filled, armed, fired, abandoned, dropped };

    explicit hook_block(resume_hook hook) noexcept
        : owned_node(&act), hook_(std::move(hook)), generation_(++generations) {}

    // filled -> armed
    void arm() noexcept {
        if (state_.load(std::memory_order_relaxed) != state::filled) illegal("only a filled operation can be armed");
        state_.store(state::armed, std::memory_order_relaxed);  // shared only afterwards
    }
    // The waiter was resumed, or dies before; frees the block now or leaves that to the drain.
    void leave(bool resumed) noexcept;

    std::int32_t result() const noexcept { return result_; }
    std::uint32_t generation() const noexcept { return generation_; }

private:
    friend class co_wq::completion;
    static void act(owned_node& self, bool run) noexcept;
    [[noreturn]] void illegal(const char* what) const noexcept;
    static constinit thread_local std::uint32_t generations;

    resume_hook hook_;
    std::atomic<state> state_{state::filled};
    std::int32_t result_ = 0;
    std::uint32_t generation_;
};

}  // namespace detail

class [[nodiscard]] completion {
public:
    completion(completion&& other) noexcept
        : block_(std::exchange(other.block_, nullptr)),
          slot_(std::exchange(other.slot_, nullptr)),
          home_(other.home_),
          what_(other.what_) {}
    completion(const completion&) = delete;
    completion& operator=(completion&&) = delete;
    ~completion() {
        if (block_ || slot_) [[unlikely]]
            lost();
    }

    // The right to end an armed slot of kind wait or remote. The caller is its completer, and makes one token per
    // operation. The slab's own thread.
    static completion of(op_slot& slot) noexcept;

    const char* what() const noexcept { return what_; }

private:
    friend class callback_wq;
    friend class callback_operation;
    completion(detail::hook_block& block, const executor& home, const char* what) noexcept
        : block_(&block), home_(&home), what_(what) {}
    explicit completion(op_slot& slot) noexcept;

    // The node to queue, with its result; faults when the token was consumed before. home: where it may run.
    worknode& consume(std::int32_t result, const char* queue, unsigned references) noexcept;
    std::uint32_t generation() const noexcept;
    [[noreturn]] void lost() const noexcept;

    detail::hook_block* block_ = nullptr;
    op_slot* slot_ = nullptr;
    const executor* home_;
    const char* what_;
};

// The waiting side of one operation, for a member of an awaiter.
class callback_operation {
public:
    // home: where the hook may be fired, the queue of the waiting task. what: a literal.
    callback_operation(resume_hook hook, const executor& home, const char* what)
        : block_(pool_new<detail::hook_block>(std::move(hook))), home_(home), what_(what) {}
    callback_operation(const callback_operation&) = delete;
    callback_operation& operator=(const callback_operation&) = delete;
    // Destroys before the hook fired: it never will.
    ~callback_operation() {
        if (block_) block_->leave(false);
    }

    // Once.
    completion arm() noexcept {
        block_->arm();
        return completion(*block_, home_, what_);
    }
    // Once, after the hook fired: the result that was posted.
    std::int32_t finish() noexcept {
        const std::int32_t result = block_->result();
        std::exchange(block_, nullptr)->leave(true);
        return result;
    }

private:
    detail::hook_block* block_;
    const executor& home_;
    const char* what_;
};

namespace detail {

template <class Start>
class completion_awaiter : public awaiter_base {
public:
    template <class Source>
    completion_awaiter(const char* what, Source&& start)
        : awaiter_base(ops), what_(what), start_(std::forward<Source>(start)) {}
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        promise_base& frame = waiting.promise();
        enter(frame);
        operation_.emplace(resume_hook(waiting), *frame.env().queue, what_);
        start_(operation_->arm());
    }
    std::int32_t await_resume() noexcept {
        exit();
        return operation_->finish();
    }

private:
    static std::size_t describe(const awaiter_base& self, char* out, std::size_t room) noexcept {
        const int wrote = std::snprintf(out, room, "%s", static_cast<const completion_awaiter&>(self).what_);
        return wrote < 0 ? 0 : std::min(static_cast<std::size_t>(wrote), room - 1);
    }
    static constexpr awaiter_ops ops{"completion", nullptr, nullptr, nullptr, &describe};
    const char* what_;
    Start start_;
    std::optional<callback_operation> operation_;
};

}  // namespace detail

// Calls start(token) with the frame suspended; the task goes on when the token was posted, with its result.
// Requires: the token is posted to a callback_wq over the task's own queue, sooner or later, come what may.
template <class Start>
    requires std::invocable<std::decay_t<Start>&, completion>
[[nodiscard]] auto await_completion(const char* what, Start&& start) {
    return detail::completion_awaiter<std::decay_t<Start>>(what, std::forward<Start>(start));
}

}  // namespace co_wq
