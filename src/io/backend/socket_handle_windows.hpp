// Windows' sockets as native_handle, and their errors as results.
//
// Source: "Interprocess communication between 32-bit and 64-bit applications": handles have 32 significant bits.
#pragma once

#include <cerrno>
#include <cstdint>

#include "io/backend/native_headers.hpp"
#include "io/backend/windows_error.hpp"
#include "io/reactor.hpp"

namespace co_wq::io {

inline SOCKET to_socket(native_handle handle) noexcept {
    return static_cast<SOCKET>(static_cast<std::intptr_t>(handle));
}
inline native_handle to_native_handle(SOCKET socket) noexcept { return static_cast<native_handle>(socket); }

// A socket as the calls of one loop want it; INVALID_SOCKET: WSAGetLastError says why.
inline SOCKET open_socket(int family, int type) noexcept {
    constexpr DWORD no_inherit = 0x80;  // WSA_FLAG_NO_HANDLE_INHERIT, which older headers lack
    return ::WSASocketW(family, type, 0, nullptr, 0, WSA_FLAG_OVERLAPPED | no_inherit);
}

// Never waits, and no child gets it.
inline void prepare_socket(SOCKET socket) noexcept {
    u_long on = 1;
    (void)::ioctlsocket(socket, static_cast<long>(FIONBIO), &on);
    (void)::SetHandleInformation(reinterpret_cast<HANDLE>(socket), HANDLE_FLAG_INHERIT, 0);
}

// Of the call that just failed. Numbers that this library compares with are errno's.
inline std::int32_t socket_failure() noexcept {
    const int code = ::WSAGetLastError();
    if (code == WSAEWOULDBLOCK) return would_block;
    if (code == WSAEFAULT) return -EFAULT;
    return failure_of(static_cast<std::uint32_t>(code));
}

// Of a call that says 0 when it has done its work.
inline result<void> outcome(int answer) noexcept {
    if (answer != 0) return fail(from_errno(-last_failure()));
    return {};
}

template <class T>
result<void> set_socket_option(native_handle handle, int level, int name, T value) noexcept {
    return outcome(::setsockopt(to_socket(handle), level, name, reinterpret_cast<const char*>(&value), sizeof value));
}

}  // namespace co_wq::io
