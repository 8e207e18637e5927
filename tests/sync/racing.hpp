// Tools of the tests of synchronisation objects: a second thread to race against.
#pragma once

#include <atomic>
#include <thread>

#include "../task/rounds.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"

namespace co_wq {

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

}  // namespace co_wq
