// pacer: when requests are to start.
//
// For:        closed loop: whenever a connection is free. Open loop: at fixed times, whatever the answers do; a request
//             that starts late still counts from its time, so that a server that stalls cannot hide those it kept from
//             being sent (coordinated omission).
// Guarantees: the times of an open loop have no drift; those of all loops together are evenly spaced.
// Threads:    one loop's own.
//
//   while (std::optional<time_point> due = pace.take(loop.now())) {
//       if (*due > loop.now()) co_await sleep_until(*due);
//       ...                                                    // latency: from *due on
//   }
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.hpp"

namespace co_wq::probe {

struct pace {
    time_point start{};
    time_point end{};
    double rate = 0;  // requests a second of all loops together; 0: closed loop
    std::uint64_t loops = 1;  // that share the rate
    std::uint64_t index = 0;  // of this loop
};

class pacer {
public:
    explicit pacer(const pace& plan) noexcept : plan_(plan) {}

    bool open() const noexcept { return plan_.rate > 0; }
    // When the next request is to start, which may be in the future or the past; none: it is over.
    std::optional<time_point> take(time_point now) noexcept;

    // Open loop: requests that were due by then and that nobody took.
    std::uint64_t backlog(time_point now) const noexcept;
    // For how long the oldest of them has waited; zero: there is none.
    duration oldest(time_point now) const noexcept;
    std::uint64_t taken() const noexcept { return taken_; }

private:
    time_point due(std::uint64_t number) const noexcept;
    std::uint64_t due_by(time_point now) const noexcept;

    pace plan_;
    std::uint64_t taken_ = 0;
};

}  // namespace co_wq::probe
