// admit: the one place where SOCKS asks whether a client may go somewhere, before a name is resolved and again for each
// address that is about to be used.
//
// For:        CONNECT and the UDP relay. What is asked is what rules speak about; who answers belongs to the proxy.
// Threads:    the server's loop. Lifetime: the views of a question live as long as the call.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/socket_address.hpp"

namespace co_wq::proxy {

class proxy_server;

namespace socks {

struct question {
    const io::socket_address& client;
    std::string_view user{};  // verified by credentials; empty: nobody has to say who it is
    std::string_view method{};  // "SOCKS" for a tunnel, "UDP" for datagrams
    std::string_view host{};  // a name in lower case or a numeric address without brackets
    std::uint16_t port = 0;
};

struct decision {
    bool allowed = true;
    std::string_view why{};  // in a word or two, for the log; a literal
};

inline decision admit(proxy_server& /*server*/, const question& /*what*/) { return {}; }

inline decision admit_address(proxy_server& /*server*/, const question& /*what*/, const io::socket_address& /*peer*/) {
    return {};
}

}  // namespace socks
}  // namespace co_wq::proxy
