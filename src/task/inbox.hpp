// inbox: many threads put nodes in, one takes them all out; the same word says whether the taker sleeps.
//
// For:        how other threads reach a workqueue, and the list of a callback_wq.
// Guarantees: one compare-and-swap to post, which also tells whether the owner must be woken; FIFO per producer;
//             no lost wake-up, because list and sleep share one word.
// Threads:    push: any. take_all, try_sleep: the owner.
// Source:     Treiber's stack, taken whole and reversed. Checked in every order of its steps: tests/model.
//
//   word: 0         empty, the owner is awake
//         idle (1)  empty, the owner sleeps: the next push must wake it
//         pointer   newest node; next_ leads to older ones
#pragma once

#include <atomic>
#include <cstdint>

#include "task/worknode.hpp"

namespace co_wq {

class inbox {
public:
    inbox() noexcept : word_(0) {}

    // True: the owner slept and must be woken by the caller, who is the only one told so.
    bool push(worknode& node) noexcept {
        CO_WQ_REQUIRE(!node.queued(), "a node can wait in one queue only");
        node.link_ = &node.next_;
        std::uintptr_t seen = word_.load(std::memory_order_relaxed);
        do {
            node.next_ = seen == idle ? nullptr : reinterpret_cast<worknode*>(seen);
            // release: the taker must see the node's fields and what the producer wrote before
            // acquire: who wakes a taker queues its node again, which the taker touched before it slept
        } while (!word_.compare_exchange_weak(seen, reinterpret_cast<std::uintptr_t>(&node), std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        return seen == idle;
    }

    bool maybe_filled() const noexcept { return word_.load(std::memory_order_relaxed) > idle; }

    // Everything posted so far, oldest first, linked by the value `next` reads; null if nothing.
    worknode* take_all() noexcept {
        // acquire: pairs with the release of each push (they form one release sequence)
        std::uintptr_t seen = word_.exchange(0, std::memory_order_acquire);
        worknode* newest = seen == idle ? nullptr : reinterpret_cast<worknode*>(seen);
        worknode* oldest = nullptr;
        while (newest) {
            worknode* older = newest->next_;
            newest->next_ = oldest;
            oldest = newest;
            newest = older;
        }
        return oldest;
    }

    // Detaches the first node of a take_all list and moves `list` on.
    static worknode& pop(worknode*& list) noexcept {
        worknode& node = *list;
        list = node.next_;
        node.next_ = nullptr;
        node.link_ = nullptr;
        return node;
    }

    // The owner is about to sleep. False: something came in, do not.
    bool try_sleep() noexcept {
        std::uintptr_t expected = 0;
        // release: a callback_wq's next drain may run on another thread; its take_all acquires what we did through
        // the push in between, which continues this release sequence
        return word_.compare_exchange_strong(expected, idle, std::memory_order_release, std::memory_order_relaxed);
    }

    // The owner is awake for another reason than a push.
    void stay_awake() noexcept {
        std::uintptr_t expected = idle;
        word_.compare_exchange_strong(expected, 0, std::memory_order_relaxed, std::memory_order_relaxed);
    }

private:
    static constexpr std::uintptr_t idle = 1;
    std::atomic<std::uintptr_t> word_;
};

}  // namespace co_wq
