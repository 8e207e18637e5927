// sync_wait: runs a task to its end on the calling thread, without an event loop.
//
// For:        tests, tools and the edge of synchronous code. The task may use everything of task and sync except
//             timers; with sockets use io::event_loop::run.
// Threads:    blocks the caller; other threads may resume its tasks meanwhile.
//
//   int answer = sync_wait(compute());
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <variant>

#include "task/scope.hpp"

namespace co_wq {

// A workqueue that sleeps on a condition variable.
class bare_workqueue final : public workqueue {
public:
    explicit bare_workqueue(const char* name = "bare") noexcept : workqueue(name) {}
    ~bare_workqueue();

    // Runs turns until done() is true; done is asked between turns.
    template <class Done>
    void run_until(Done&& done) {
        adopt();
        while (!done()) {
            collect();
            if (run_batch(256) == 0 && !done()) sleep();
        }
    }
    // Runs what is queued now and what that queues, without sleeping; returns how many nodes ran.
    std::size_t run_ready() noexcept;

private:
    void wake() noexcept override;
    void sleep() noexcept;

    std::mutex lock_;
    std::condition_variable changed_;
    bool woken_ = false;
};

namespace detail {
template <class T>
task<void> store_result(task<T> work, std::optional<T>& out) {
    out.emplace(co_await std::move(work));
}
}  // namespace detail

template <class T>
T sync_wait(bare_workqueue& queue, task<T> work) {
    counting_scope scope(queue);
    auto join = [](counting_scope& joined, bool& ended, std::exception_ptr& failure) -> task<void> {
        try {
            co_await joined.join();
        } catch (...) {
            failure = std::current_exception();
        }
        ended = true;
    };
    counting_scope outer(queue);
    bool ended = false;
    std::exception_ptr failure;
    std::conditional_t<std::is_void_v<T>, std::monostate, std::optional<T>> value;
    queue.adopt();
    if constexpr (std::is_void_v<T>) {
        scope.spawn(std::move(work), "sync_wait");
    } else {
        scope.spawn(detail::store_result(std::move(work), value), "sync_wait");
    }
    outer.spawn(join(scope, ended, failure), "sync_wait join");
    queue.run_until([&] { return ended; });
    if (failure) std::rethrow_exception(failure);
    if constexpr (!std::is_void_v<T>) return std::move(*value);
}

template <class T>
T sync_wait(task<T> work) {
    bare_workqueue queue("sync_wait");
    return sync_wait(queue, std::move(work));
}

}  // namespace co_wq
