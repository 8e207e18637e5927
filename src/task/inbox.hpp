// inbox: many threads put nodes in, one takes them all out; the same word says whether the taker sleeps.
//
// For:        how other threads reach a workqueue, and the list of a callback_wq.
// Guarantees: one compare-and-swap to post, which also tells whether the owner must be woken; FIFO per producer;
//             no lost wake-up, because list and sleep share one word.
// Threads:    push: any. take_all, try_sleep: the owner.
// Source:     Treiber's stack, taken whole and reversed. Atomics is a policy so that a model checker can run
//             this very code.
//
//   word: 0         empty, the owner is awake
//         idle (1)  empty, the owner sleeps: the next push must wake it
//         pointer   newest node; next_ leads to older ones
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "task/worknode.hpp"

namespace co_wq {

struct std_atomics {
    template <class T>
    using atomic = std::atomic<T>;
    static constexpr auto relaxed = std::memory_order_relaxed;
    static constexpr auto acquire = std::memory_order_acquire;
    static constexpr auto release = std::memory_order_release;
    static constexpr auto acq_rel = std::memory_order_acq_rel;

    // For the few who must wait: who calls, a short pause, and sleeping while word holds seen.
    static const void* this_thread() noexcept {
        static constinit thread_local char mark = 0;
        return &mark;
    }
    static void relax(unsigned round) noexcept {
        if (round < 64) {
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            asm volatile("yield");
#endif
        } else {
            std::this_thread::yield();  // the holder was preempted
        }
    }
    template <class T>
    static void wait(const atomic<T>& word, T seen) noexcept {
        word.wait(seen, acquire);
    }
    template <class T>
    static void notify_all(atomic<T>& word) noexcept {
        word.notify_all();
    }
};

template <class Atomics = std_atomics>
class inbox {
public:
    inbox() noexcept : word_(0) {}

    // True: the owner slept and must be woken by the caller, who is the only one told so.
    bool push(worknode& node) noexcept {
        CO_WQ_REQUIRE(!node.queued(), "a node can wait in one queue only");
        node.link_ = &node.next_;
        std::uintptr_t seen = word_.load(Atomics::relaxed);
        do {
            node.next_ = seen == idle ? nullptr : reinterpret_cast<worknode*>(seen);
            // release: the taker must see the node's fields and what the producer wrote before
            // acquire: who wakes a taker queues its node again, which the taker touched before it slept
        } while (!word_.compare_exchange_weak(seen, reinterpret_cast<std::uintptr_t>(&node), Atomics::acq_rel,
                                              Atomics::relaxed));
        return seen == idle;
    }

    bool maybe_filled() const noexcept { return word_.load(Atomics::relaxed) > idle; }

    // Everything posted so far, oldest first, linked by the value `next` reads; null if nothing.
    worknode* take_all() noexcept {
        // acquire: pairs with the release of each push (they form one release sequence)
        std::uintptr_t seen = word_.exchange(0, Atomics::acquire);
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
        return word_.compare_exchange_strong(expected, idle, Atomics::release, Atomics::relaxed);
    }

    // The owner is awake for another reason than a push.
    void stay_awake() noexcept {
        std::uintptr_t expected = idle;
        word_.compare_exchange_strong(expected, 0, Atomics::relaxed, Atomics::relaxed);
    }

private:
    static constexpr std::uintptr_t idle = 1;
    typename Atomics::template atomic<std::uintptr_t> word_;
};

}  // namespace co_wq
