// connector: opens connections the way that was asked for: direct, through an HTTP proxy, or through a SOCKS5 proxy.
//
// Guarantees: an open channel has its tunnel and its TLS; nothing is left open after a failure.
// Requires:   a limit in time from the caller.
// Threads:    one loop's own. Lifetime: outlives its tasks.
// Source:     RFC 9110 section 9.3.6 (CONNECT), RFC 1928 (SOCKS5), RFC 1929 (its user and password).
#pragma once

#include <optional>

#include "net/dns/resolver.hpp"
#include "net/tls/client_context.hpp"
#include "probe/channel.hpp"
#include "probe/outcome.hpp"
#include "probe/way.hpp"

namespace co_wq::probe {

class connector {
public:
    // context: needed for https.
    connector(io::event_loop& loop, const way& how, const std::optional<net::tls::client_context>& context);

    // All the way to the target.
    task<outcome> open(channel& into);
    // To the proxy, or to the target if there is none: a TCP connection on which nothing was said.
    task<outcome> open_first_hop(channel& into);
    // What begins a tunnel: CONNECT's head, or SOCKS5's greeting.
    std::string tunnel_request() const;
    // Reads the answer to a CONNECT that was sent.
    task<outcome> connect_answer(channel& into);

    const probe::way& way() const noexcept { return way_; }

private:
    task<outcome> http_tunnel(channel& into);
    task<outcome> socks_tunnel(channel& into);
    task<outcome> socks_methods(channel& into);
    task<result<void>> read_exactly(channel& from, bytes into);
    task<outcome> secure(channel& into);
    std::string socks_request(const std::optional<io::socket_address>& address) const;

    io::event_loop& loop_;
    const probe::way& way_;
    const std::optional<net::tls::client_context>& context_;
    net::dns::resolver names_;
};

}  // namespace co_wq::probe
