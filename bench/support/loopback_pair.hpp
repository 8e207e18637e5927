// Two connected TCP sockets of one loop.
#pragma once

#include "io/socket.hpp"
#include "support/measure.hpp"

namespace co_wq::bench {

struct socket_pair {
    io::socket client;
    io::socket server;
};

inline task<socket_pair> connect_loopback(io::event_loop& loop) {
    io::socket_calls& calls = loop.reactor().calls();
    const auto listening = calls.open_listener(io::socket_address::loopback(0), 16, false);
    require(listening.has_value(), "a listener can be opened");
    io::socket listener(loop, *listening, io::descriptor_kind::listener);
    const auto where = listener.local_address();
    require(where.has_value(), "a listener has an address");
    const auto opened = calls.open_stream(io::address_family::ipv4);
    require(opened.has_value(), "a socket can be opened");
    io::socket client(loop, *opened, io::descriptor_kind::stream);
    const result<void> connected = co_await client.connect(*where);
    require(connected.has_value(), "loopback connects");
    result<io::socket> server = co_await listener.accept();
    require(server.has_value(), "loopback accepts");
    (void)client.set_no_delay(true);
    co_return socket_pair{std::move(client), std::move(*server)};
}

}  // namespace co_wq::bench
