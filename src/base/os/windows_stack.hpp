// Entries of call stacks as text, for fault reports on Windows. Nothing of it is compiled elsewhere.
//
// Threads: any. Allocates nothing.
#pragma once

#include <cstddef>

namespace co_wq::os {

// "program.exe+0x1a2b [0x7ff6...]", cut to the room, with a zero behind it; how long it is.
std::size_t describe_frame(void* frame, char* out, std::size_t room) noexcept;

}  // namespace co_wq::os
