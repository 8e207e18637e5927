// What every coroutine frame of the runtime carries, and what it can wait for.
//
// For:        task<T> and the awaitables of this library; users meet it only when they write an awaitable.
// Guarantees: destroy_tree tears down a suspended frame and all frames it awaits, innermost first and without
//             recursion along the await chain; each awaiter takes back what it had armed.
// Threads:    a frame belongs to the thread of the queue in its environment.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include "base/assert.hpp"
#include "base/clock.hpp"
#include "base/pool.hpp"
#include "task/cancel_scope.hpp"

namespace co_wq {

class workqueue;
class awaiter_base;
class promise_base;

// What a task inherits from whoever awaits or spawns it.
struct task_env {
    workqueue* queue = nullptr;       // where it is resumed
    cancel_scope* scope = nullptr;    // null: cannot be cancelled
    time_point deadline = no_deadline;  // of the innermost with_deadline, for information
    const char* name = "";            // of the spawned root
};

// The static side of an awaiter: what it is, and its children if it has any.
struct awaiter_ops {
    const char* what;
    // Hands over one child frame for teardown, which then is the caller's; null: none left.
    promise_base* (*take_child)(awaiter_base&) noexcept = nullptr;
    // A child that is linked to the awaiter has ended; says what to resume.
    std::coroutine_handle<> (*child_done)(awaiter_base&, promise_base&) noexcept = nullptr;
    // The index-th child, for whoever draws the tree; null past the end.
    promise_base* (*child_at)(const awaiter_base&, std::size_t index) noexcept = nullptr;
    // Text such as "recv fd 12"; returns its length.
    std::size_t (*describe)(const awaiter_base&, char* out, std::size_t room) noexcept = nullptr;
    // Control passes on to the first child without a word to running_frame.
    bool passes_control = false;
};

// What a suspended frame waits for; lives in that frame (or, at the root of a tree, in a spawn record).
class awaiter_base {
public:
    explicit awaiter_base(const awaiter_ops& ops) noexcept : ops_(&ops) {}
    awaiter_base(const awaiter_base&) = delete;
    awaiter_base& operator=(const awaiter_base&) = delete;

    const awaiter_ops& ops() const noexcept { return *ops_; }
    promise_base* frame() const noexcept { return frame_; }

protected:
    // Call first in await_suspend and last before the value is returned or thrown in await_resume.
    inline void enter(promise_base& frame) noexcept;
    inline void exit() noexcept;
    inline void exit_entered() noexcept;  // for who is never ready at once

    const awaiter_ops* ops_;
    promise_base* frame_ = nullptr;  // the frame that waits; null at the root
};

namespace detail {
// What await_transform gives co_await where the awaiter itself cannot be given: g++ 12 copies one that is returned by
// reference (and these cannot be copied), so a forwarding value stands for it. It costs a pointer in the frame.
template <class Awaiter>
class awaiter_ref {
public:
    explicit awaiter_ref(Awaiter& awaiter) noexcept : awaiter_(&awaiter) {}
    bool await_ready() noexcept(noexcept(std::declval<Awaiter&>().await_ready())) { return awaiter_->await_ready(); }
    template <class Promise>
    decltype(auto) await_suspend(std::coroutine_handle<Promise> waiting) {
        return awaiter_->await_suspend(waiting);
    }
    decltype(auto) await_resume() { return awaiter_->await_resume(); }

private:
    Awaiter* awaiter_;
};

template <class T>
concept awaiter_itself = requires(T& value) { value.await_ready(); };

CO_WQ_RARE void drop_exception(std::exception_ptr& kept) noexcept;

// Where to look for the frame that runs on this thread, for backtraces; null outside of tasks. It is this one or, where
// that awaits a child that runs, the innermost of those children (innermost_running): starting a child writes nothing.
extern constinit thread_local promise_base* running_frame;

// Whether symmetric transfer is a tail call. If not, long runs of synchronous completions go through the queue.
#if defined(__GNUC__) && !defined(__clang__)
inline constexpr bool bounded_transfer = true;
inline constexpr bool copies_awaiters = true;
#else
inline constexpr bool bounded_transfer = false;
inline constexpr bool copies_awaiters = false;
#endif
}  // namespace detail

class promise_base {
public:
    static void* operator new(std::size_t size) { return pool_allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { pool_free(frame, size); }

    promise_base() noexcept = default;
    promise_base(const promise_base&) = delete;
    promise_base& operator=(const promise_base&) = delete;

    std::suspend_always initial_suspend() const noexcept { return {}; }

    struct final_awaiter {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
            promise_base& promise = ended.promise();
            promise_base* const parent = promise.parent();
            detail::running_frame = parent;
            if (!promise.has_owner()) [[likely]]
                return parent->self();
            awaiter_base& owner = promise.owner();
            return owner.ops().child_done(owner, promise);
        }
        void await_resume() const noexcept {}
    };
    final_awaiter final_suspend() const noexcept { return {}; }

    // Every suspension passes here: its source line is one store.
    template <class Awaitable>
    decltype(auto) await_transform(Awaitable&& awaitable,
                                   std::source_location where = std::source_location::current()) noexcept {
        where_ = where;
        if constexpr (detail::copies_awaiters && detail::awaiter_itself<Awaitable>) {
            return detail::awaiter_ref<std::remove_reference_t<Awaitable>>(awaitable);
        } else {
            return static_cast<Awaitable&&>(awaitable);
        }
    }

    // The frame as a handle. All frames are made by promise<T> with alignment of at most 16, so the promise lies
    // two pointers behind the frame's start whatever its type.
    std::coroutine_handle<> self() noexcept { return std::coroutine_handle<promise_base>::from_promise(*this); }

    const task_env& env() const noexcept { return *env_; }
    bool has_env() const noexcept { return env_ != nullptr; }
    const task_env* env_pointer() const noexcept { return env_; }
    const awaiter_base* awaiting() const noexcept { return awaiting_; }
    // The frame that waits for this one; null at a root, and before the frame is linked.
    promise_base* parent() const noexcept { return has_owner() ? owner().frame() : waiting_frame(); }
    std::source_location where() const noexcept { return where_; }
    // The frame ended with an exception.
    bool failed() const noexcept { return failed_; }

    // For awaiters. The end of this frame resumes its parent: the common case.
    void link_to(promise_base& parent, const task_env* env) noexcept {
        after_ = reinterpret_cast<std::uintptr_t>(&parent);
        env_ = env;
    }
    // The end of this frame is the owner's matter: child_done decides.
    void link_to(awaiter_base& owner, const task_env* env) noexcept {
        after_ = reinterpret_cast<std::uintptr_t>(&owner) | owner_bit;
        env_ = env;
    }

protected:
    template <class Promise>
    static void check_address(Promise& promise) noexcept {
        static_assert(alignof(Promise) <= 16, "a task's result may not be over-aligned: return it by pointer");
        [[maybe_unused]] const auto address =
            reinterpret_cast<std::uintptr_t>(std::coroutine_handle<Promise>::from_promise(promise).address());
#if defined(__GNUC__) && !defined(__clang__)
        CO_WQ_REQUIRE((address & 15) == 0,
                      "g++ 11 and 12 misplace the promise of a coroutine that has co_await in the condition of an if, "
                      "while, do or switch and no named local: write `auto r = co_await x; if (r)`");
#endif
    }

private:
    friend class awaiter_base;
    friend void destroy_tree(promise_base& root) noexcept;

    static constexpr std::uintptr_t owner_bit = 1;
    bool has_owner() const noexcept { return (after_ & owner_bit) != 0; }
    awaiter_base& owner() const noexcept { return *reinterpret_cast<awaiter_base*>(after_ - owner_bit); }
    promise_base* waiting_frame() const noexcept { return reinterpret_cast<promise_base*>(after_); }

    // What comes after this frame: a promise_base, or an awaiter_base with owner_bit set. One word, because creating
    // and ending a task is bound by how much it stores.
    std::uintptr_t after_ = 0;
    awaiter_base* awaiting_ = nullptr;
    const task_env* env_ = nullptr;
    std::source_location where_{};

protected:
    bool failed_ = false;
};

inline void awaiter_base::enter(promise_base& frame) noexcept {
    frame_ = &frame;
    frame.awaiting_ = this;
}
inline void awaiter_base::exit_entered() noexcept { frame_->awaiting_ = nullptr; }
inline void awaiter_base::exit() noexcept {
    if (frame_) frame_->awaiting_ = nullptr;
}

// Destroys a suspended frame and everything it awaits. The frame must not be running (nor any frame below it).
void destroy_tree(promise_base& root) noexcept;

template <class Promise>
concept task_promise = std::is_base_of_v<promise_base, Promise>;

namespace detail {
// Null outside of tasks.
const promise_base* innermost_running() noexcept;
}  // namespace detail

// Writes one line per frame, from the running frame outwards: "  at file:line in function, awaiting what".
std::size_t write_await_chain(const promise_base* innermost, char* out, std::size_t room) noexcept;

}  // namespace co_wq
