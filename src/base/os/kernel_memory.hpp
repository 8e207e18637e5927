// What the kernel writes to while an operation is in flight, beside the operation's buffers: memory that must outlive
// whoever waits, so that each op_slot has it.
//
// Windows:  an OVERLAPPED (32 bytes on 64-bit systems), then 32 bytes for what the operation answers.
//           src/io/backend gives them their types.
// Linux:    nothing: its kernel is given tags.
#pragma once

#include <cstddef>

namespace co_wq::os {

#ifdef _WIN32
struct kernel_memory {
    alignas(16) std::byte bytes[64];
};
#else
struct kernel_memory {};
#endif

}  // namespace co_wq::os
