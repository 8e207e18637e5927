// clang-format off: in this order
#include <winsock2.h>
#include <windows.h>
// clang-format on

#include "base/os/service.hpp"
#include "base/os/windows.hpp"
#include "base/os/windows_service.hpp"

namespace co_wq::os {

inherited take_inherited() { return {}; }
bool is_handed_over() noexcept { return false; }
void write_byte_and_close(int) noexcept {}

// Another handle of the same socket.
int duplicate(int handle) noexcept {
    WSAPROTOCOL_INFOW about;
    const auto socket = static_cast<SOCKET>(static_cast<std::intptr_t>(handle));
    if (::WSADuplicateSocketW(socket, ::GetCurrentProcessId(), &about) != 0) return -1;
    constexpr DWORD no_inherit = 0x80;  // WSA_FLAG_NO_HANDLE_INHERIT
    const SOCKET made = ::WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &about, 0,
                                     WSA_FLAG_OVERLAPPED | no_inherit);
    if (made == INVALID_SOCKET) return -1;
    u_long never_waits = 1;
    (void)::ioctlsocket(made, static_cast<long>(FIONBIO), &never_waits);
    return static_cast<int>(made);
}

std::vector<std::string> handover_environment(std::size_t) { return {}; }

bool notify_supervisor(std::string_view state) noexcept { return tell_service_manager(state); }
std::optional<std::chrono::microseconds> watchdog_limit() { return std::nullopt; }
std::string reloading_message() { return {}; }
std::string stopping_message(std::chrono::milliseconds limit) {
    return "STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(limit).count());
}

result<void> become_user(const std::string&, const std::vector<std::string>&) { return fail(errc::not_supported); }

std::string executable_path() {
    std::wstring path(512, L'\0');
    for (;;) {
        const DWORD length = ::GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size()));
        if (length == 0) return {};
        if (length < path.size()) return from_wide({path.data(), length});
        if (path.size() > 64 * 1024) return {};
        path.resize(path.size() * 2);  // it was cut
    }
}

}  // namespace co_wq::os
