// signal_set: waits for process signals on a loop.
//
// Requires:   block_signals() before any other thread is started, so that no thread takes the signal in the old way.
// Threads:    the loop's own. Lifetime: any; signals that arrive while nobody waits are kept by the system.
// Errors:     stopped or timed_out when the scope is cancelled.
//
//   io::block_signals({SIGINT, SIGTERM});
//   io::signal_set signals(loop, {SIGINT, SIGTERM});
//   result<int> which = co_await signals.next();
#pragma once

#include <initializer_list>

#include "io/socket.hpp"

namespace co_wq::io {

// Keeps the default action of these signals from happening in this and all later threads.
void block_signals(std::initializer_list<int> numbers) noexcept;
// Writes to closed sockets give an error instead of ending the process.
void ignore_sigpipe() noexcept;

class signal_set {
public:
    // Throws std::system_error when the system refuses.
    signal_set(event_loop& loop, std::initializer_list<int> numbers);
    task<result<int>> next();

private:
    socket source_;
};

}  // namespace co_wq::io
