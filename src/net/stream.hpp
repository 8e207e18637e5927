// stream: what every connection over a socket has in common; base of tcp_stream and local_stream. Models byte_stream.
#pragma once

#include <concepts>

#include "io/socket.hpp"

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

class socket_stream {
public:
    static constexpr io::descriptor_kind kind = io::descriptor_kind::stream;

    socket_stream() noexcept = default;
    explicit socket_stream(io::socket socket) noexcept : socket_(std::move(socket)) {}

    bool is_open() const noexcept { return socket_.is_open(); }
    io::socket& socket() noexcept { return socket_; }
    const io::socket& socket() const noexcept { return socket_; }
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

    result<io::socket_address> local_address() const noexcept { return socket_.local_address(); }
    result<io::socket_address> peer_address() const noexcept { return socket_.peer_address(); }

private:
    io::socket socket_;
};

// What a listener accepts, as the stream that it is.
template <class Stream>
class accept_awaiter {
public:
    explicit accept_awaiter(const io::socket& listener) noexcept : inner_(listener.accept(Stream::kind)) {}
    bool await_ready() const noexcept { return inner_.await_ready(); }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        return inner_.await_suspend(waiting);
    }
    result<Stream> await_resume() {
        result<io::socket> got = inner_.await_resume();
        if (!got) return std::unexpected(got.error());
        return Stream(std::move(*got));
    }

private:
    io::accept_awaiter inner_;
};

}  // namespace co_wq::net
