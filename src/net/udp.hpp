// udp_socket: datagrams over IPv4 and IPv6, one at a time or many in one system call.
//
// For:        protocols on UDP, clients and servers.
// Guarantees: a datagram is received whole or its truncation is reported (received::truncated, full_size). A send that
//             is cancelled sent nothing. Cancelling or destroying a wait takes no datagram.
// Threads:    the loop's own. One receive and one send may wait at a time.
// Lifetime:   memory is borrowed while an operation is awaited; closes on destruction, what waits then ends with
//             `closed`.
// Errors:     message_too_long: longer than the way takes, nothing was sent. connection_refused, on connected sockets:
//             nobody was at the peer's port for an earlier datagram; told once by the next operation, which did
//             nothing. A batch that went in part may swallow it (sendmmsg(2)). invalid_argument: too many segments, or
//             none of them possible here.
// Source:     RFC 768; udp(7), ip(7), ipv6(7).
//
//   auto server = net::udp_socket::bind(loop, io::socket_address::loopback(0));
//   std::byte room[2048];
//   auto got = co_await server->recv_from(room);
//   if (got) co_await server->send_to(const_bytes(room).first(got->size), got->from);
#pragma once

#include "io/socket.hpp"

namespace co_wq::net {

struct udp_options {
    // SO_REUSEPORT and SO_REUSEADDR: several sockets on one port; the system spreads senders, and gives multicast to
    // all.
    bool share_address = false;
};

class udp_socket {
public:
    udp_socket() noexcept = default;

    // Receives at the address; port 0: any. An IPv6 socket serves IPv6 alone.
    static result<udp_socket> bind(io::event_loop& loop, const io::socket_address& where, udp_options options = {});
    // Sends from an address that the system chooses; over IPv6 to IPv4 as well, by mapped addresses.
    static result<udp_socket> open(io::event_loop& loop, io::address_family family);
    // The same, and then connect.
    static result<udp_socket> connect_to(io::event_loop& loop, const io::socket_address& peer);

    // From now on only datagrams of this peer arrive, and send goes to it. What arrived before is still received:
    // look at received::from.
    result<void> connect(const io::socket_address& peer) const noexcept;

    [[nodiscard]] auto recv_from(bytes into) const noexcept { return socket_.recv_from(into); }
    [[nodiscard]] auto send_to(const_bytes data, const io::socket_address& to) const noexcept {
        return socket_.send_to({.data = data, .to = to});
    }
    // To the connected peer.
    [[nodiscard]] auto send(const_bytes data) const noexcept { return socket_.send_to({.data = data}); }
    // As one call of datagrams of segment_bytes each, the last one may be shorter (at most 64 of them, 65,507 bytes).
    [[nodiscard]] auto send_segments(const_bytes data, std::uint16_t segment_bytes,
                                     const io::socket_address& to = {}) const noexcept {
        return socket_.send_to({.data = data, .to = to, .segment_bytes = segment_bytes});
    }
    // Those that are there, at least one and at most 64; how many came. A first call asks for four, and calls ask for
    // all they have room for while four or more came the time before: asking has its price too.
    [[nodiscard]] auto recv_batch(std::span<io::incoming> into) const noexcept { return socket_.recv_batch(into); }
    // How many went, at least one; an error: none went. At most 64 per call.
    [[nodiscard]] auto send_batch(std::span<const io::outgoing> all) const noexcept { return socket_.send_batch(all); }

    // Datagrams of one sender and one size may come together (UDP_GRO, received::segment_bytes); room for 65,535 bytes
    // takes any of them whole.
    result<void> set_receive_segments(bool on) const noexcept;
    result<void> set_broadcast(bool on) const noexcept;
    // Datagrams longer than the way to their receiver takes, as far as the system knows it, are refused with
    // message_too_long, and not cut into pieces by it or on their way.
    result<void> set_never_fragment(bool on) const noexcept;
    result<void> set_buffer_bytes(int receive, int send) const noexcept;
    // interface_index: of if_nametoindex(3); 0: the system chooses.
    result<void> join(const io::socket_address& group, std::uint32_t interface_index = 0) const noexcept;
    result<void> leave(const io::socket_address& group, std::uint32_t interface_index = 0) const noexcept;
    // How far what we send to groups goes (0 to 255), whether we hear it ourselves, and which interface it takes (0: as
    // it is, at first the system's choice).
    result<void> set_multicast(int hops, bool loop_back, std::uint32_t interface_index = 0) const noexcept;

    bool is_open() const noexcept { return socket_.is_open(); }
    void close() noexcept { socket_.close(); }
    io::socket& socket() noexcept { return socket_; }
    io::event_loop& loop() const noexcept { return socket_.loop(); }
    result<io::socket_address> local_address() const noexcept { return socket_.local_address(); }
    result<io::socket_address> peer_address() const noexcept { return socket_.peer_address(); }

private:
    explicit udp_socket(io::socket socket) noexcept : socket_(std::move(socket)) {}
    io::socket socket_;
};

}  // namespace co_wq::net
