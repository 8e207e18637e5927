// What the files of this folder share on Windows. Nothing of it is compiled elsewhere.
//
// Threads: any.
// Source:  Microsoft's "System Error Codes" and "Windows Sockets Error Codes";
//          JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace co_wq::os {

// The one table from Windows' own numbers (GetLastError, WSAGetLastError) to ours.
error from_windows(std::uint32_t code) noexcept;
error last_error() noexcept;

// Texts of this library are UTF-8, those of the system UTF-16. Nothing: it is not well-formed, or has a zero in it, at
// which the system would cut it.
std::optional<std::wstring> to_wide(std::string_view text);
// Half of a surrogate pair becomes U+FFFD.
std::string from_wide(std::wstring_view text);

// As event_log reports it.
std::string event_text(std::string_view text);

// A share of all processors, in hundredths of a percent, as whole cores, rounded up; 0: no limit.
unsigned cores_of_rate(std::uint32_t rate, unsigned processors) noexcept;

}  // namespace co_wq::os
