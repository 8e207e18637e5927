// The error of an asynchronous operation: what happened, in our words, plus the system's number.
//
// For:     every result<T> of the library. End of stream is a value, not an error; would-block never leaves io.
// Threads: a plain value, 8 bytes.
//
//   if (!sent) log::warn("send: {}", sent.error().message());
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace co_wq {

enum class errc : std::uint16_t {
    // outcomes of the waiting itself
    stopped = 1,        // the surrounding scope was cancelled, or the operation was cancelled by name
    timed_out,          // a deadline passed first
    closed,             // the object was closed on our side
    busy,               // a second operation of the same direction is in flight
    // peers and networks
    connection_reset,
    connection_refused,
    connection_aborted,
    broken_pipe,
    host_unreachable,
    network_unreachable,
    network_down,
    // addresses and names
    address_in_use,
    address_not_available,
    name_not_found,
    name_no_data,
    name_server_failed,
    name_no_service,    // it says itself that it does not offer the service
    invalid_argument,
    // resources
    too_many_files,
    no_buffers,
    out_of_memory,
    // rights and support
    permission_denied,
    not_supported,
    not_found,
    already_exists,
    no_space,
    // files
    is_directory,
    not_directory,
    not_empty,          // a directory that is to be removed or replaced
    cross_device,       // a rename to another file system
    read_only,          // the file system takes no changes
    file_too_large,     // for the file system, or the process's limit (RLIMIT_FSIZE)
    name_too_long,
    too_many_links,     // symbolic links in a circle, or hard links of one file
    device_error,       // the disk, or the way to it, failed
    changed,            // somebody changed the file while it was read
    // protocols
    unexpected_eof,
    bad_message,
    message_too_long,   // a datagram that the way to its receiver does not take
    limit_exceeded,
    // devices
    device_gone,        // it was unplugged
    stalled,            // its endpoint is halted, or it refused the request
    transfer_failed,    // on the way to it or back
    // secure channels (net/tls): os_code() has OpenSSL's number, net::tls::explain its words
    certificate_expired,
    certificate_not_yet_valid,
    certificate_wrong_host,
    certificate_self_signed,
    certificate_untrusted,      // no chain of certificates to an issuer that is trusted
    certificate_wrong_purpose,
    certificate_revoked,
    certificate_weak,           // its key or digest
    certificate_missing,        // the peer has to show one and does not
    certificate_invalid,        // another fault of it
    key_mismatch,               // a private key that does not belong to its certificate
    key_locked,                 // a private key whose passphrase is not given, or another one
    key_exposed,                // a private key that other users may read or replace
    no_common_protocol,         // no version, cipher or application protocol that both sides know
    not_tls,                    // the peer speaks something else
    alert_received,             // the peer ended the connection, and says why
    truncated,                  // the connection ended before the peer said that this is all
    other,              // unknown to the table: os_code() has the system's number
};

class error {
public:
    constexpr error(errc code, int os_code = 0) noexcept : code_(code), os_code_(os_code) {}

    constexpr errc code() const noexcept { return code_; }
    constexpr int os_code() const noexcept { return os_code_; }

    // "connection refused", or "other (system error 133)".
    std::string message() const;

    friend constexpr bool operator==(error left, error right) noexcept { return left.code_ == right.code_; }
    friend constexpr bool operator==(error left, errc right) noexcept { return left.code_ == right; }

private:
    errc code_;
    int os_code_;
};

// Our word for a code, as error::message() uses it.
std::string_view name_of(errc code) noexcept;

// Windows: its own numbers (GetLastError, WSAGetLastError) travel where errno's do, as this base plus the number.
inline constexpr int system_code_base = 0x10000000;

// The one table from errno values to ours. Windows' own numbers have theirs behind base/os.
error from_errno(int os_code) noexcept;

}  // namespace co_wq
