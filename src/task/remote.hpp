// Work on another thread whose result comes back to a task: the record both sides share.
//
// Why:      the awaiting frame may be destroyed at any time, the work cannot be taken back. So callable and result
//           live in a pooled record; one atomic word says which side is through, and the second one frees it.
//
//   pending --publish--> done      the worker signals the waiter's slot; the waiter frees the record
//      \------give_up-> abandoned  the waiter withdraws its slot; the worker frees the record
//
// Threads:  publish: the worker; give_up: the waiter's own; each once.
#pragma once

#include <atomic>
#include <exception>
#include <optional>
#include <stdexcept>
#include <variant>

#include "task/executor.hpp"
#include "task/op_waiter.hpp"
#include "task/owned_node.hpp"
#include "task/task.hpp"
#include "task/workqueue.hpp"

namespace co_wq {

// Thrown to the waiter when the queue that should have done the work was destroyed before it did.
class queue_gone : public std::runtime_error {
public:
    queue_gone() : std::runtime_error("the queue was destroyed before it ran the work") {}
};

namespace detail {

class remote_record {
public:
    remote_record() noexcept = default;
    remote_record(const remote_record&) = delete;
    remote_record& operator=(const remote_record&) = delete;

    void bind(op_slot& slot) noexcept { slot_ = &slot; }
    // A hint that the result is of no use any more.
    bool abandoned() const noexcept { return phase_.load(std::memory_order_relaxed) == phase::abandoned; }

    // The result is in place. True: nobody waits any more, the caller frees the record; false: it belongs to the
    // waiter now and must not be touched.
    [[nodiscard]] bool publish() noexcept {
        op_slot* const slot = slot_;
        // release: the waiter reads the result; acquire: its last accesses come before we free
        if (phase_.exchange(phase::done, std::memory_order_acq_rel) == phase::abandoned) return true;
        op_slab::signal(*slot, 0);
        return false;
    }

    // The waiter dies before its slot fired: lets go of the slot too. True: the caller frees the record.
    [[nodiscard]] bool give_up() noexcept {
        op_slot& slot = *slot_;
        if (phase_.exchange(phase::abandoned, std::memory_order_acq_rel) == phase::done) {
            slot.slab().abandon(slot);  // the signal is on its way
            return true;
        }
        slot.slab().withdraw(slot);
        return false;
    }

protected:
    ~remote_record() = default;

private:
    enum class phase : unsigned char { pending, done, abandoned };
    op_slot* slot_ = nullptr;  // set before the record is shared
    std::atomic<phase> phase_{phase::pending};
};

// A value, nothing, or an exception.
template <class R>
class outcome {
    static_assert(!std::is_reference_v<R>, "what crosses threads is returned by value");

public:
    template <class Make>
    void set_from(Make&& make) noexcept {
        try {
            if constexpr (std::is_void_v<R>) {
                make();
                value_.template emplace<1>();
            } else {
                value_.template emplace<1>(make());
            }
        } catch (...) {
            value_.template emplace<2>(std::current_exception());
        }
    }
    R take() {
        if (auto* failure = std::get_if<2>(&value_)) std::rethrow_exception(std::move(*failure));
        if constexpr (!std::is_void_v<R>) return std::move(std::get<1>(value_));
    }

private:
    struct nothing {};
    std::variant<std::monostate, std::conditional_t<std::is_void_v<R>, nothing, R>, std::exception_ptr> value_;
};

// A callable, and what it returned.
template <class Call>
class remote_call final : public remote_record, public owned_node {
public:
    using result_type = std::invoke_result_t<Call&>;
    template <class Source>
    explicit remote_call(std::in_place_t, Source&& call)
        : owned_node(&act), call_(std::in_place, std::forward<Source>(call)) {}
    result_type take() { return outcome_.take(); }

private:
    static void act(owned_node& self, bool run) noexcept {
        auto& me = static_cast<remote_call&>(self);
        if (!run) {
            me.outcome_.set_from([]() -> result_type { throw queue_gone(); });
        } else if (!me.abandoned()) {
            me.outcome_.set_from([&]() -> result_type { return (*me.call_)(); });
        }
        me.call_.reset();  // what it captured is gone before the waiter hears of the result
        if (me.publish()) pool_delete(&me);
    }

    std::optional<Call> call_;
    outcome<result_type> outcome_;
};

// Sends a callable somewhere and waits for its result. Sender: void operator()(owned_node&), called once.
template <class Sender, class Call>
class remote_call_awaiter : public op_waiter {
public:
    using result_type = typename remote_call<Call>::result_type;

    template <class Source>
    remote_call_awaiter(const awaiter_ops& names, Sender send, Source&& call)
        : op_waiter(names, [](cancel_node&, errc, list&) noexcept {}),
          send_(std::move(send)),
          record_(pool_new<remote_call<Call>>(std::in_place, std::forward<Source>(call))) {}
    ~remote_call_awaiter() {
        // no slot: never sent, or the result is here
        if (!slot_ || record_->give_up()) pool_delete(record_);
    }

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        promise_base& frame = waiting.promise();
        enter(frame);
        op_slab& slab = frame.env().queue->slots();
        slot_ = &slab.fill(op_kind::remote, this);
        slab.arm(*slot_);
        record_->bind(*slot_);
        send_(*record_);
    }
    result_type await_resume() {
        exit();
        return record_->take();
    }

private:
    Sender send_;
    remote_call<Call>* record_;
};

}  // namespace detail
}  // namespace co_wq
