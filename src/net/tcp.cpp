#include "net/tcp.hpp"

namespace co_wq::net {

task<result<tcp_stream>> tcp_stream::connect(io::event_loop& loop, io::socket_address peer) {
    result<io::native_handle> handle = loop.reactor().calls().open_stream(peer.family());
    if (!handle) co_return std::unexpected(handle.error());
    io::socket socket(loop, *handle, io::descriptor_kind::stream);
    (void)socket.set_no_delay(true);
    const result<void> connected = co_await socket.connect(peer);
    if (!connected) co_return std::unexpected(connected.error());
    co_return tcp_stream(std::move(socket));
}

result<tcp_listener> tcp_listener::bind(io::event_loop& loop, const io::socket_address& where, listen_options options) {
    result<io::native_handle> handle = loop.reactor().calls().open_listener(where, options.backlog, options.share_port);
    if (!handle) return std::unexpected(handle.error());
    return tcp_listener(io::socket(loop, *handle, io::descriptor_kind::listener));
}

}  // namespace co_wq::net
