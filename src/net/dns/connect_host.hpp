// connect_host: a TCP connection to a host by name, over whichever of its addresses answers first.
//
// For:        every connection to an origin or an upstream proxy.
// Guarantees: IPv6 and IPv4 alternate, IPv6 first unless told otherwise. If addresses of the other family are known
//             first, those of the first one get resolution_delay to arrive before the first attempt. Attempts start
//             attempt_delay apart, or at once when one fails. The first connection wins; the other attempts are
//             cancelled and have ended when this returns. At most attempts_max are started. TCP_NODELAY is on.
//             A socket never ends up connected to itself, which the system allows on loopback. An IPv4 address within
//             an IPv6 one ("::ffff:127.0.0.1"), which the system would connect to over IPv4, is taken for what it is,
//             so that a filter sees it, too.
// Cancelled:  by the surrounding scope, and bounded by the surrounding deadline: all attempts end with it; a connection
//             that is made already is returned. Destruction closes what is under way.
// Requires:   resolver and loop belong together and outlive the task. The filter may be called until the task ends.
// Threads:    the loop's own.
// Errors:     address_not_available: a source address is not this machine's. Those of resolver::resolve when there is
// no
//             address; permission_denied when the filter refused every
//             address; otherwise the error of the attempts that says most (a refusal more than an unreachable net).
// Source:     RFC 8305 (Happy Eyeballs version 2), sections 3 to 5; addresses of one family keep the server's order.
//
//   result<dns::connected> made = co_await with_timeout(10s, dns::connect_host(loop, names, "example.com", 443));
//   if (made) net::tcp_stream stream(std::move(made->socket));
#pragma once

#include <functional>
#include <string>

#include "io/socket.hpp"
#include "net/dns/resolver.hpp"

namespace co_wq::net::dns {

struct connect_options {
    duration resolution_delay = std::chrono::milliseconds(50);  // RFC 8305 section 8
    duration attempt_delay = std::chrono::milliseconds(250);
    std::size_t attempts_max = 8;
    families wanted = families::any;
    // Where connections come from; family none: the system chooses. With one of them, the other family is used only if
    // it has one, too: nothing leaves from an address that nobody named.
    io::socket_address source_ipv4{}, source_ipv6{};
    // Asked for each address before it is tried; false: it is passed over. Empty: all may be tried.
    std::function<bool(const io::socket_address&)> allow{};
};

struct connect_timings {
    duration dns{};  // until the first attempt started
    duration connect{};  // from then on
};

struct connected {
    io::socket socket;
    io::socket_address peer;
    connect_timings timings;
};

// host: a name or a numeric address without brackets.
task<result<connected>> connect_host(io::event_loop& loop, resolver& names, std::string host, std::uint16_t port,
                                     connect_options options = {});

}  // namespace co_wq::net::dns
