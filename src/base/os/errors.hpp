// The system's own error numbers, where they are not errno's.
//
// Threads: any.
#pragma once

#include <cstdint>

#include "base/error.hpp"

namespace co_wq::os {

// Windows: what GetLastError and WSAGetLastError say. Systems that have errno alone know none of them.
error error_of_system(std::uint32_t code) noexcept;

// What a library that looks at the last error of its socket calls finds after one that we made for it: errno; Windows:
// WSAGetLastError. code: as from_errno takes it; EAGAIN: the call would have waited.
void set_socket_error(int code) noexcept;

}  // namespace co_wq::os
