// Native call stacks, for fault reports.
#pragma once

#include <cstddef>

namespace co_wq::os {

// Return addresses of the calling thread, innermost first; 0 where the system cannot tell.
std::size_t capture_stack(void** out, std::size_t capacity) noexcept;

// Writes them to standard error, one a line. Does not allocate. Windows: as "program.exe+0x1a2b", the place in the file
// (llvm-symbolizer --relative-address --obj=program.exe 0x1a2b names the line).
void print_stack(void* const* frames, std::size_t depth) noexcept;

}  // namespace co_wq::os
