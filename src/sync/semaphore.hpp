// semaphore: a number of permits.
//
// For:        bounding how many do something at once.
// Guarantees: waiting tasks get permits first come, first served; a released permit goes to the oldest of them and
//             nobody overtakes. Without contention acquire and release are one compare-and-swap each and do not
//             suspend. A permit given to a task that dies before it goes on is passed on.
// Threads:    any; a waiting task goes on on its own queue.
// Lifetime:   outlives every acquire that has not returned; destroying it earlier is a fault.
// Errors:     acquire: stopped or timed_out when the surrounding scope is cancelled first; no permit is held then.
//
//   result<void> permit = co_await slots.acquire();
//   if (!permit) co_return;
//   ...
//   slots.release();
#pragma once

#include "sync/detail/parking.hpp"

namespace co_wq {

class semaphore;

namespace detail {

class semaphore_awaiter : public parked {
public:
    explicit semaphore_awaiter(semaphore& on) noexcept : parked(ops, &cancelled), semaphore_(on) {}
    ~semaphore_awaiter();
    bool await_ready() const noexcept;
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return suspend(waiting.promise());
    }
    result<void> await_resume() noexcept {
        exit();
        if (suspended_ && !cancelled_) [[unlikely]]
            settle();
        return outcome();
    }

private:
    bool suspend(promise_base& frame);
    void settle() noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static constexpr awaiter_ops ops{"semaphore"};
    semaphore& semaphore_;
};

}  // namespace detail

class semaphore {
public:
    explicit semaphore(std::int64_t permits) noexcept : word_(permits) {
        CO_WQ_REQUIRE(permits >= 0, "a semaphore starts with no permit or more");
    }
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    ~semaphore();

    // Waits for a permit and takes it.
    [[nodiscard]] detail::semaphore_awaiter acquire() noexcept { return detail::semaphore_awaiter(*this); }

    bool try_acquire() noexcept {
        std::int64_t seen = word_.load(std::memory_order_relaxed);
        while (seen > 0) {
            // acquire: what the releaser of the permit did before
            if (word_.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire, std::memory_order_relaxed))
                return true;
        }
        return false;
    }

    // Gives permits back, or new ones.
    void release(std::int64_t permits = 1) noexcept {
        CO_WQ_REQUIRE(permits > 0, "a release is of one permit or more");
        std::int64_t seen = word_.load(std::memory_order_relaxed);
        while (seen >= 0) {
            // release: pairs with try_acquire
            if (word_.compare_exchange_weak(seen, seen + permits, std::memory_order_release, std::memory_order_relaxed))
                return;
        }
        release_to_waiters(permits);
    }

    // Permits nobody holds; a snapshot.
    std::int64_t available() const noexcept {
        const std::int64_t seen = word_.load(std::memory_order_relaxed);
        return seen < 0 ? 0 : seen;
    }

private:
    friend class detail::semaphore_awaiter;
    bool link_unless_free(op_slot& slot) noexcept;
    bool unlink(op_slot& slot) noexcept;
    void release_to_waiters(std::int64_t permits) noexcept;

    // permits >= 0, or -1: none, and tasks wait. Becomes and stops being -1 under the lock only.
    std::atomic<std::int64_t> word_;
    detail::spin_lock lock_;
    // guarded by lock_
    std::uint32_t unsettled_ = 0;  // linked, or served and not resumed yet
    detail::wait_list waiters_;
};

inline bool detail::semaphore_awaiter::await_ready() const noexcept { return semaphore_.try_acquire(); }

}  // namespace co_wq
