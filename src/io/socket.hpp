// socket: an open descriptor of a loop, and the operations on it.
//
// For:        the layer under net: byte streams and listeners without policy.
// Guarantees: the destructor closes; operations still waiting then end with `closed`. One read and one write may
//             wait at a time; a second one is a fault.
// Threads:    the loop's own. Lifetime: movable; operations in flight refer to the descriptor, not to this object.
// Buffers:    recv and send borrow the caller's memory for the duration of the await only, and the kernel never
//             keeps it: the call is made when the socket is ready. recv_lease takes a pool block when bytes are there.
//
//   result<std::size_t> got = co_await from.recv(buffer);   // 0: end of stream
//   result<void> sent = co_await to.send_all(data);
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "io/datagram.hpp"
#include "io/event_loop.hpp"
#include "io/io_awaiter.hpp"
#include "io/passed_files.hpp"

namespace co_wq::io {

namespace detail {

class recv_awaiter final : public io_awaiter {
public:
    recv_awaiter(descriptor_ref where, bytes into) noexcept
        : io_awaiter(ops, where, op_kind::recv, op_detail::plain, into.data(), into.size()) {}
    result<std::size_t> await_resume() noexcept { return take_result(); }

private:
    static constexpr awaiter_ops ops{"recv", nullptr, nullptr, nullptr, &describe};
};

class recv_lease_awaiter final : public io_awaiter {
public:
    recv_lease_awaiter(descriptor_ref where, std::size_t size) noexcept
        : io_awaiter(ops, where, op_kind::recv, op_detail::lend, nullptr, size) {}
    // An empty lease is the end of the stream.
    result<lease> await_resume() noexcept {
        result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        if (!io_.data) return lease{};
        lease made = loop().reactor().buffers().adopt(io_.data, io_.length);
        made.set_size(*got);
        return made;
    }

private:
    static constexpr awaiter_ops ops{"recv into a lease", nullptr, nullptr, nullptr, &describe};
};

class recv_pipe_awaiter final : public io_awaiter {
public:
    recv_pipe_awaiter(descriptor_ref where, pipe_pair& pipe) noexcept
        : io_awaiter(ops, where, op_kind::recv, op_detail::to_pipe, &pipe, pipe.capacity) {}
    result<std::size_t> await_resume() noexcept { return take_result(); }

private:
    static constexpr awaiter_ops ops{"splice from a socket", nullptr, nullptr, nullptr, &describe};
};

class send_awaiter final : public io_awaiter {
public:
    // Only read from; the cast is undone in the call.
    send_awaiter(descriptor_ref where, const_bytes data) noexcept
        : io_awaiter(ops, where, op_kind::send, op_detail::plain, const_cast<std::byte*>(data.data()), data.size()) {}
    result<std::size_t> await_resume() noexcept { return take_result(); }

private:
    static constexpr awaiter_ops ops{"send", nullptr, nullptr, nullptr, &describe};
};

class send_all_awaiter final : public io_awaiter {
public:
    send_all_awaiter(descriptor_ref where, const_bytes data) noexcept
        : io_awaiter(ops, where, op_kind::send, op_detail::all, const_cast<std::byte*>(data.data()), data.size()) {
        CO_WQ_REQUIRE(data.size() <= 0x7fffffff, "at most 2 GiB are sent in one call");
    }
    result<void> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"send", nullptr, nullptr, nullptr, &describe};
};

class send_parts_awaiter final : public io_awaiter {
public:
    send_parts_awaiter(descriptor_ref where, std::array<const_bytes, 3> parts) noexcept
        : io_awaiter(ops, where, op_kind::send, op_detail::gather, nullptr, 3), parts_(parts) {
        io_.data = parts_.data();
    }
    result<void> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"send", nullptr, nullptr, nullptr, &describe};
    std::array<const_bytes, 3> parts_;
};

class send_pipe_awaiter final : public io_awaiter {
public:
    send_pipe_awaiter(descriptor_ref where, pipe_pair& pipe) noexcept
        : io_awaiter(ops, where, op_kind::send, op_detail::from_pipe, &pipe, pipe.held) {}
    result<void> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"splice to a socket", nullptr, nullptr, nullptr, &describe};
};

class connect_awaiter final : public io_awaiter {
public:
    connect_awaiter(descriptor_ref where, const socket_address& peer) noexcept
        : io_awaiter(ops, where, op_kind::connect, op_detail::plain, nullptr, 0), peer_(peer) {
        io_.data = &peer_;
    }
    result<void> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"connect", nullptr, nullptr, nullptr, &describe};
    socket_address peer_;
};

class poll_awaiter final : public io_awaiter {
public:
    poll_awaiter(descriptor_ref where, direction way) noexcept
        : io_awaiter(ops, where, op_kind::poll, op_detail::plain, nullptr, static_cast<std::size_t>(way)) {}
    result<void> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"wait until ready", nullptr, nullptr, nullptr, &describe};
};

}  // namespace detail

class accept_awaiter;

class socket {
public:
    socket() noexcept = default;
    // Takes a descriptor over. Foreign ones (owned = false) are watched but not closed.
    socket(event_loop& loop, native_handle handle, descriptor_kind kind, bool owned = true)
        : where_{&loop, &loop.reactor().add(handle, kind, owned)} {}
    // Takes over what the reactor has made itself.
    explicit socket(descriptor_ref where) noexcept : where_(where) {}
    socket(socket&& other) noexcept : where_(std::exchange(other.where_, {})) {}
    socket& operator=(socket&& other) noexcept {
        if (this != &other) {
            close();
            where_ = std::exchange(other.where_, {});
        }
        return *this;
    }
    ~socket() { close(); }

    bool is_open() const noexcept { return where_.entry != nullptr; }
    event_loop& loop() const noexcept { return *where_.loop; }
    // For awaiters of layers above.
    descriptor_ref where() const noexcept { return where_; }
    native_handle handle() const noexcept { return where_.entry ? where_.entry->handle : no_handle; }
    // A read may succeed without waiting: a hint, true when in doubt.
    bool maybe_readable() const noexcept { return where_.entry->readable; }

    void close() noexcept {
        if (!where_.entry) return;
        where_.loop->require_owner();
        where_.loop->reactor().release(*std::exchange(where_.entry, nullptr));
    }
    // Close that the peer sees as a reset.
    void reset() noexcept {
        if (where_.entry) (void)calls().set_reset_on_close(handle());
        close();
    }

    // 0 bytes: end of stream.
    [[nodiscard]] detail::recv_awaiter recv(bytes into) const noexcept { return {where_, into}; }
    [[nodiscard]] detail::recv_lease_awaiter recv_lease(std::size_t size) const noexcept { return {where_, size}; }
    [[nodiscard]] detail::recv_pipe_awaiter recv(pipe_pair& pipe) const noexcept { return {where_, pipe}; }
    [[nodiscard]] detail::send_awaiter send(const_bytes data) const noexcept { return {where_, data}; }
    [[nodiscard]] detail::send_all_awaiter send_all(const_bytes data) const noexcept { return {where_, data}; }
    [[nodiscard]] detail::send_parts_awaiter send_all(std::array<const_bytes, 3> parts) const noexcept {
        return {where_, parts};
    }
    // Of local sockets (io/passed_files.hpp).
    [[nodiscard]] detail::recv_files_awaiter recv_with_files(bytes into, std::span<file_handle> room) const noexcept {
        return {where_, into, room};
    }
    [[nodiscard]] detail::send_files_awaiter send_all_with_files(const_bytes data,
                                                                 std::span<const native_handle> files) const noexcept {
        return {where_, data, files};
    }
    // Of datagram sockets. A batch ends with how many came or went, at least one; send the others again.
    [[nodiscard]] detail::recv_from_awaiter recv_from(bytes into) const noexcept { return {where_, into}; }
    [[nodiscard]] detail::recv_batch_awaiter recv_batch(std::span<incoming> into) const noexcept {
        return {where_, into};
    }
    [[nodiscard]] detail::send_to_awaiter send_to(const outgoing& one) const noexcept { return {where_, one}; }
    [[nodiscard]] detail::send_batch_awaiter send_batch(std::span<const outgoing> all) const noexcept {
        return {where_, all};
    }
    // What can be sent without waiting; 0: nothing. Only while no other send is under way.
    [[nodiscard]] result<std::size_t> send_now(const_bytes data) const noexcept {
        if (!where_.entry) return fail(errc::closed);
        std::int32_t sent = 0;
        if (where_.entry->by_backend) {
            const std::size_t size = std::min<std::size_t>(data.size(), 0x7fffffff);
            op_slot::io_payload io{const_cast<std::byte*>(data.data()), static_cast<std::uint32_t>(size),
                                   where_.entry->index};
            sent = where_.loop->reactor().attempt(*where_.entry, op_kind::send, op_detail::plain, io);
        } else {
            sent = calls().send_now(handle(), data);
        }
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (sent == would_block) return std::size_t{0};
        return std::unexpected(from_errno(-sent));
    }
    // One datagram, if it can be sent without waiting; false: it cannot. Only while no other send is under way.
    [[nodiscard]] result<bool> send_to_now(const outgoing& one) const noexcept {
        detail::require_datagrams(where_, 1);
        op_slot::io_payload io{const_cast<outgoing*>(&one), 1, where_.entry->index};
        const std::int32_t sent =
            where_.loop->reactor().attempt(*where_.entry, op_kind::send, op_detail::datagrams, io);
        if (sent == would_block) return false;
        if (sent < 0) return std::unexpected(from_errno(-sent));
        return true;
    }
    // Sends all that the pipe holds.
    [[nodiscard]] detail::send_pipe_awaiter send_all(pipe_pair& pipe) const noexcept { return {where_, pipe}; }
    [[nodiscard]] detail::connect_awaiter connect(const socket_address& peer) const noexcept { return {where_, peer}; }
    [[nodiscard]] detail::poll_awaiter ready(direction way) const noexcept { return {where_, way}; }
    // The accepted socket belongs to the same loop. datagram: of a listener for sequenced packets.
    [[nodiscard]] accept_awaiter accept(descriptor_kind accepted = descriptor_kind::stream) const noexcept;

    // Of a listener: accept gives out the connections that have come already, then ends with `closed`.
    void stop_accepting() const noexcept {
        CO_WQ_REQUIRE(where_.entry && (where_.entry->kind == descriptor_kind::listener ||
                                       where_.entry->kind == descriptor_kind::pipe_listener),
                      "the socket is a listener");
        where_.loop->reactor().stop_accepting(*where_.entry);
    }
    void ignore_newcomers() const noexcept { calls().ignore_newcomers(handle()); }
    result<void> shutdown_send() const noexcept {
        CO_WQ_REQUIRE(where_.entry, "the socket is open");
        return where_.loop->reactor().shutdown_send(*where_.entry);
    }
    result<socket_address> local_address() const noexcept { return calls().local_address(handle()); }
    result<socket_address> peer_address() const noexcept { return calls().peer_address(handle()); }
    // Of the other end of a local socket.
    result<peer_credentials> credentials() const noexcept { return calls().credentials(handle()); }
    result<void> set_no_delay(bool on) const noexcept { return calls().set_no_delay(handle(), on); }
    result<void> set_keep_alive(int idle_s, int interval_s, int count) const noexcept {
        return calls().set_keep_alive(handle(), idle_s, interval_s, count);
    }

    socket_calls& calls() const noexcept { return where_.loop->reactor().calls(); }

private:
    descriptor_ref where_;
};

class accept_awaiter final : public io_awaiter {
public:
    accept_awaiter(descriptor_ref where, descriptor_kind accepted) noexcept
        : io_awaiter(ops, where, op_kind::accept, op_detail::plain, nullptr, 0), accepted_(accepted) {}
    result<socket> await_resume() {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return socket(loop(), static_cast<native_handle>(*got), accepted_);
    }

private:
    descriptor_kind accepted_;
    static constexpr awaiter_ops ops{"accept", nullptr, nullptr, nullptr, &describe};
};

inline accept_awaiter socket::accept(descriptor_kind accepted) const noexcept { return {where_, accepted}; }

}  // namespace co_wq::io
