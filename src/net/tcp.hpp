// tcp_stream, tcp_listener: TCP on an event loop.
//
// For:        connections of clients and servers. Models byte_stream.
// Guarantees: streams send without delay (TCP_NODELAY). recv and send_all borrow the caller's memory only while they
//             are awaited; cancelling or destroying a waiting operation loses no bytes.
// Threads:    the loop's own. Lifetime: closes on destruction; what waits then ends with `closed`.
// Errors:     as io::socket; recv gives 0 at the end of the stream.
//
//   auto listener = net::tcp_listener::bind(loop, io::socket_address::loopback(0));
//   auto stream = co_await listener->accept();
#pragma once

#include <concepts>

#include "io/socket.hpp"
#include "task/task.hpp"

namespace co_wq::net {

// Anything that carries bytes in both directions and can end each on its own.
template <class S>
concept byte_stream = requires(S& stream, bytes into, const_bytes from, std::size_t size) {
    stream.recv(into);
    stream.recv_lease(size);
    stream.send_all(from);
    { stream.shutdown_send() } -> std::same_as<result<void>>;
    stream.close();
};

class tcp_stream {
public:
    tcp_stream() noexcept = default;
    explicit tcp_stream(io::socket socket) noexcept : socket_(std::move(socket)) {}

    static task<result<tcp_stream>> connect(io::event_loop& loop, io::socket_address peer);

    bool is_open() const noexcept { return socket_.is_open(); }
    io::socket& socket() noexcept { return socket_; }
    io::event_loop& loop() const noexcept { return socket_.loop(); }

    // 0: end of stream.
    [[nodiscard]] auto recv(bytes into) const noexcept { return socket_.recv(into); }
    // An empty lease: end of stream. Holds no memory while it waits.
    [[nodiscard]] auto recv_lease(std::size_t size) const noexcept { return socket_.recv_lease(size); }
    [[nodiscard]] auto send_all(const_bytes data) const noexcept { return socket_.send_all(data); }
    // Three parts in one call.
    [[nodiscard]] auto send_all(std::array<const_bytes, 3> parts) const noexcept { return socket_.send_all(parts); }

    // No more bytes from us; the other direction goes on.
    result<void> shutdown_send() const noexcept { return socket_.shutdown_send(); }
    void close() noexcept { socket_.close(); }
    // Close that the peer sees as a reset.
    void reset() noexcept { socket_.reset(); }

    result<io::socket_address> local_address() const noexcept { return socket_.local_address(); }
    result<io::socket_address> peer_address() const noexcept { return socket_.peer_address(); }

private:
    io::socket socket_;
};
static_assert(byte_stream<tcp_stream>);

struct listen_options {
    int backlog = 4096;
    bool share_port = false;  // SO_REUSEPORT: several loops listen on one port and the system spreads connections
};

class tcp_listener {
public:
    tcp_listener() noexcept = default;
    static result<tcp_listener> bind(io::event_loop& loop, const io::socket_address& where,
                                     listen_options options = {});
    // Takes over a listening socket that was opened before the loop was.
    static tcp_listener adopt(io::event_loop& loop, io::native_handle handle) {
        return tcp_listener(io::socket(loop, handle, io::descriptor_kind::listener));
    }

    class accept_awaiter {
    public:
        explicit accept_awaiter(const io::socket& listener) noexcept : inner_(listener.accept()) {}
        bool await_ready() const noexcept { return inner_.await_ready(); }
        template <task_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
            return inner_.await_suspend(waiting);
        }
        result<tcp_stream> await_resume() {
            result<io::socket> got = inner_.await_resume();
            if (!got) return std::unexpected(got.error());
            return tcp_stream(std::move(*got));
        }

    private:
        io::accept_awaiter inner_;
    };
    // too_many_files: nothing was taken; accept again when descriptors are free.
    [[nodiscard]] accept_awaiter accept() const noexcept { return accept_awaiter(socket_); }

    bool is_open() const noexcept { return socket_.is_open(); }
    void close() noexcept { socket_.close(); }
    result<io::socket_address> local_address() const noexcept { return socket_.local_address(); }

private:
    explicit tcp_listener(io::socket socket) noexcept : socket_(std::move(socket)) {}
    io::socket socket_;
};

}  // namespace co_wq::net
