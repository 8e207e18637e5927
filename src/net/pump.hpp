// pump: carries bytes between two streams, both ways, until both have ended.
//
// For:        tunnels. Each direction copies through a pool block that it holds only while bytes are on their way;
//             one that is bulk is spliced through a borrowed pipe until it pauses.
// Guarantees: everything read is written before its end is passed on. An end of stream is passed on as a half-close and
//             the other direction goes on. A reset or failure on one side ends both, and the other side is reset; so
//             are both when the pump is cancelled: what is cut must not look whole. A slow reader stops the reading
//             from the other side: memory stays bounded.
// Signals:    none: a peer that is gone is a result, also where a program has not ignored SIGPIPE. One that has
//             (io::ignore_sigpipe) saves three system calls for each splice(2), which cannot be told to raise none.
// Errors:     none are thrown; how each direction ended is in the result. When the surrounding scope is cancelled, both
//             directions end with `stopped` or `idle`.
// Threads:    the loop's own. Lifetime: the streams outlive the call.
//
//   pump_result done = co_await pump(client, origin, {.idle_timeout = 300s});
#pragma once

#include "net/pacer.hpp"
#include "net/tcp.hpp"

namespace co_wq::net {

enum class end_reason : std::uint8_t {
    eof,  // ended by its sender, passed on
    reset,  // the connection was reset
    failed,  // another error of one side
    idle,  // no byte in either direction for idle_timeout
    stopped,  // our side ended it
};
const char* name_of(end_reason reason) noexcept;

struct pump_options {
    duration idle_timeout = std::chrono::seconds(300);  // zero: none
    bool splice = true;  // where the system can
    pacer* pace = nullptr;  // null: as fast as it goes. A direction that waits for its pace does not count as idle
};

struct direction_result {
    std::uint64_t bytes = 0;
    end_reason end = end_reason::stopped;
};

struct pump_result {
    direction_result forth;  // from the first stream to the second
    direction_result back;
};

// Live figures of a tunnel under way, for whoever watches: written by the pump, read on the same thread.
struct pump_progress {
    std::uint64_t bytes_forth = 0;
    std::uint64_t bytes_back = 0;
    time_point touched{};  // the turn in which a byte moved last; the zero point: none has
};

task<pump_result> pump(tcp_stream& first, tcp_stream& second, pump_options options, pump_progress* progress = nullptr);

}  // namespace co_wq::net
