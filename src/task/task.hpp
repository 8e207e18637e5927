// task<T>: a lazy coroutine with one result.
//
// For:        every asynchronous function. It starts when it is awaited, spawned or run by a loop.
// Guarantees: destroying a task at any suspension point is defined, does not block and resumes nobody; frames it
//             awaits go first. Exceptions reach whoever awaits it.
// Requires:   it is awaited at most once, as an rvalue. A frame is destroyed on the thread it runs on.
//             Reference parameters must outlive the task: in spawned tasks take values.
// Threads:    runs on the queue of whoever awaits it.
// Cost:       one pooled allocation per frame.
//
//   task<int> twice(int x) { co_return 2 * x; }
//   task<int> four_times(int x) { co_return co_await twice(co_await twice(x)); }
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "task/promise.hpp"
#include "task/transfer.hpp"

namespace co_wq {

template <class T>
class task;

namespace detail {

// The end of a task: a value or an exception. What a frame must not do at its death costs nothing there.
template <class T>
class promise final : public promise_base {
public:
    promise() noexcept {}
    ~promise() {
        if constexpr (must_destroy) {
            if (has_value_) std::destroy_at(&value_);
        }
        if (failed_) [[unlikely]]
            drop_exception(exception_);
    }
    task<T> get_return_object() noexcept;

    template <class U>
        requires std::is_constructible_v<T, U&&>
    void return_value(U&& value) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
        std::construct_at(&value_, std::forward<U>(value));
        if constexpr (must_destroy) has_value_ = true;
    }
    void unhandled_exception() noexcept {
        if constexpr (must_destroy) {  // a local's destructor threw behind co_return
            if (std::exchange(has_value_, false)) std::destroy_at(&value_);
        }
        std::construct_at(&exception_, std::current_exception());
        failed_ = true;
    }
    // Once, after the frame ended.
    T take() {
        if (failed_) [[unlikely]]
            std::rethrow_exception(exception_);
        return std::move(value_);
    }
    std::exception_ptr exception() const noexcept { return failed_ ? exception_ : nullptr; }

private:
    friend class task<T>;
    static constexpr bool must_destroy = !std::is_trivially_destructible_v<T>;
    struct nothing {};
    // in the base's tail padding
    CO_WQ_NO_UNIQUE_ADDRESS std::conditional_t<must_destroy, bool, nothing> has_value_{};
    union {
        T value_;
        std::exception_ptr exception_;
    };
};

template <>
class promise<void> final : public promise_base {
public:
    promise() noexcept {}
    ~promise() {
        if (failed_) [[unlikely]]
            drop_exception(exception_);
    }
    inline task<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void unhandled_exception() noexcept {
        std::construct_at(&exception_, std::current_exception());
        failed_ = true;
    }
    void take() {
        if (failed_) [[unlikely]]
            std::rethrow_exception(exception_);
    }
    std::exception_ptr exception() const noexcept { return failed_ ? exception_ : nullptr; }

private:
    friend class task<void>;
    union {
        std::exception_ptr exception_;
    };
};

// Waits for one child, and owns its frame meanwhile.
template <class T>
class task_awaiter : public awaiter_base, private transfer_point {
public:
    explicit task_awaiter(promise<T>* child) noexcept : awaiter_base(ops), child_(child) {}
    ~task_awaiter() {
        if (child_) destroy_child(*child_);
    }

    bool await_ready() const noexcept { return false; }

    template <task_promise Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        promise_base& parent = waiting.promise();
        enter(parent);
        if constexpr (bounded_transfer) {
            child_->link_to(*this, parent.env_pointer());
        } else {
            child_->link_to(parent, parent.env_pointer());
        }
        return std::coroutine_handle<promise<T>>::from_promise(*child_);
    }

    T await_resume() {
        exit_entered();
        return child_->take();
    }

private:
    // An ended child waits for nothing: the common case needs no walk.
    static void destroy_child(promise<T>& child) noexcept {
        if (child.awaiting()) return destroy_tree(child);
        std::coroutine_handle<promise<T>>::from_promise(child).destroy();
    }
    static promise_base* take_child(awaiter_base& self) noexcept {
        return std::exchange(static_cast<task_awaiter&>(self).child_, nullptr);
    }
    static std::coroutine_handle<> child_done(awaiter_base& self, promise_base&) noexcept {
        auto& me = static_cast<task_awaiter&>(self);
        return me.next(me.frame()->self(), me.frame()->has_env() ? me.frame()->env().queue : nullptr);
    }
    static promise_base* child_at(const awaiter_base& self, std::size_t index) noexcept {
        return index == 0 ? static_cast<const task_awaiter&>(self).child_ : nullptr;
    }
    static constexpr awaiter_ops ops{"task", &take_child, &child_done, &child_at, nullptr, true};

    promise<T>* child_;
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] CO_WQ_IN_REGISTER task {
public:
    using promise_type = detail::promise<T>;
    using value_type = T;

    task(task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            reset();
            promise_ = std::exchange(other.promise_, nullptr);
        }
        return *this;
    }
    ~task() { reset(); }

    // False after a move, an await or a spawn.
    bool valid() const noexcept { return promise_ != nullptr; }

    detail::task_awaiter<T> operator co_await() && noexcept {
        CO_WQ_REQUIRE(promise_ != nullptr, "a task is awaited once");
        return detail::task_awaiter<T>(std::exchange(promise_, nullptr));
    }

    // Gives the frame away, for awaiters that own children.
    promise_type& release() && noexcept {
        CO_WQ_REQUIRE(promise_ != nullptr, "a task is started once");
        return *std::exchange(promise_, nullptr);
    }

private:
    friend promise_type;
    explicit task(promise_type& promise) noexcept : promise_(&promise) {}
    void reset() noexcept {
        if (promise_) destroy_tree(*std::exchange(promise_, nullptr));
    }

    promise_type* promise_;
};

namespace detail {
template <class T>
task<T> promise<T>::get_return_object() noexcept {
    check_address(*this);
    return task<T>(*this);
}
inline task<void> promise<void>::get_return_object() noexcept {
    check_address(*this);
    return task<void>(*this);
}
}  // namespace detail

}  // namespace co_wq
