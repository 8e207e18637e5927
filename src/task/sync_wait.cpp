#include "task/sync_wait.hpp"

namespace co_wq {

std::size_t bare_workqueue::run_ready() noexcept {
    std::size_t total = 0;
    for (;;) {
        collect();
        const std::size_t ran = run_batch(256);
        if (ran == 0) return total;
        total += ran;
    }
}

void bare_workqueue::wake() noexcept {
    const std::scoped_lock guard(lock_);
    woken_ = true;
    changed_.notify_one();
}

void bare_workqueue::sleep() noexcept {
    if (!incoming().try_sleep()) return;
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return woken_; });
    woken_ = false;
}

}  // namespace co_wq
