// dial: a connection to a host, for a client's request or to a parent.
//
// For:        session and path_finder.
// Guarantees: When descriptors have run out, kept connections are closed for it, and it is tried again. What it took
//             is told to the access log.
// Cancelled:  as net::dns::connect_host, and bounded as that is by the surrounding deadline.
// Requires:   everything it is given outlives it.
// Threads:    the loop of the server.
// Errors:     those of net::dns::connect_host.
#pragma once

#include <string>

#include "net/dns/connect_host.hpp"
#include "net/tls/connection.hpp"
#include "proxy/seeing/request_note.hpp"
#include "proxy/server.hpp"

namespace co_wq::proxy {

task<result<net::tls::connection>> dial(proxy_server& server, request_note& note, const std::string& host,
                                        std::uint16_t port, const net::dns::connect_options& how);

}  // namespace co_wq::proxy
