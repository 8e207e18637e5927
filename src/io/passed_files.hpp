// Open files sent over local sockets, and the awaiters that carry them.
//
// For:        handing a connection, a log or shared memory to another process.
// Guarantees: a file that was received is owned by a file_handle from the first moment, and closed with it; it is not
//             inherited by child processes. What is sent stays the sender's.
// Requires:   at least one byte goes with the files. A stream that carries files is read with recv_with_files: other
//             receives drop the files that come with their bytes.
// Threads:    the loop's own. Lifetime: memory is borrowed while the operation is awaited.
// Errors:     too_many_files: more than passed_files_max at once, or too many of this user's are under way.
//             invalid_argument: no byte, or a file that is not open.
// Note:       a file that was sent is shared with its sender, non-blocking mode and all: set it before a received
// socket
//             is given to a loop.
// Source:     unix(7), SCM_RIGHTS; at most 253 files a message (SCM_MAX_FD).
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "io/io_awaiter.hpp"

namespace co_wq::io {

// An open file, closed with its owner.
class file_handle {
public:
    file_handle() noexcept = default;
    explicit file_handle(native_handle owned) noexcept : number_(owned) {}
    file_handle(file_handle&& other) noexcept : number_(other.release()) {}
    file_handle& operator=(file_handle&& other) noexcept {
        if (this != &other) {
            reset();
            number_ = other.release();
        }
        return *this;
    }
    ~file_handle() { reset(); }

    explicit operator bool() const noexcept { return number_ != no_handle; }
    native_handle get() const noexcept { return number_; }
    native_handle release() noexcept { return std::exchange(number_, no_handle); }
    void reset() noexcept {
        if (number_ != no_handle) system_calls().close(release());
    }

private:
    native_handle number_ = no_handle;
};

inline constexpr std::size_t passed_files_max = 253;

struct received_files {
    std::size_t size = 0;   // bytes; 0: end of stream
    std::size_t files = 0;  // how many came
    bool lost = false;      // more came than there was room for; they are closed
};

namespace detail {

// What an operation of op_detail::files works on.
struct passing {
    bytes data{};
    std::span<file_handle> room{};            // of a receive
    std::span<const native_handle> files{};   // of a send: those that still have to go
    received_files got{};
};

inline void require_local(descriptor_ref where) noexcept {
    CO_WQ_REQUIRE(where.entry->kind == descriptor_kind::local_stream, "files travel over local streams");
}

class recv_files_awaiter final : public io_awaiter {
public:
    recv_files_awaiter(descriptor_ref where, bytes into, std::span<file_handle> room) noexcept
        : io_awaiter(ops, where, op_kind::recv, op_detail::files, &work_, 1), work_{.data = into, .room = room} {
        require_local(where);
        CO_WQ_REQUIRE(!into.empty(), "files come with at least one byte");
    }
    result<received_files> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        work_.got.size = *got;
        return work_.got;
    }

private:
    static constexpr awaiter_ops ops{"recv with files", nullptr, nullptr, nullptr, &describe};
    passing work_;
};

class send_files_awaiter final : public io_awaiter {
public:
    send_files_awaiter(descriptor_ref where, const_bytes data, std::span<const native_handle> files) noexcept
        : io_awaiter(ops, where, op_kind::send, op_detail::files, &work_, 1),
          work_{.data = {const_cast<std::byte*>(data.data()), data.size()}, .files = files} {
        require_local(where);
    }
    result<void> await_resume() noexcept {
        const result<std::uint32_t> sent = take_result();
        if (!sent) return std::unexpected(sent.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"send with files", nullptr, nullptr, nullptr, &describe};
    passing work_;
};

}  // namespace detail
}  // namespace co_wq::io
