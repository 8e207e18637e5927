#include <windows.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/os/stack.hpp"
#include "base/os/windows_stack.hpp"

namespace co_wq::os {

std::size_t capture_stack(void** out, std::size_t capacity) noexcept {
    const auto room = static_cast<DWORD>(std::min<std::size_t>(capacity, 0xffff));
    return ::RtlCaptureStackBackTrace(0, room, out, nullptr);
}

// The place in the file, which llvm-symbolizer --relative-address turns into a line.
std::size_t describe_frame(void* frame, char* out, std::size_t room) noexcept {
    HMODULE module = nullptr;
    char path[MAX_PATH] = "?";
    constexpr DWORD by_address = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (::GetModuleHandleExA(by_address, static_cast<const char*>(frame), &module))
        (void)::GetModuleFileNameA(module, path, sizeof path - 1);
    const char* const slash = std::strrchr(path, '\\');
    const auto offset = reinterpret_cast<std::uintptr_t>(frame) - reinterpret_cast<std::uintptr_t>(module);
    const int size = std::snprintf(out, room, "%s+0x%llx [%p]", slash ? slash + 1 : path,
                                   static_cast<unsigned long long>(offset), frame);
    return size <= 0 || room == 0 ? 0 : std::min(static_cast<std::size_t>(size), room - 1);
}

void print_stack(void* const* frames, std::size_t depth) noexcept {
    for (std::size_t i = 0; i < depth; ++i) {
        char line[MAX_PATH + 64];
        std::size_t size = describe_frame(frames[i], line, sizeof line - 1);
        line[size++] = '\n';
        DWORD wrote = 0;
        (void)::WriteFile(::GetStdHandle(STD_ERROR_HANDLE), line, static_cast<DWORD>(size), &wrote, nullptr);
    }
}

}  // namespace co_wq::os
