// either_awaiter: one of two awaiters of the same result, chosen when it is made. What waits is the one that was
// chosen; this is only the room for it, and one branch that is always the same for a connection.
#pragma once

#include <coroutine>
#include <memory>
#include <type_traits>

#include "task/promise.hpp"

namespace co_wq::net::tls::detail {

template <class First, class Second>
class either_awaiter {
public:
    // Each makes its awaiter where it stays; one of them is called.
    template <class MakeFirst, class MakeSecond>
    either_awaiter(bool second, MakeFirst&& make_first, MakeSecond&& make_second) noexcept : second_(second) {
        if (second) {
            ::new (static_cast<void*>(&there_)) Second(make_second());
        } else {
            ::new (static_cast<void*>(&here_)) First(make_first());
        }
    }
    either_awaiter(const either_awaiter&) = delete;
    either_awaiter& operator=(const either_awaiter&) = delete;
    ~either_awaiter() {
        if (second_) {
            std::destroy_at(&there_);
        } else {
            std::destroy_at(&here_);
        }
    }

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        if (second_) return there_.await_suspend(waiting);
        return here_.await_suspend(waiting);
    }
    auto await_resume() {
        if (second_) return there_.await_resume();
        return here_.await_resume();
    }

private:
    static_assert(std::is_same_v<decltype(std::declval<First&>().await_resume()),
                                 decltype(std::declval<Second&>().await_resume())>);
    union {
        First here_;
        Second there_;
    };
    const bool second_;
};

}  // namespace co_wq::net::tls::detail
