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
#include <cstdint>

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
        if (link_) [[unlikely]]
            leave();
    }

    bool queued() const noexcept { return link_ != nullptr; }

    // For queues: runs a node that was taken out. The node may be gone afterwards.
    void run() noexcept { run_(*this); }
    bool runs(function other) const noexcept { return run_ == other; }

    // Takes the node out of the workqueue it waits in; nothing happens when it waits in none.
    inline void leave() noexcept;

private:
    friend class run_list;
    friend class node_fifo;
    friend class inbox;

    // What points at this node: the list's head, or next_ of the node before. In an inbox or a node_fifo, which only
    // their owners take nodes out of: its own next_. Null: in no queue.
    worknode** link_ = nullptr;
    worknode* next_ = nullptr;
    const function run_;
};

// run_list: nodes in the order they came; any of them can leave in O(1) without knowing the list.
//
// Guarantees: push and pop depend on nothing but the list's own two words, so that a node which queues itself again
//             costs no more than in a singly linked list.
// How:        the last node's next_ names the list: its address plus one.
// Threads:    one. Lifetime: empty when it dies; does not move.
class run_list {
public:
    run_list() noexcept : head_(end()), tail_(&head_) {}
    run_list(const run_list&) = delete;
    run_list& operator=(const run_list&) = delete;
    ~run_list() { CO_WQ_ASSERT(empty(), "a list dies empty"); }

    bool empty() const noexcept { return is_end(head_); }

    void push_back(worknode& node) noexcept {
        node.link_ = tail_;
        node.next_ = end();
        *tail_ = &node;
        tail_ = &node.next_;
    }
    // The list must not be empty.
    worknode& pop_front() noexcept {
        worknode& node = *head_;
        head_ = node.next_;
        if (is_end(head_)) [[likely]] {
            tail_ = &head_;
        } else {
            head_->link_ = &head_;
        }
        node.link_ = nullptr;
        return node;
    }
    std::size_t count() const noexcept {
        std::size_t nodes = 0;
        for (const worknode* node = head_; !is_end(node); node = node->next_) ++nodes;
        return nodes;
    }

private:
    friend class worknode;
    worknode* end() noexcept { return reinterpret_cast<worknode*>(reinterpret_cast<std::uintptr_t>(this) + 1); }
    static bool is_end(const worknode* next) noexcept { return (reinterpret_cast<std::uintptr_t>(next) & 1) != 0; }
    static run_list& ended_by(worknode* next) noexcept {
        return *reinterpret_cast<run_list*>(reinterpret_cast<std::uintptr_t>(next) - 1);
    }

    worknode* head_;
    worknode** tail_;  // where the next node is linked in
};

inline void worknode::leave() noexcept {
    if (!link_) return;
    CO_WQ_REQUIRE(link_ != &next_, "a node in another thread's inbox belongs to that queue until it ran");
    *link_ = next_;
    if (run_list::is_end(next_)) {
        run_list::ended_by(next_).tail_ = link_;
    } else {
        next_->link_ = link_;
    }
    link_ = nullptr;
}

}  // namespace co_wq
