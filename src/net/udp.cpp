#include "net/udp.hpp"

#include "io/event_loop.hpp"

namespace co_wq::net {

result<udp_socket> udp_socket::open(io::event_loop& loop, io::address_family family) {
    const result<io::native_handle> handle = loop.reactor().calls().open_datagram(family);
    if (!handle) return std::unexpected(handle.error());
    return udp_socket(io::socket(loop, *handle, io::descriptor_kind::datagram));
}

result<udp_socket> udp_socket::bind(io::event_loop& loop, const io::socket_address& where, udp_options options) {
    result<udp_socket> made = open(loop, where.family());
    if (!made) return made;
    const result<void> bound =
        made->socket_.calls().bind_datagram(made->socket_.handle(), where, options.share_address);
    if (!bound) return std::unexpected(bound.error());
    return made;
}

result<udp_socket> udp_socket::connect_to(io::event_loop& loop, const io::socket_address& peer) {
    result<udp_socket> made = open(loop, peer.family());
    if (!made) return made;
    const result<void> connected = made->connect(peer);
    if (!connected) return std::unexpected(connected.error());
    return made;
}

result<void> udp_socket::connect(const io::socket_address& peer) const noexcept {
    const std::int32_t answer = socket_.calls().begin_connect(socket_.handle(), peer);
    if (answer < 0) return fail(from_errno(-answer));
    return {};
}

namespace {

result<void> set(const io::socket& on, io::datagram_option option, int value) noexcept {
    return on.calls().set_option(on.handle(), option, value);
}

}  // namespace

result<void> udp_socket::set_receive_segments(bool on) const noexcept {
    return set(socket_, io::datagram_option::receive_segments, on);
}

result<void> udp_socket::set_broadcast(bool on) const noexcept {
    return set(socket_, io::datagram_option::broadcast, on);
}

result<void> udp_socket::set_never_fragment(bool on) const noexcept {
    return set(socket_, io::datagram_option::never_fragment, on);
}

result<void> udp_socket::set_buffer_bytes(int receive, int send) const noexcept {
    const result<void> first = set(socket_, io::datagram_option::receive_buffer, receive);
    return first ? set(socket_, io::datagram_option::send_buffer, send) : first;
}

result<void> udp_socket::join(const io::socket_address& group, std::uint32_t interface_index) const noexcept {
    return socket_.calls().change_group(socket_.handle(), group, interface_index, true);
}

result<void> udp_socket::leave(const io::socket_address& group, std::uint32_t interface_index) const noexcept {
    return socket_.calls().change_group(socket_.handle(), group, interface_index, false);
}

result<void> udp_socket::set_multicast(int hops, bool loop_back, std::uint32_t interface_index) const noexcept {
    result<void> done = set(socket_, io::datagram_option::multicast_hops, hops);
    if (done) done = set(socket_, io::datagram_option::multicast_loop, loop_back);
    if (done && interface_index != 0)
        done = set(socket_, io::datagram_option::multicast_interface, static_cast<int>(interface_index));
    return done;
}

}  // namespace co_wq::net
