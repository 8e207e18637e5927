// Readiness of sockets on a completion port: the poll of Windows' socket driver (AFD), with the types that an op_slot's
// kernel memory has. Only for files of Windows.
//
// Why:        overlapped receives and sends give the kernel a buffer until their packet is taken, whoever dies
// meanwhile;
//             a poll gives it nothing but an OVERLAPPED and 32 bytes of the slot. What is ready is then done by calls
//             that never wait, as on epoll: no byte is moved for a waiter that is gone. It also tells when a peer has
//             ended behind bytes that nobody reads, and when there is room, which overlapped calls cannot
//             (docs/design/2026-11-28-windows-by-readiness.md).
// Source:     IOCTL_AFD_POLL is what select() of ws2_32 is made of; libuv, wepoll and mio rest on it.
#pragma once

#include <windows.h>

#include <cstddef>
#include <cstdint>

#include "base/os/kernel_memory.hpp"
#include "io/backend/native_headers.hpp"

namespace co_wq::io::afd {

enum event : std::uint32_t {
    readable = 0x01,
    writable = 0x04,
    ended = 0x08,  // the peer sends no more
    aborted = 0x10,  // reset
    closed_here = 0x20,
    acceptable = 0x80,
    connect_failed = 0x100,
};

struct poll_question {
    std::int64_t timeout = INT64_MAX;
    std::uint32_t count = 1;
    std::uint32_t exclusive = 0;
    HANDLE socket = nullptr;
    std::uint32_t events = 0;
    std::int32_t status = 0;
};

// What an operation's kernel memory holds.
struct operation {
    OVERLAPPED overlapped;
    poll_question answer;
};
static_assert(sizeof(poll_question) == 32 && sizeof(operation) == sizeof(os::kernel_memory));

inline operation& in(os::kernel_memory& memory) noexcept { return *reinterpret_cast<operation*>(memory.bytes); }

// How many bytes an operation that has ended has read or written.
inline std::uint32_t moved_by(os::kernel_memory& memory) noexcept {
    return static_cast<std::uint32_t>(in(memory).overlapped.InternalHigh);
}

}  // namespace co_wq::io::afd
