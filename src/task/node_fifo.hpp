// node_fifo: a plain first-in first-out list of nodes; whoever uses it brings the lock.
#pragma once

#include <utility>

#include "task/worknode.hpp"

namespace co_wq {

class node_fifo {
public:
    bool empty() const noexcept { return !head_; }

    void push(worknode& node) noexcept {
        CO_WQ_REQUIRE(!node.queued(), "a node can wait in one queue only");
        node.link_ = &node.next_;
        node.next_ = nullptr;
        (head_ ? tail_->next_ : head_) = &node;
        tail_ = &node;
    }

    // Null when empty.
    worknode* pop() noexcept {
        if (!head_) return nullptr;
        worknode* node = std::exchange(head_, head_->next_);
        node->next_ = nullptr;
        node->link_ = nullptr;
        return node;
    }

private:
    worknode* head_ = nullptr;
    worknode* tail_ = nullptr;
};

}  // namespace co_wq
