// thread_pool: threads for work that blocks or computes long.
//
// For:        keeping an event loop free: file systems, name services without an asynchronous interface, hashing.
// Guarantees: first in, first out; its threads sleep when there is nothing to do. The destructor runs what is
//             queued, and what that queues, then joins. run() brings result or exception back to the awaiting task's
//             own queue; the awaiting frame may be destroyed at any time: a call that has not begun is then not
//             made, the result of one that has is dropped on the pool's thread. Cancelling the surrounding scope
//             does not end a call: its result still arrives.
// Requires:   callables are safe to run and to be destroyed on another thread. No call is under way from outside
//             when the pool dies, and it does not die on one of its own threads.
// Threads:    execute, run: any. run's result: the awaiting task's own.
// Lifetime:   the queue of an awaiting task outlives the await, not the call.
//
//   thread_pool pool(4, "files");
//   auto read = [path] { return read_whole_file(path); };  // named: inside co_await g++ 12 destroys captures twice
//   std::string text = co_await pool.run(std::move(read));
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "task/executor.hpp"
#include "task/node_fifo.hpp"
#include "task/remote.hpp"

namespace co_wq {

class thread_pool final : public executor {
public:
    // name must outlive the pool (a literal).
    explicit thread_pool(unsigned threads, const char* name = "pool");
    ~thread_pool();

    void execute(worknode& node) noexcept override;
    const char* name() const noexcept override { return name_; }
    std::size_t size() const noexcept { return threads_.size(); }

    // Awaitable: call() on a pool thread; returns what it returns.
    template <class Call>
        requires std::invocable<std::decay_t<Call>&>
    [[nodiscard]] auto run(Call&& call) {
        detail::require_callable(call, {.queue = name_});
        return detail::remote_call_awaiter<sender, std::decay_t<Call>>(ops, sender(*this), std::forward<Call>(call));
    }

private:
    struct sender {
        explicit sender(thread_pool& pool) noexcept : to(&pool) {}
        void operator()(worknode& node) const noexcept { to->execute(node); }
        thread_pool* to;
    };
    static constexpr awaiter_ops ops{"thread pool run"};
    void work() noexcept;

    const char* name_;
    std::mutex lock_;
    // guarded by lock_
    std::condition_variable changed_;
    node_fifo queue_;
    std::size_t sleeping_ = 0;
    bool ending_ = false;
    // set once
    std::vector<std::thread> threads_;
};

}  // namespace co_wq
