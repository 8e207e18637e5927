#include <windows.h>
#include <winsock2.h>
#include <winternl.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string_view>

#include "support/full_stream.hpp"
#include "support/system.hpp"

namespace co_wq {
namespace test {
namespace {

bool is_file(std::uintptr_t handle, bool& valid) {
    using query = LONG(NTAPI*)(HANDLE, ULONG what, void* into, ULONG size, ULONG* needed);
    static const auto ask = reinterpret_cast<query>(
        reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), "NtQueryObject")));
    constexpr ULONG type_information = 2;
    struct {
        UNICODE_STRING name;
        std::array<wchar_t, 512> rest;
    } type{};
    valid = ask(reinterpret_cast<HANDLE>(handle), type_information, &type, sizeof type, nullptr) == 0;
    constexpr std::wstring_view file = L"File";
    return valid && std::wstring_view(type.name.Buffer, type.name.Length / sizeof(wchar_t)) == file;
}

}  // namespace

// One handle after the other, as they are given out from below: nothing tells how many there are. (The table of all
// processes' handles would, but Wine's server dies of it now and then.)
std::size_t open_files() {
    constexpr int gap_max = 64;
    std::size_t count = 0;
    int gap = 0;
    for (std::uintptr_t handle = 4; gap < gap_max; handle += 4) {
        bool valid = false;
        count += is_file(handle, valid);
        gap = valid ? 0 : gap + 1;
    }
    return count;
}

}  // namespace test

namespace {
// The stream that is being filled, and when something last went in.
struct filling {
    io::native_handle from = -1;
    std::chrono::steady_clock::time_point since;
};
}  // namespace

bool fill_stream(io::native_handle from, io::native_handle into) noexcept {
    static constexpr std::array<char, 64 * 1024> block{};
    thread_local filling now;
    const auto to = static_cast<SOCKET>(from);
    bool went = now.from != from;
    if (went) {  // or it takes megabytes
        const int small = 16 * 1024;
        ::setsockopt(to, SOL_SOCKET, SO_SNDBUF, reinterpret_cast<const char*>(&small), sizeof small);
        ::setsockopt(static_cast<SOCKET>(into), SOL_SOCKET, SO_RCVBUF, reinterpret_cast<const char*>(&small),
                     sizeof small);
    }
    for (int size = static_cast<int>(block.size()), sent = 0; size > 0; size /= 8)
        while ((sent = ::send(to, block.data(), size, 0)) > 0) went = true;
    if (went) now = {from, std::chrono::steady_clock::now()};
    const bool full = stays_full(from, from, now.since);
    if (full) now = {};
    return full;
}

}  // namespace co_wq
