#include <execinfo.h>
#include <unistd.h>

#include "base/os/stack.hpp"

namespace co_wq::os {

std::size_t capture_stack(void** out, std::size_t capacity) noexcept {
    const int depth = ::backtrace(out, static_cast<int>(capacity));
    return depth > 0 ? static_cast<std::size_t>(depth) : 0;
}

void print_stack(void* const* frames, std::size_t depth) noexcept {
    ::backtrace_symbols_fd(frames, static_cast<int>(depth), STDERR_FILENO);
}

}  // namespace co_wq::os
