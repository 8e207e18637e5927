// What the last call of the system, or of Winsock, says it failed with, as a result: negative, by base/error.hpp's
// from_errno. Only for files of Windows.
#pragma once

#include <windows.h>

#include <cstdint>

#include "base/error.hpp"

namespace co_wq::io {

inline std::int32_t failure_of(std::uint32_t code) noexcept {
    return -(system_code_base + static_cast<std::int32_t>(code & 0xffffff));
}
// WSAGetLastError is the same number.
inline std::int32_t last_failure() noexcept { return failure_of(::GetLastError()); }

}  // namespace co_wq::io
