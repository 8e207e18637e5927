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
    // protocols
    unexpected_eof,
    bad_message,
    message_too_long,   // a datagram that the way to its receiver does not take
    limit_exceeded,
    // devices
    device_gone,        // it was unplugged
    stalled,            // its endpoint is halted, or it refused the request
    transfer_failed,    // on the way to it or back
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

// The one table from errno values (Linux) to ours.
error from_errno(int os_code) noexcept;

}  // namespace co_wq
