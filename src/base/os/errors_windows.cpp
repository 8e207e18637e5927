#include <windows.h>
#include <winsock2.h>

#include <cerrno>

#include "base/os/errors.hpp"
#include "base/os/windows.hpp"

namespace co_wq::os {
namespace {

struct row {
    std::uint32_t system;
    errc ours;
};

// Older headers do not name them.
constexpr std::uint32_t quota_of_disk_exceeded = 1295, no_such_device = 433;

constexpr row of_files[] = {
    {ERROR_ACCESS_DENIED, errc::permission_denied},
    {ERROR_SHARING_VIOLATION, errc::permission_denied},  // somebody has it open and does not share it
    {ERROR_LOCK_VIOLATION, errc::permission_denied},
    {ERROR_PRIVILEGE_NOT_HELD, errc::permission_denied},
    {ERROR_FILE_NOT_FOUND, errc::not_found},
    {ERROR_PATH_NOT_FOUND, errc::not_found},
    {ERROR_INVALID_DRIVE, errc::not_found},
    {ERROR_BAD_NETPATH, errc::not_found},
    {ERROR_BAD_NET_NAME, errc::not_found},
    {ERROR_BAD_PATHNAME, errc::not_found},
    {ERROR_NOT_FOUND, errc::not_found},
    {ERROR_FILE_EXISTS, errc::already_exists},
    {ERROR_ALREADY_EXISTS, errc::already_exists},
    {ERROR_DISK_FULL, errc::no_space},
    {ERROR_HANDLE_DISK_FULL, errc::no_space},
    {quota_of_disk_exceeded, errc::no_space},
    {ERROR_DIRECTORY, errc::not_directory},  // "the directory name is invalid"
    {ERROR_DIR_NOT_EMPTY, errc::not_empty},
    {ERROR_NOT_SAME_DEVICE, errc::cross_device},
    {ERROR_WRITE_PROTECT, errc::read_only},
    {ERROR_FILE_TOO_LARGE, errc::file_too_large},
    {ERROR_FILENAME_EXCED_RANGE, errc::name_too_long},
    {ERROR_TOO_MANY_LINKS, errc::too_many_links},
    {ERROR_CANT_RESOLVE_FILENAME, errc::too_many_links},  // symbolic links in a circle
    {ERROR_CRC, errc::device_error},
    {ERROR_NOT_READY, errc::device_error},
    {ERROR_SEEK, errc::device_error},
    {ERROR_SECTOR_NOT_FOUND, errc::device_error},
    {ERROR_WRITE_FAULT, errc::device_error},
    {ERROR_READ_FAULT, errc::device_error},
    {ERROR_GEN_FAILURE, errc::device_error},
    {ERROR_IO_DEVICE, errc::device_error},
    {ERROR_DISK_CORRUPT, errc::device_error},
    {ERROR_DEV_NOT_EXIST, errc::device_gone},
    {no_such_device, errc::device_gone},
    {ERROR_DEVICE_NOT_CONNECTED, errc::device_gone},
    {ERROR_DEVICE_REMOVED, errc::device_gone},
    {ERROR_BROKEN_PIPE, errc::broken_pipe},
    {ERROR_NO_DATA, errc::broken_pipe},  // "the pipe is being closed"
    {ERROR_PIPE_NOT_CONNECTED, errc::broken_pipe},
    {ERROR_PIPE_BUSY, errc::busy},
};

constexpr row of_all[] = {
    {ERROR_OPERATION_ABORTED, errc::stopped},  // by CancelIoEx and its like
    {ERROR_CANCELLED, errc::stopped},
    {ERROR_SEM_TIMEOUT, errc::timed_out},  // what TCP's own limit is called at a completion port
    {WAIT_TIMEOUT, errc::timed_out},
    {ERROR_INVALID_HANDLE, errc::closed},  // it went away under the call
    {ERROR_BUSY, errc::busy},
    {ERROR_INVALID_PARAMETER, errc::invalid_argument},
    {ERROR_INVALID_NAME, errc::invalid_argument},
    {ERROR_NEGATIVE_SEEK, errc::invalid_argument},
    {ERROR_INVALID_FUNCTION, errc::not_supported},
    {ERROR_NOT_SUPPORTED, errc::not_supported},
    {ERROR_CALL_NOT_IMPLEMENTED, errc::not_supported},
    {ERROR_TOO_MANY_OPEN_FILES, errc::too_many_files},
    {ERROR_NOT_ENOUGH_MEMORY, errc::out_of_memory},
    {ERROR_OUTOFMEMORY, errc::out_of_memory},
    {ERROR_COMMITMENT_LIMIT, errc::out_of_memory},
    {ERROR_NOT_ENOUGH_QUOTA, errc::out_of_memory},
    {ERROR_NO_SYSTEM_RESOURCES, errc::no_buffers},
    {ERROR_NONPAGED_SYSTEM_RESOURCES, errc::no_buffers},
    {ERROR_WORKING_SET_QUOTA, errc::no_buffers},
    {ERROR_INVALID_USER_BUFFER, errc::no_buffers},  // too many operations in flight
};

// A completion port reports the ERROR_ ones, the calls themselves the WSA ones.
constexpr row of_networks[] = {
    {WSAECONNRESET, errc::connection_reset},
    {WSAENETRESET, errc::connection_reset},
    {ERROR_NETNAME_DELETED, errc::connection_reset},
    {WSAECONNREFUSED, errc::connection_refused},
    {ERROR_CONNECTION_REFUSED, errc::connection_refused},
    {ERROR_PORT_UNREACHABLE, errc::connection_refused},
    {WSAECONNABORTED, errc::connection_aborted},
    {ERROR_CONNECTION_ABORTED, errc::connection_aborted},
    {WSAESHUTDOWN, errc::broken_pipe},
    {WSAEHOSTUNREACH, errc::host_unreachable},
    {WSAEHOSTDOWN, errc::host_unreachable},
    {ERROR_HOST_UNREACHABLE, errc::host_unreachable},
    {ERROR_HOST_DOWN, errc::host_unreachable},
    {WSAENETUNREACH, errc::network_unreachable},
    {ERROR_NETWORK_UNREACHABLE, errc::network_unreachable},
    {WSAENETDOWN, errc::network_down},
    {WSAETIMEDOUT, errc::timed_out},
    {WSAEADDRINUSE, errc::address_in_use},
    {ERROR_ADDRESS_ALREADY_ASSOCIATED, errc::address_in_use},
    {WSAEADDRNOTAVAIL, errc::address_not_available},
    {WSAENOTCONN, errc::closed},
    {WSAENOTSOCK, errc::closed},
    {WSAEBADF, errc::closed},
    {WSAEALREADY, errc::busy},
    {WSAEINVAL, errc::invalid_argument},
    {WSAEDESTADDRREQ, errc::invalid_argument},
    {WSAEAFNOSUPPORT, errc::not_supported},
    {WSAEOPNOTSUPP, errc::not_supported},
    {WSAEPROTONOSUPPORT, errc::not_supported},
    {WSAESOCKTNOSUPPORT, errc::not_supported},
    {WSAENOPROTOOPT, errc::not_supported},
    {WSAEMFILE, errc::too_many_files},
    {WSAENOBUFS, errc::no_buffers},
    {WSAEMSGSIZE, errc::message_too_long},
    {WSAEACCES, errc::permission_denied},
    {WSAENAMETOOLONG, errc::name_too_long},
    {WSAELOOP, errc::too_many_links},
    {WSAECANCELLED, errc::stopped},
    {WSA_E_CANCELLED, errc::stopped},
    {WSAHOST_NOT_FOUND, errc::name_not_found},
    {WSANO_DATA, errc::name_no_data},
    {WSATRY_AGAIN, errc::name_server_failed},
    {WSANO_RECOVERY, errc::name_server_failed},
    {WSATYPE_NOT_FOUND, errc::name_no_service},
};

}  // namespace

error from_windows(std::uint32_t code) noexcept {
    const int kept = static_cast<int>(code);
    for (const row& each : of_all)
        if (each.system == code) return {each.ours, kept};
    for (const row& each : of_files)
        if (each.system == code) return {each.ours, kept};
    for (const row& each : of_networks)
        if (each.system == code) return {each.ours, kept};
    return {errc::other, kept};
}

error error_of_system(std::uint32_t code) noexcept { return from_windows(code); }

// Of errno's own numbers the sockets of this library give a few only.
void set_socket_error(int code) noexcept {
    switch (code) {
        case EAGAIN:
        case EINPROGRESS: return ::WSASetLastError(WSAEWOULDBLOCK);
        case EFAULT: return ::WSASetLastError(WSAEFAULT);
        case ECONNREFUSED: return ::WSASetLastError(WSAECONNREFUSED);
        default: break;
    }
    if (code >= system_code_base) code -= system_code_base;
    ::WSASetLastError(code >= WSABASEERR ? code : WSAEINVAL);
}

error last_error() noexcept { return from_windows(::GetLastError()); }

}  // namespace co_wq::os
