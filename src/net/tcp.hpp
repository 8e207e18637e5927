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

#include "net/stream.hpp"
#include "task/task.hpp"

namespace co_wq::net {

class tcp_stream : public socket_stream {
public:
    using socket_stream::socket_stream;

    static task<result<tcp_stream>> connect(io::event_loop& loop, io::socket_address peer);

    // Close that the peer sees as a reset.
    void reset() noexcept { socket().reset(); }
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

    // too_many_files: nothing was taken; accept again when descriptors are free.
    [[nodiscard]] accept_awaiter<tcp_stream> accept() const noexcept { return accept_awaiter<tcp_stream>(socket_); }

    bool is_open() const noexcept { return socket_.is_open(); }
    // For an end that loses nobody: accept gives out what has come already, then ends with `closed`. Whoever comes
    // later waits for another process that has the same socket, or is reset when the last one closes it.
    void stop() noexcept { socket_.stop_accepting(); }
    // As stop, of a socket that no other process has: nobody can come between the last accept and close, to be reset.
    // Who tries meanwhile is not answered, tries again (Linux: after 1 s), and is refused if the socket is closed then.
    // Where the system has no such thing it is stop.
    void stop_for_good() noexcept {
        socket_.ignore_newcomers();
        stop();
    }
    void close() noexcept { socket_.close(); }
    result<io::socket_address> local_address() const noexcept { return socket_.local_address(); }

private:
    explicit tcp_listener(io::socket socket) noexcept : socket_(std::move(socket)) {}
    io::socket socket_;
};

}  // namespace co_wq::net
