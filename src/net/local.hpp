// Local sockets (unix(7)): streams, sequenced packets and datagrams between processes of one machine, at paths or
// abstract names; open files and the peer's identity travel with them.
//
// For:        services on the same machine, supervisors, hand-over of connections.
// Guarantees: a listener at a path takes the place of one that crashed and never removes what it did not make
//             (io/local_path.hpp). Its path has its mode before anybody can connect, whatever the umask.
// Threads:    the loop's own. Lifetime: closes on destruction; what waits then ends with `closed`.
// Errors:     as io::socket; not_found: nobody has bound the path. address_in_use: somebody listens there, or
//             something else stands there. permission_denied: its mode. not_supported: simulated.
//
//   auto listener = net::local_listener::bind(loop, *io::socket_address::local("/run/app.sock"), {.mode = 0660});
//   auto stream = co_await listener->accept();
//   auto who = stream->peer();       // who->user
#pragma once

#include "io/local_path.hpp"
#include "net/stream.hpp"
#include "task/task.hpp"

namespace co_wq::net {

class local_stream : public socket_stream {
public:
    static constexpr io::descriptor_kind kind = io::descriptor_kind::local_stream;
    using socket_stream::socket_stream;

    // Waits while the listener's queue is full.
    static task<result<local_stream>> connect(io::event_loop& loop, io::socket_address where);
    // Two that are connected to each other.
    static result<std::pair<local_stream, local_stream>> make_pair(io::event_loop& loop);

    // Who is at the other end: of an accepted stream who connected, of a connecting one who listened, as it was then.
    // process 0: not visible from here (another process namespace).
    result<io::peer_credentials> peer() const noexcept { return socket().credentials(); }
    // Bytes, at least one, and open files with the first of them. The files stay ours, too.
    [[nodiscard]] auto send_all_with_files(const_bytes data, std::span<const io::native_handle> files) const noexcept {
        return socket().send_all_with_files(data, files);
    }
    // Bytes, and the files that came with them, as far as there is room. For streams that carry files, this alone.
    [[nodiscard]] auto recv_with_files(bytes into, std::span<io::file_handle> room) const noexcept {
        return socket().recv_with_files(into, room);
    }
};
static_assert(byte_stream<local_stream>);

// Messages that arrive whole and in order, over a connection.
class local_packets {
public:
    static constexpr io::descriptor_kind kind = io::descriptor_kind::datagram;

    local_packets() noexcept = default;
    explicit local_packets(io::socket socket) noexcept : socket_(std::move(socket)) {}

    static task<result<local_packets>> connect(io::event_loop& loop, io::socket_address where);

    // A message; truncated() when there was no room for the whole. Size 0: the peer has ended (or sent an empty one).
    [[nodiscard]] auto recv(bytes into) const noexcept { return socket_.recv_from(into); }
    // The whole or nothing. message_too_long: more than the send buffer holds.
    [[nodiscard]] auto send(const_bytes data) const noexcept { return socket_.send_to({.data = data}); }

    result<void> shutdown_send() const noexcept { return socket_.shutdown_send(); }
    result<io::peer_credentials> peer() const noexcept { return socket_.credentials(); }
    bool is_open() const noexcept { return socket_.is_open(); }
    void close() noexcept { socket_.close(); }
    io::socket& socket() noexcept { return socket_; }

private:
    io::socket socket_;
};

struct local_options {
    int backlog = 4096;
    // Of the path: who may connect. The owner alone by default.
    std::uint32_t mode = 0600;
};

// Of streams or packets.
template <class Connection>
class basic_local_listener {
public:
    basic_local_listener() noexcept = default;
    static result<basic_local_listener> bind(io::event_loop& loop, const io::socket_address& where,
                                             local_options options = {});

    [[nodiscard]] accept_awaiter<Connection> accept() const noexcept { return accept_awaiter<Connection>(socket_); }

    bool is_open() const noexcept { return socket_.is_open(); }
    void close() noexcept {
        socket_.close();
        claim_.release();
    }
    result<io::socket_address> local_address() const noexcept { return socket_.local_address(); }

private:
    io::path_claim claim_;  // released last
    io::socket socket_;
};
extern template class basic_local_listener<local_stream>;
extern template class basic_local_listener<local_packets>;
using local_listener = basic_local_listener<local_stream>;
using local_packet_listener = basic_local_listener<local_packets>;

// Datagrams; unlike UDP's they are neither lost nor overtaken, and a sender waits while the receiver's queue is full:
// connected for an event, else by trying again after pauses of 0.2 to 20 ms.
class local_datagrams {
public:
    local_datagrams() noexcept = default;
    // Receives at a path or name.
    static result<local_datagrams> bind(io::event_loop& loop, const io::socket_address& where,
                                        local_options options = {});
    // Has no name, so that nobody can answer it.
    static result<local_datagrams> open(io::event_loop& loop);

    result<void> connect(const io::socket_address& peer) const noexcept;
    [[nodiscard]] auto recv_from(bytes into) const noexcept { return socket_.recv_from(into); }
    [[nodiscard]] task<result<void>> send_to(const_bytes data, io::socket_address to) const;
    [[nodiscard]] auto send(const_bytes data) const noexcept { return socket_.send_to({.data = data}); }

    bool is_open() const noexcept { return socket_.is_open(); }
    void close() noexcept {
        socket_.close();
        claim_.release();
    }
    io::socket& socket() noexcept { return socket_; }
    result<io::socket_address> local_address() const noexcept { return socket_.local_address(); }

private:
    io::path_claim claim_;
    io::socket socket_;
};

}  // namespace co_wq::net
