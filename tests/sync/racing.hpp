// Tools of the tests of synchronisation objects: a second thread with a queue, and windows for races.
#pragma once

#include <atomic>
#include <thread>

#include "task/scope.hpp"
#include "task/sync_wait.hpp"

namespace co_wq {

inline constexpr int rounds(int full) {
#if defined(CO_WQ_SANITIZED)
    return full / 10 + 1;
#else
    return full;
#endif
}

// How long one party of a race waits, in steps; adapts until either party wins about every other time.
class race_window {
public:
    void wait() const {
        for (int step = 0; step < steps_; ++step) seen_.load();
    }
    void note(bool too_early) { steps_ += too_early ? steps_ / 8 + 1 : -(steps_ / 8 + (steps_ > 0)); }

private:
    static inline std::atomic<int> seen_ = 0;  // static: loads of a local one are optimised away
    int steps_ = 8;
};

// Runs a call on another thread, once for each go(), as close in time to the caller as it can.
class sparring_partner {
public:
    template <class Call>
    explicit sparring_partner(Call call)
        : thread_([this, call] {
              for (int turn = 1;; ++turn) {
                  while (turn_.load() < turn) std::this_thread::yield();
                  if (ended_) return;
                  call();
                  done_ = turn;
              }
          }) {}
    ~sparring_partner() {
        ended_ = true;
        ++turn_;
        thread_.join();
    }
    void go() { ++turn_; }
    bool done() const { return done_ == turn_; }
    void join() const {
        while (!done()) std::this_thread::yield();
    }

private:
    std::atomic<int> turn_ = 0;
    std::atomic<int> done_ = 0;
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};

// A workqueue with a thread of its own.
class other_thread {
public:
    other_thread() {
        thread_ = std::thread([this] {
            queue_.run_until([this] {
                running_ = true;  // from here on the queue is this thread's
                return ended_;
            });
        });
        while (!running_) std::this_thread::yield();
    }
    ~other_thread() { end(); }
    void end() {
        if (!thread_.joinable()) return;
        queue_.post_message([this] { ended_ = true; });
        thread_.join();
        queue_.adopt();
    }
    bare_workqueue& queue() { return queue_; }

private:
    bare_workqueue queue_{"other"};
    std::atomic<bool> running_ = false;
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace co_wq
