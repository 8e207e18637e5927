// workqueue: the run queue of one thread, which other threads can reach.
//
// For:        everything that runs later: resumed coroutines, callbacks, results of operations. An event loop is
//             a workqueue with a reactor; a bare one (sync_wait) sleeps on a condition variable.
// Guarantees: FIFO; posts from its own thread cost a few nanoseconds and never allocate; a turn runs a bounded
//             batch, so that I/O and timers never starve; no lock is held while user code runs.
// Threads:    execute, post_message and wake: any. Everything else: the owner, which is the thread that made
//             the queue until another one runs it.
// Lifetime:   must outlive its tasks and slots. Nodes still queued when it dies are dropped without running;
//             those that own themselves (messages) are freed.
#pragma once

#include <atomic>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "base/clock.hpp"
#include "base/intrusive_list.hpp"
#include "base/pool.hpp"
#include "base/this_thread.hpp"
#include "task/executor.hpp"
#include "task/inbox.hpp"
#include "task/op_slot.hpp"
#include "task/owned_node.hpp"
#include "task/promise.hpp"

namespace co_wq {

class workqueue;
class timer_queue;
class counting_scope;

namespace detail {

// What runs on a queue for somebody elsewhere, and ends with the queue at the latest.
class guest : public list_hook<guest> {
public:
    // The queue dies: ends it now. It may be gone afterwards.
    using function = void (*)(guest& self) noexcept;
    explicit guest(function evict) noexcept : evict_(evict) {}

private:
    friend class co_wq::workqueue;
    const function evict_;
};

}  // namespace detail

class workqueue : public executor {
public:
    explicit workqueue(const char* name) noexcept;

    // The queue whose turn runs on this thread, or null.
    static workqueue* current() noexcept { return current_; }

    // Queues node at the end. Owner only.
    void post(worknode& node) noexcept {
        CO_WQ_DEBUG_ASSERT(on_owner(), "another thread posts with execute or post_message");
        if (node.queued()) [[unlikely]]
            double_post();
        ready_.push_back(node);
    }

    // Queues node, wherever the call comes from.
    void execute(worknode& node) noexcept final;

    // Runs call() once on the owner. The call is moved into pool memory; it must not throw.
    template <class Call>
    void post_message(Call&& call);

    // Runs at most `most` nodes; returns how many ran. Owner, not from inside a node.
    std::size_t run_batch(std::size_t most) noexcept;

    bool ready() const noexcept { return !ready_.empty(); }
    // Nodes waiting; counts them.
    std::size_t depth() const noexcept { return ready_.count(); }
    const char* name() const noexcept final { return name_; }

    op_slab& slots() noexcept { return slots_; }
    timer_queue* timers() const noexcept { return timers_; }
    // Monotonic or virtual; never the cached time of the turn.
    virtual time_point now() const noexcept { return steady_now(); }

    // True on the thread the queue belongs to.
    bool on_owner() const noexcept { return owner_ == detail::this_thread_mark(); }
    void require_owner() const noexcept {
        CO_WQ_REQUIRE(on_owner(), "objects of a loop are used on the loop's own thread; use post_message from others");
    }
    // Makes the calling thread the owner; nobody may be running the queue.
    void adopt() noexcept { owner_ = detail::this_thread_mark(); }
    // From now on no thread is the owner, until one adopts the queue: posts go through the inbox, as from elsewhere.
    void disown() noexcept { owner_ = nullptr; }
    // Something came from elsewhere and was not taken in yet. Any thread; a snapshot.
    bool has_messages() const noexcept { return inbox_.maybe_filled(); }

    // For operations that complete without suspending: every 64th is told false and goes through the queue, so that
    // a task with plenty to do does not keep the others from running.
    bool spend_budget() noexcept {
        if (--budget_ > 0) [[likely]]
            return true;
        budget_ = sync_budget;
        return false;
    }
    static constexpr int sync_budget = 64;

    std::uint64_t executed() const noexcept { return executed_; }

    // Until it is unlinked, the guest is evicted when the queue dies. Owner only.
    void host(detail::guest& one) noexcept { guests_.push_back(one); }

protected:
    ~workqueue();
    // Gets the owner out of its sleep; any thread.
    virtual void wake() noexcept = 0;
    // Moves what other threads posted into the ready list.
    void collect() noexcept;
    // Ends all guests. A derived queue does it while their operations can still end.
    void evict_guests() noexcept {
        while (detail::guest* one = guests_.pop_front()) one->evict_(*one);
    }
    // Drops what is queued without running it; for destructors. A derived queue does it while it can still be
    // woken, until no slot is live: signals may be on their way to waiters that are gone.
    void discard_queued() noexcept;
    // Offers each operation that waits in the queue to take(op_slot&), in order and out of the queue. True: it was
    // taken, and is queued elsewhere or again; false: it goes back to its place.
    template <class Take>
    void sift(Take&& take);
    inbox& incoming() noexcept { return inbox_; }
    void set_timers(timer_queue* timers) noexcept { timers_ = timers; }

private:
    [[noreturn]] void double_post() const noexcept;

    static constinit thread_local workqueue* current_;

    // owner only
    run_list ready_;
    int budget_ = sync_budget;
    std::uint64_t executed_ = 0;
    timer_queue* timers_ = nullptr;
    intrusive_list<detail::guest> guests_;
    const char* name_;
    std::atomic<const char*> owner_;
    op_slab slots_;
    // any thread
    alignas(64) inbox inbox_;
};

template <class Take>
void workqueue::sift(Take&& take) {
    for (std::size_t left = ready_.count(); left > 0; --left) {
        worknode& node = ready_.pop_front();
        op_slot* const slot = op_slab::slot_of(node);
        if (!slot || !take(*slot)) ready_.push_back(node);
    }
}

template <class Call>
void workqueue::post_message(Call&& call) {
    execute(detail::make_message(std::forward<Call>(call), {.queue = name_}));
}

}  // namespace co_wq
