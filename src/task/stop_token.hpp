// inplace_stop_source, inplace_stop_token, inplace_stop_callback: asking for a stop across threads.
//
// For:        telling work on other threads, or code that knows nothing of coroutines, to end. Inside one queue use
//             cancel_scope; with_stop.hpp leads from a token to a scope.
// Guarantees: as std::inplace_stop_source (P2300): callbacks run once, in request_stop, or in the registration when
//             stop was requested before. Deregistration waits for a callback that runs on another thread, and for
//             none on its own thread. Nothing is allocated. No lock is held while a callback runs.
// Threads:    everything: any.
// Lifetime:   the source outlives its tokens' callbacks and the calls of request_stop.
// Source:     the algorithm of libunifex's inplace_stop_token, with the wait on a word of the source. Checked in
//             every order of its steps: tests/model.
//
//   inplace_stop_source source;
//   inplace_stop_callback on_stop(source.get_token(), [&] { connection.abort(); });
//   source.request_stop();
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "base/assert.hpp"
#include "base/this_thread.hpp"

namespace co_wq {

class inplace_stop_token;
template <class Callback>
class inplace_stop_callback;

namespace detail {
// A registered callback; guarded by the source's lock while linked.
struct stop_node {
    using function = void (*)(stop_node&) noexcept;
    explicit stop_node(function call) noexcept : invoke(call) {}
    stop_node* next = nullptr;
    stop_node* prev = nullptr;
    bool linked = false;
    const function invoke;
};
}  // namespace detail

class inplace_stop_source {
public:
    inplace_stop_source() noexcept : state_(0), running_(nullptr) {}
    inplace_stop_source(const inplace_stop_source&) = delete;
    inplace_stop_source& operator=(const inplace_stop_source&) = delete;
    ~inplace_stop_source() {
        CO_WQ_REQUIRE(!first_, "a stop source was destroyed while callbacks are registered with it");
    }

    inplace_stop_token get_token() noexcept;
    // acquire: what the requester did before is visible to whoever sees the request
    bool stop_requested() const noexcept { return (state_.load(std::memory_order_acquire) & requested) != 0; }

    // Runs the callbacks on this thread. False: somebody else requested it before.
    bool request_stop() noexcept {
        if (!lock(requested)) return false;
        notifier_ = detail::this_thread_mark();
        while (detail::stop_node* one = first_) {
            unlink(*one);
            running_.store(one, std::memory_order_relaxed);  // read under the lock, or compared with a pointer that was
            unlock();
            one->invoke(*one);  // may deregister and destroy itself: not to be touched afterwards
            // release: whoever waited for the callback sees what it did
            running_.store(nullptr, std::memory_order_release);
            detail::wake_all(running_);
            lock(0);
        }
        unlock();
        return true;
    }

private:
    template <class>
    friend class inplace_stop_callback;
    using node_pointer = detail::stop_node*;
    static constexpr std::uint32_t requested = 1;
    static constexpr std::uint32_t locked = 2;

    // Takes the lock and sets `mark` with it. With a mark: false, without the lock, when a stop was requested before.
    bool lock(std::uint32_t mark) noexcept {
        std::uint32_t seen = state_.load(std::memory_order_relaxed);
        for (unsigned round = 0;; ++round) {
            if (mark && (seen & requested)) {
                // acquire: as in stop_requested
                (void)state_.load(std::memory_order_acquire);
                return false;
            }
            if (seen & locked) {
                detail::spin_pause(round);
                seen = state_.load(std::memory_order_relaxed);
                continue;
            }
            // acquire: the list as the last holder left it. release: what the requester did before its request
            if (state_.compare_exchange_weak(seen, seen | locked | mark, std::memory_order_acq_rel,
                                             std::memory_order_relaxed))
                return true;
        }
    }
    void unlock() noexcept { state_.fetch_and(~locked, std::memory_order_release); }

    void unlink(detail::stop_node& one) noexcept {
        (one.prev ? one.prev->next : first_) = one.next;
        if (one.next) one.next->prev = one.prev;
        one.linked = false;
    }

    // False: stop was requested; the caller runs the callback.
    bool add(detail::stop_node& one) noexcept {
        if (stop_requested()) return false;
        lock(0);
        if (state_.load(std::memory_order_relaxed) & requested) {
            unlock();
            return false;
        }
        one.next = first_;
        if (first_) first_->prev = &one;
        first_ = &one;
        one.linked = true;
        unlock();
        return true;
    }

    void remove(detail::stop_node& one) noexcept {
        lock(0);
        if (one.linked) {
            unlink(one);
            return unlock();
        }
        const bool mine = notifier_ == detail::this_thread_mark();
        unlock();
        if (mine) return;
        // acquire: what the callback did happened before the deregistration returns
        detail::wait_while(running_, node_pointer(&one));
    }

    std::atomic<std::uint32_t> state_;
    std::atomic<node_pointer> running_;  // the callback that runs now
    // guarded by the lock
    node_pointer first_ = nullptr;
    const void* notifier_ = nullptr;
};

class inplace_stop_token {
public:
    template <class Callback>
    using callback_type = inplace_stop_callback<Callback>;

    inplace_stop_token() noexcept = default;  // never stopped
    bool stop_requested() const noexcept { return source_ && source_->stop_requested(); }
    bool stop_possible() const noexcept { return source_ != nullptr; }
    friend bool operator==(inplace_stop_token, inplace_stop_token) noexcept = default;

private:
    friend class inplace_stop_source;
    template <class>
    friend class inplace_stop_callback;
    explicit inplace_stop_token(inplace_stop_source* source) noexcept : source_(source) {}
    inplace_stop_source* source_ = nullptr;
};

inline inplace_stop_token inplace_stop_source::get_token() noexcept { return inplace_stop_token(this); }

// Requires: Callback does not throw.
template <class Callback>
class [[nodiscard]] inplace_stop_callback : private detail::stop_node {
public:
    template <class Source>
    inplace_stop_callback(inplace_stop_token token,
                          Source&& callback) noexcept(std::is_nothrow_constructible_v<Callback, Source>)
        : stop_node([](stop_node& self) noexcept { static_cast<inplace_stop_callback&>(self).callback_(); }),
          callback_(std::forward<Source>(callback)),
          source_(token.source_) {
        if (source_ && !source_->add(*this)) {
            source_ = nullptr;
            callback_();
        }
    }
    inplace_stop_callback(const inplace_stop_callback&) = delete;
    inplace_stop_callback& operator=(const inplace_stop_callback&) = delete;
    ~inplace_stop_callback() {
        if (source_) source_->remove(*this);
    }

private:
    Callback callback_;
    inplace_stop_source* source_;
};

template <class Callback>
inplace_stop_callback(inplace_stop_token, Callback) -> inplace_stop_callback<Callback>;

}  // namespace co_wq
