#include "task/sync_wait.hpp"

namespace co_wq {

// A signal may be on its way to a waiter that is gone: its sender is between two instructions. A slot that still
// has a waiter is left to the slab's own check.
bare_workqueue::~bare_workqueue() {
    adopt();
    discard_queued();
    auto only_orphans = [this] {
        bool orphans = slots().live() > 0;
        slots().for_each_live([&](op_slot& slot) { orphans &= slot.state() == op_state::orphaned; });
        return orphans;
    };
    while (only_orphans()) {
        sleep();
        discard_queued();
    }
}

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
