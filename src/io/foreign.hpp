// foreign_descriptors, foreign_timer: a C library with descriptors, timers and callbacks, run by an event loop.
//
// For:        libraries that do their own reads and writes and ask to be told when they may: c-ares, libusb, hiredis,
//             libcurl, libpq. They say which descriptors they want to read or write, and by when they want to be
//             called anyway; the loop calls them, without a thread.
// Guarantees: level-triggered, as with poll(2): a library that leaves something unread is called again. Between two
//             calls for one descriptor and direction everything else that is ready has its turn, and the loop takes
//             its events and timers after its bounded batch; after 16 calls without a wait it pauses for a tick of the
//             timers. So a library that never reads what it was called for starves nobody.
//             No call after remove(), after the last interest was taken away, or after the bridge's death. A call may
//             do anything: change interests, remove and add descriptors (its own too), destroy the bridge or timers.
//             Works with every reactor; in a simulation for descriptors of the loop's socket_calls.
// Closing:    the library closes its descriptors itself, before or after remove(), as it likes: a number that another
//             file got meanwhile, the library's or one of the loop's own, is not touched. Until remove() the reactor
//             may keep the file open; remove first where the peer should see the end at once. A library that closes
//             one without a word and opens another of the same number says add() for that. One that is closed
//             without a word is reported ready a last time (the library's own call then says EBADF) and removed if
//             the bridge looks at it again; one that is closed while the bridge waits for an event stays until
//             remove(), add() or the bridge's end.
// Fallback:   descriptors that epoll refuses (EPERM: regular files, directories, some devices) are always ready, by
//             definition of poll(2). They, and those for which the system has no room (ENOMEM, ENOSPC), are looked at
//             every fallback_interval instead, and called if poll(2) says ready. This is the only case in which a
//             bridge wakes the loop without need.
// Errors:     add, set: closed (no such descriptor); the others from epoll_ctl(2), except those above.
// Threads:    the loop's own; callbacks run there, from the loop, never from inside a call to the bridge.
// Signals:    a library that writes with write(2) raises SIGPIPE when its peer is gone: io::ignore_sigpipe().
// Lifetime:   dies before the loop, at any time, also from inside its own callback. Callbacks must not throw.
//
//   io::foreign_descriptors watched(loop, &on_ready, library);   // void on_ready(void*, native_handle, direction)
//   io::foreign_timer due(loop, &on_time, library);              // void on_time(void*)
//   (void)watched.set(fd, {.read = true});                       // from the library's own callbacks
//
// One operation of such a library, awaited: its callback is given a record of its own, shared with the waiter, and sets
// an event in it. The waiter may be cancelled or destroyed meanwhile; the callback then finds a record that nobody
// looks at. Where the library always calls back and nobody cancels, a `completion` (task/completion.hpp) does it
// without the record.
//
//   struct answer { event done; int value = 0; };
//   auto one = std::make_shared<answer>();
//   library_ask(library, [](int value, void* kept) {      // called once, come what may
//       std::unique_ptr<std::shared_ptr<answer>> mine(static_cast<std::shared_ptr<answer>*>(kept));
//       (*mine)->value = value;
//       (*mine)->done.set();
//   }, new std::shared_ptr<answer>(one));
//   result<void> came = co_await one->done.wait();        // stopped, timed_out: cancelled
//
// All of it, with the connection's end and errors: examples/redis_client.hpp.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "io/reactor.hpp"
#include "sync/timer_queue.hpp"

namespace co_wq::io {

class event_loop;

namespace detail {
class foreign_core;
}

// What a library wants to be told of.
struct interest {
    bool read = false;
    bool write = false;
    constexpr bool none() const noexcept { return !read && !write; }
};

class foreign_descriptors {
public:
    // way is read or write. A reset, an end or an error counts as ready for whatever is wanted.
    using function = void (*)(void* context, native_handle handle, direction way) noexcept;
    static constexpr duration fallback_interval = std::chrono::milliseconds(1);

    // name: of the tasks that wait, for whoever looks at them; a literal.
    foreign_descriptors(event_loop& loop, function on_ready, void* context, const char* name = "foreign");
    foreign_descriptors(const foreign_descriptors&) = delete;
    foreign_descriptors& operator=(const foreign_descriptors&) = delete;
    ~foreign_descriptors();

    // A descriptor that was not there before; whatever was known under its number is forgotten.
    result<void> add(native_handle handle, interest wanted);
    // From now on this is wanted of it; adds one that is not known, removes it when nothing is wanted.
    result<void> set(native_handle handle, interest wanted);
    // Nothing happens when it is not known.
    void remove(native_handle handle) noexcept;

    std::size_t size() const noexcept;
    // It is looked at every fallback_interval.
    bool falls_back(native_handle handle) const noexcept;

private:
    detail::foreign_core* core_;
};

// A point in time at which a library wants to be called. One call for each time it is set.
class foreign_timer : private timer {
public:
    using function = void (*)(void* context) noexcept;
    foreign_timer(event_loop& loop, function on_time, void* context) noexcept;
    foreign_timer(const foreign_timer&) = delete;
    foreign_timer& operator=(const foreign_timer&) = delete;

    // Replaces what was set before. Never early; one in the past is called in the next turn. Not below zero.
    void set(duration wait) noexcept;
    void set_at(time_point due) noexcept;
    void cancel() noexcept { timer::cancel(); }
    bool is_set() const noexcept { return timer::armed(); }
    // Meaningful while it is set.
    time_point due() const noexcept { return due_; }

private:
    static void expired(timer& self) noexcept;

    event_loop& loop_;
    const function on_time_;
    void* const context_;
    time_point due_{};
};

}  // namespace co_wq::io
