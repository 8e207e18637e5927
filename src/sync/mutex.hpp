// mutex: one at a time; the lock may be held across co_await.
//
// For:        state that several tasks change in steps with suspensions in between. Tasks of one queue that do not
//             suspend in between need none.
// Guarantees: first come, first served: unlocking with tasks waiting hands the lock to the oldest, nobody overtakes.
//             Free, lock and unlock are one compare-and-swap each and do not suspend. Held by a task of another
//             thread, lock() first looks again for about a microsecond. A lock given to a task that dies before it
//             goes on is passed on.
// Threads:    any; a waiting task goes on on its own queue. The guard may be released on another thread.
// Lifetime:   outlives guards and waiting tasks; destroying it locked is a fault.
// Errors:     lock: stopped or timed_out when the surrounding scope is cancelled first; the lock is not held then.
//
//   result<mutex::guard> held = co_await table_lock.lock();
//   if (!held) co_return fail(held.error());
#pragma once

#include <optional>

#include "base/this_thread.hpp"
#include "sync/detail/parking.hpp"

namespace co_wq {

class mutex;

namespace detail {
class mutex_awaiter;
}

class mutex {
public:
    // Holds the lock until it dies.
    class [[nodiscard]] guard {
    public:
        guard(guard&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        guard& operator=(guard&& other) noexcept {
            if (this != &other) {
                unlock();
                of_ = std::exchange(other.of_, nullptr);
            }
            return *this;
        }
        ~guard() { unlock(); }
        // Earlier than by destruction; nothing happens when it was done or the guard was moved from.
        void unlock() noexcept {
            if (of_) std::exchange(of_, nullptr)->unlock();
        }
        bool owns_lock() const noexcept { return of_ != nullptr; }

    private:
        friend class mutex;
        friend class detail::mutex_awaiter;
        explicit guard(mutex& of) noexcept : of_(&of) {}
        mutex* of_;
    };

    mutex() noexcept = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    ~mutex() {
        CO_WQ_REQUIRE(word_.load(std::memory_order_relaxed) == 0,
                      "a mutex was destroyed while it is locked, or a lock on its way to a waiting task");
    }

    // Waits for the lock: result<guard>.
    [[nodiscard]] detail::mutex_awaiter lock() noexcept;

    std::optional<guard> try_lock() noexcept {
        if (!take()) return std::nullopt;
        return guard(*this);
    }
    bool is_locked() const noexcept { return word_.load(std::memory_order_relaxed) != 0; }

private:
    friend class detail::mutex_awaiter;

    // 0: free. Otherwise the address of the holding thread's mark, or `elsewhere`; bit 0: tasks are linked.
    static constexpr std::uintptr_t waited_for = 1;
    static constexpr std::uintptr_t elsewhere = 2;
    static constexpr unsigned spin_rounds = 60;
    static std::uintptr_t here() noexcept { return reinterpret_cast<std::uintptr_t>(detail::this_thread_mark()); }

    bool take() noexcept {
        std::uintptr_t expected = 0;
        // acquire: what the last holder did
        return word_.compare_exchange_strong(expected, here(), std::memory_order_acquire, std::memory_order_relaxed);
    }
    void unlock() noexcept {
        std::uintptr_t seen = word_.load(std::memory_order_relaxed);
        // release: for the next holder
        if ((seen & waited_for) ||
            !word_.compare_exchange_strong(seen, 0, std::memory_order_release, std::memory_order_relaxed)) [[unlikely]]
            hand_over();
    }
    bool take_by_spinning() noexcept;
    bool link_unless_free(op_slot& slot) noexcept;
    bool unlink(op_slot& slot) noexcept;
    void hand_over() noexcept;
    void arrived() noexcept;

    std::atomic<std::uintptr_t> word_{0};
    detail::spin_lock lock_;
    // guarded by lock_
    detail::wait_list waiters_;
};

namespace detail {

class mutex_awaiter : public parked {
public:
    explicit mutex_awaiter(mutex& on) noexcept : parked(ops, &cancelled), mutex_(on) {}
    ~mutex_awaiter();
    bool await_ready() const noexcept { return mutex_.take(); }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return suspend(waiting.promise());
    }
    result<mutex::guard> await_resume() noexcept {
        exit();
        if (result_ < 0) [[unlikely]]
            return fail(static_cast<errc>(-result_));
        if (suspended_) [[unlikely]]
            mutex_.arrived();
        return mutex::guard(mutex_);
    }

private:
    bool suspend(promise_base& frame);
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static constexpr awaiter_ops ops{"mutex"};
    mutex& mutex_;
};

}  // namespace detail

inline detail::mutex_awaiter mutex::lock() noexcept { return detail::mutex_awaiter(*this); }

}  // namespace co_wq
