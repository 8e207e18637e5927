// handover: a newer program of the same name takes over the listening sockets while this one finishes.
//
// For:        upgrades without a refused or broken request (SIGUSR2). The child gets the sockets themselves, so that
//             whoever waits in their queues is served by one of the two.
// Guarantees: this process goes on serving until the child has said that it serves; a child that ends, fails or says
//             nothing within the limit changes nothing (it is ended), and why is an error with a log line.
// Threads:    the loop's own. Lifetime: destroyed under way, the child is ended.
#pragma once

#include <string>
#include <vector>

#include "io/event_loop.hpp"
#include "task/task.hpp"

namespace co_wq::proxy {

struct program {
    std::string path;  // as it was started: a newer one may stand there now
    std::vector<std::string> arguments;
};

// The child's process number, once it serves.
[[nodiscard]] task<result<int>> hand_over(io::event_loop& loop, const program& what,
                                          const std::vector<io::native_handle>& listeners, duration limit);

// In the child: tells the one that handed over, once. Closes the handle.
void report_taken_over(int ready) noexcept;

}  // namespace co_wq::proxy
