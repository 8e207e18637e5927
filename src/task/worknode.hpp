// worknode: something a queue can run once, with a callable fixed at construction.
//
// For:        the links of every queue of the runtime.
// Requires:   a callable; there is no node without one, and no way to take it away again.
// Guarantees: destroying a node that waits in a workqueue's own list takes it out first (O(1)), so a queue never
//             holds a dead node. Nodes handed to another thread's inbox belong to that queue until they ran.
// Threads:    the owner of the queue it waits in.
// Lifetime:   may be destroyed at any time on the owner's thread, except while it is in an inbox (asserted).
#pragma once

#include <cstddef>

#include "base/assert.hpp"

namespace co_wq {

class worknode {
public:
    using function = void (*)(worknode&) noexcept;

    explicit worknode(function call) noexcept : run_(call) {
        if (!call) [[unlikely]]
            raise_fault(fault_kind::no_callable, "call != nullptr", "a queue node is built with its callable");
    }
    explicit worknode(std::nullptr_t) = delete;
    worknode(const worknode&) = delete;
    worknode& operator=(const worknode&) = delete;
    ~worknode() {
        if (prev_) [[unlikely]]
            leave();
    }

    bool queued() const noexcept { return prev_ != nullptr; }

    // For queues: runs a node that was taken out. The node may be gone afterwards.
    void run() noexcept { run_(*this); }
    bool runs(function other) const noexcept { return run_ == other; }

    // Takes the node out of the workqueue it waits in; nothing happens when it waits in none.
    void leave() noexcept {
        if (!prev_) return;
        CO_WQ_REQUIRE(prev_ != this, "a node in another thread's inbox belongs to that queue until it ran");
        prev_->next_ = next_;
        next_->prev_ = prev_;
        prev_ = next_ = nullptr;
    }

private:
    friend class workqueue;
    friend class node_fifo;
    template <class>
    friend class inbox;

    struct sentinel_tag {};
    explicit worknode(sentinel_tag) noexcept : prev_(this), next_(this), run_(nullptr) {}

    // In a queue's list both are set; in an inbox prev_ is this; otherwise both are null.
    worknode* prev_ = nullptr;
    worknode* next_ = nullptr;
    const function run_;
};

}  // namespace co_wq
