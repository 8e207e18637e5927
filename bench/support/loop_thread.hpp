// An event loop on a thread of its own: made, run and destroyed there.
//
// Lifetime: the destructor ends the loop and joins. loop() is valid in between.
#pragma once

#include <atomic>
#include <latch>
#include <mutex>
#include <thread>

#include "io/event_loop.hpp"
#include "support/measure.hpp"

namespace co_wq::bench {

class loop_thread {
public:
    // core: where it is pinned; negative: nowhere.
    explicit loop_thread(io::reactor_kind reactor, int core = -1)
        : thread_([this, reactor, core] { run(reactor, core); }) {
        started_.wait();
    }
    ~loop_thread() {
        end();
        thread_.join();
    }

    io::event_loop& loop() noexcept { return *loop_; }

    // Asks the loop to end; any thread, any number of times.
    void end() noexcept {
        ending_.store(true, std::memory_order_relaxed);
        const std::scoped_lock guard(lock_);  // the loop cannot be destroyed while it is being poked
        if (loop_) loop_->poke();
    }

private:
    void run(io::reactor_kind reactor, int core) {
        if (core >= 0) pin_to_core(core);
        io::event_loop loop({.reactor = reactor});
        loop_ = &loop;
        started_.count_down();
        loop.run_until([this] { return ending_.load(std::memory_order_relaxed); });
        const std::scoped_lock guard(lock_);
        loop_ = nullptr;
    }

    std::mutex lock_;
    io::event_loop* loop_ = nullptr;  // set before started_, cleared under lock_
    std::atomic<bool> ending_{false};
    std::latch started_{1};
    std::thread thread_;
};

}  // namespace co_wq::bench
