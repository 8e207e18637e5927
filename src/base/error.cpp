#include "base/error.hpp"

#include <cerrno>

#include "base/os/errors.hpp"

namespace co_wq {

std::string_view name_of(errc code) noexcept {
    switch (code) {
        case errc::stopped: return "stopped";
        case errc::timed_out: return "timed out";
        case errc::closed: return "closed";
        case errc::busy: return "operation already in flight";
        case errc::connection_reset: return "connection reset";
        case errc::connection_refused: return "connection refused";
        case errc::connection_aborted: return "connection aborted";
        case errc::broken_pipe: return "broken pipe";
        case errc::host_unreachable: return "host unreachable";
        case errc::network_unreachable: return "network unreachable";
        case errc::network_down: return "network down";
        case errc::address_in_use: return "address in use";
        case errc::address_not_available: return "address not available";
        case errc::name_not_found: return "name not found";
        case errc::name_no_data: return "name has no such data";
        case errc::name_server_failed: return "name server failed";
        case errc::name_no_service: return "service not offered";
        case errc::invalid_argument: return "invalid argument";
        case errc::too_many_files: return "too many open files";
        case errc::no_buffers: return "no buffers";
        case errc::out_of_memory: return "out of memory";
        case errc::permission_denied: return "permission denied";
        case errc::not_supported: return "not supported";
        case errc::not_found: return "not found";
        case errc::already_exists: return "already exists";
        case errc::no_space: return "no space left";
        case errc::is_directory: return "is a directory";
        case errc::not_directory: return "not a directory";
        case errc::not_empty: return "directory not empty";
        case errc::cross_device: return "on another file system";
        case errc::read_only: return "read-only file system";
        case errc::file_too_large: return "file too large";
        case errc::name_too_long: return "name too long";
        case errc::too_many_links: return "too many links";
        case errc::device_error: return "device error";
        case errc::changed: return "file changed while it was read";
        case errc::unexpected_eof: return "unexpected end of stream";
        case errc::bad_message: return "bad message";
        case errc::message_too_long: return "message too long";
        case errc::limit_exceeded: return "limit exceeded";
        case errc::device_gone: return "device is gone";
        case errc::stalled: return "endpoint stalled";
        case errc::transfer_failed: return "transfer failed";
        case errc::certificate_expired: return "certificate expired";
        case errc::certificate_not_yet_valid: return "certificate not yet valid";
        case errc::certificate_wrong_host: return "certificate of another host";
        case errc::certificate_self_signed: return "self-signed certificate";
        case errc::certificate_untrusted: return "certificate of an untrusted issuer";
        case errc::certificate_wrong_purpose: return "certificate for another purpose";
        case errc::certificate_revoked: return "certificate revoked";
        case errc::certificate_weak: return "certificate too weak";
        case errc::certificate_missing: return "no certificate";
        case errc::certificate_invalid: return "bad certificate";
        case errc::key_mismatch: return "private key of another certificate";
        case errc::key_locked: return "private key is locked";
        case errc::key_exposed: return "private key is exposed to other users";
        case errc::no_common_protocol: return "no common protocol";
        case errc::not_tls: return "peer does not speak TLS";
        case errc::alert_received: return "peer sent an alert";
        case errc::truncated: return "connection was cut";
        case errc::other: return "other";
    }
    return "unknown";
}

std::string error::message() const {
    std::string text(name_of(code_));
    if (code_ == errc::other) text += " (system error " + std::to_string(os_code_) + ")";
    return text;
}

error from_errno(int os_code) noexcept {
    if (os_code >= system_code_base) return os::error_of_system(static_cast<std::uint32_t>(os_code - system_code_base));
    struct row {
        int system;
        errc ours;
    };
    static constexpr row table[] = {
        {ECANCELED, errc::stopped},  // a cancelled io_uring or IOCP operation
        {ETIMEDOUT, errc::timed_out},  // TCP's own limit on connect or retransmission
        {ETIME, errc::timed_out},
        {EBADF, errc::closed},  // the descriptor went away under the call
        {ENOTCONN, errc::closed},  // shutdown or getpeername after the peer left
        {EALREADY, errc::busy},
        {ECONNRESET, errc::connection_reset},
        {ECONNREFUSED, errc::connection_refused},
        {ECONNABORTED, errc::connection_aborted},
        {EPIPE, errc::broken_pipe},
        {EHOSTUNREACH, errc::host_unreachable},
#ifdef EHOSTDOWN
        {EHOSTDOWN, errc::host_unreachable},
#endif
        {ENETUNREACH, errc::network_unreachable},
        {ENETDOWN, errc::network_down},
        {EADDRINUSE, errc::address_in_use},
        {EADDRNOTAVAIL, errc::address_not_available},
        {EINVAL, errc::invalid_argument},
        {EAFNOSUPPORT, errc::not_supported},
        {EOPNOTSUPP, errc::not_supported},
        {EPROTONOSUPPORT, errc::not_supported},
        {ENOSYS, errc::not_supported},
        {EMFILE, errc::too_many_files},
        {ENFILE, errc::too_many_files},
#ifdef ETOOMANYREFS
        {ETOOMANYREFS, errc::too_many_files},  // sent over local sockets, and not received yet
#endif
        {EMSGSIZE, errc::message_too_long},
        {EDESTADDRREQ, errc::invalid_argument},
        {ENOBUFS, errc::no_buffers},
        {EAGAIN, errc::no_buffers},  // a local listener's queue is full
        {ENOMEM, errc::out_of_memory},
        {EACCES, errc::permission_denied},
        {EPERM, errc::permission_denied},
        {ENOENT, errc::not_found},
        {EEXIST, errc::already_exists},
        {ENOSPC, errc::no_space},
#ifdef EDQUOT
        {EDQUOT, errc::no_space},
#endif
        {EISDIR, errc::is_directory},
        {ENOTDIR, errc::not_directory},
        {ENOTEMPTY, errc::not_empty},
        {EXDEV, errc::cross_device},
        {EROFS, errc::read_only},
        {EFBIG, errc::file_too_large},
        {ENAMETOOLONG, errc::name_too_long},
        {ELOOP, errc::too_many_links},
        {EMLINK, errc::too_many_links},
        {EIO, errc::device_error},
#ifdef ESTALE
        {ESTALE, errc::changed},  // removed on the server of a network file system
#endif
        {ENODEV, errc::device_gone},
    };
    for (const row& entry : table)
        if (entry.system == os_code) return error(entry.ours, os_code);
    return error(errc::other, os_code);
}

}  // namespace co_wq
