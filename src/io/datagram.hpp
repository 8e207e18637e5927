// Datagrams: what is received and sent whole, and the awaiters for one or many of them in one system call.
//
// For:        net::udp_socket; sockets of kind datagram.
// Guarantees: a datagram is delivered whole, or its truncation is reported. Cancelling or destroying a wait takes no
//             datagram: nothing lies between the system call and the waiter's resumption.
// Errors:     message_too_long: nothing was sent. connection_refused: an earlier datagram found nobody at its address
//             (connected sockets learn it); the socket stays usable.
// Threads:    the loop's own. Lifetime: memory is borrowed while the operation is awaited.
// Source:     recvmmsg(2), sendmmsg(2); udp(7): UDP_SEGMENT since Linux 4.18, UDP_GRO since 5.0.
#pragma once

#include <span>

#include "io/io_awaiter.hpp"
#include "io/socket_address.hpp"

namespace co_wq::io {

// One datagram that came.
struct received {
    std::uint32_t size = 0;            // bytes in the buffer
    std::uint32_t full_size = 0;  // bytes it had: more than size when the buffer was too small (Windows: one more)
    std::uint16_t segment_bytes = 0;  // with receive_segments: the buffer has datagrams of this size, the last shorter
    socket_address from{};

    bool truncated() const noexcept { return full_size > size; }
};

inline constexpr std::size_t datagram_batch_max = 64;  // in one call

struct incoming : received {
    bytes into{};
};

struct outgoing {
    const_bytes data{};
    socket_address to{};  // family none: the connected peer
    std::uint16_t segment_bytes = 0;  // not 0: data is sent as datagrams of this size, the last may be shorter
};

namespace detail {

inline void require_datagrams(descriptor_ref where, std::size_t count) noexcept {
    CO_WQ_REQUIRE(where.entry->kind == descriptor_kind::datagram, "the socket carries datagrams, not a stream");
    CO_WQ_REQUIRE(count > 0, "a batch has room for at least one");
}

class recv_from_awaiter final : public io_awaiter {
public:
    recv_from_awaiter(descriptor_ref where, bytes into) noexcept
        : io_awaiter(ops, where, op_kind::recv, op_detail::datagrams, &one_, 1) {
        require_datagrams(where, 1);
        one_.into = into;
    }
    result<received> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return one_;
    }

private:
    static constexpr awaiter_ops ops{"recv a datagram", nullptr, nullptr, nullptr, &describe};
    incoming one_;
};

class recv_batch_awaiter final : public io_awaiter {
public:
    recv_batch_awaiter(descriptor_ref where, std::span<incoming> into) noexcept
        : io_awaiter(ops, where, op_kind::recv, op_detail::datagrams, into.data(), into.size()) {
        require_datagrams(where, into.size());
    }
    result<std::size_t> await_resume() noexcept { return take_result(); }

private:
    static constexpr awaiter_ops ops{"recv datagrams", nullptr, nullptr, nullptr, &describe};
};

class send_to_awaiter final : public io_awaiter {
public:
    send_to_awaiter(descriptor_ref where, const outgoing& one) noexcept
        : io_awaiter(ops, where, op_kind::send, op_detail::datagrams, &one_, 1), one_(one) {
        require_datagrams(where, 1);
    }
    result<void> await_resume() noexcept {
        const result<std::uint32_t> sent = take_result();
        if (!sent) return std::unexpected(sent.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"send a datagram", nullptr, nullptr, nullptr, &describe};
    outgoing one_;
};

class send_batch_awaiter final : public io_awaiter {
public:
    send_batch_awaiter(descriptor_ref where, std::span<const outgoing> from) noexcept
        : io_awaiter(ops, where, op_kind::send, op_detail::datagrams, const_cast<outgoing*>(from.data()), from.size()) {
        require_datagrams(where, from.size());
    }
    result<std::size_t> await_resume() noexcept { return take_result(); }

private:
    static constexpr awaiter_ops ops{"send datagrams", nullptr, nullptr, nullptr, &describe};
};

}  // namespace detail
}  // namespace co_wq::io
