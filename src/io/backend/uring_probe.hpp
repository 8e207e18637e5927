// What this kernel's io_uring can do, asked of the kernel itself and never derived from its version.
#pragma once

#include <cstdint>
#include <string>

struct io_uring;

namespace co_wq::io {

// 0 or a negative errno.
int uring_setup(io_uring& ring, unsigned entries) noexcept;
void uring_exit(io_uring& ring) noexcept;
// Why a ring is refused, in words an operator can act on.
std::string uring_refusal(int system_error);
bool uring_has_multishot_accept() noexcept;
// One bit for each file_call that this ring takes.
std::uint32_t uring_file_calls(io_uring& ring) noexcept;
// Bytes that arrive at the moment a multishot receive is cancelled are delivered or stay in the socket.
bool uring_cancel_race_is_lossless() noexcept;

// Whether the file can be watched for events at all; not so regular files and some devices (epoll_ctl(2), EPERM).
bool has_events(int handle) noexcept;

}  // namespace co_wq::io
