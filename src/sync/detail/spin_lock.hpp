// spin_lock: guards a few pointers for a few instructions; never held while user code runs.
#pragma once

#include <atomic>

#include "base/this_thread.hpp"

namespace co_wq::detail {

class spin_lock {
public:
    void lock() noexcept {
        // acquire: what the last holder wrote
        for (unsigned round = 0; held_.exchange(true, std::memory_order_acquire);)
            while (held_.load(std::memory_order_relaxed)) spin_pause(round++);
    }
    void unlock() noexcept { held_.store(false, std::memory_order_release); }

private:
    std::atomic<bool> held_{false};
};

}  // namespace co_wq::detail
