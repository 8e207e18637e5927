// flight_recorder: the last few thousand operation transitions of a loop, always on.
//
// For:     the dump after a fault, and the inspector's timeline. A record costs about a nanosecond: 16 bytes into
//          a ring, stamped with the turn's time, which the loop has anyway.
// Threads: the owner writes; others may copy while it does and can then see a torn newest entry.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/clock.hpp"

namespace co_wq {

enum class op_state : std::uint8_t { free, filled, armed, cancel_requested, orphaned, final, posted, fired };
enum class op_kind : std::uint8_t {
    none,
    wait,        // a synchronisation object that another thread may signal
    remote,      // the result of work on another thread
    accept,
    connect,
    recv,
    send,
    poll,
    multishot_accept,
    multishot_recv,
    multishot_poll,
    wake,
    file,        // a call to the file system (op_slot::detail says which)
};

const char* name_of(op_state state) noexcept;
const char* name_of(op_kind kind) noexcept;

struct flight_record {
    std::uint32_t microseconds;  // since the loop's start, wraps after 71 minutes
    std::uint32_t index;
    std::uint32_t generation;
    op_kind kind;
    op_state state;
    std::int16_t result;         // saturated
};
static_assert(sizeof(flight_record) == 16);

class flight_recorder {
public:
    static constexpr std::size_t capacity = 4096;  // power of two

    void set_time(time_point now) noexcept {
        microseconds_ = static_cast<std::uint32_t>(now.time_since_epoch().count() / 1000);
    }
    void record(std::uint32_t index, std::uint32_t generation, op_kind kind, op_state state,
                std::int32_t result = 0) noexcept {
        const auto clipped = static_cast<std::int16_t>(result > 32767 ? 32767 : result < -32768 ? -32768 : result);
        ring_[next_++ & (capacity - 1)] = {microseconds_, index, generation, kind, state, clipped};
    }
    std::uint64_t recorded() const noexcept { return next_; }

    // Oldest first.
    std::vector<flight_record> snapshot() const;

private:
    std::uint64_t next_ = 0;
    std::uint32_t microseconds_ = 0;
    std::array<flight_record, capacity> ring_{};
};

}  // namespace co_wq
