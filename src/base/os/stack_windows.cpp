#include <windows.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/os/stack.hpp"

namespace co_wq::os {

std::size_t capture_stack(void** out, std::size_t capacity) noexcept {
    const auto room = static_cast<DWORD>(std::min<std::size_t>(capacity, 0xffff));
    return ::RtlCaptureStackBackTrace(0, room, out, nullptr);
}

// "program.exe+0x1a2b [0x7ff6...]": the place in the file, which llvm-symbolizer --relative-address turns into a line.
void print_stack(void* const* frames, std::size_t depth) noexcept {
    for (std::size_t i = 0; i < depth; ++i) {
        HMODULE module = nullptr;
        char path[MAX_PATH] = "?";
        constexpr DWORD by_address =
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
        if (::GetModuleHandleExA(by_address, static_cast<const char*>(frames[i]), &module))
            (void)::GetModuleFileNameA(module, path, sizeof path - 1);
        const char* const slash = std::strrchr(path, '\\');
        const auto offset = reinterpret_cast<std::uintptr_t>(frames[i]) - reinterpret_cast<std::uintptr_t>(module);
        char line[MAX_PATH + 64];
        const int size = std::snprintf(line, sizeof line, "%s+0x%llx [%p]\n", slash ? slash + 1 : path,
                                       static_cast<unsigned long long>(offset), frames[i]);
        DWORD wrote = 0;
        if (size > 0 && static_cast<std::size_t>(size) < sizeof line)
            (void)::WriteFile(::GetStdHandle(STD_ERROR_HANDLE), line, static_cast<DWORD>(size), &wrote, nullptr);
    }
}

}  // namespace co_wq::os
