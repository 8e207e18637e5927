// What a session learns before its client's first request: from whom the connection is, and that it is secured.
#include <algorithm>

#include "net/tls/errors.hpp"
#include "proxy/session.hpp"
#include "proxy/socks/gather.hpp"
#include "sync/deadline.hpp"
#include "sync/with_scope.hpp"

namespace co_wq::proxy {

io::socket_address session::client_address() const {
    if (introduced_as_ && introduced_as_->source.family() != io::address_family::none) return introduced_as_->source;
    return client_.peer_address().value_or(io::socket_address{});
}

// A trusted source says first who its client is. Who else says that is seen as what it is when HTTP looks at it.
task<bool> session::read_proxy_header() {
    const result<io::socket_address> peer = client_.peer_address();
    if (!peer) co_return false;
    const auto& trusted = server_.group().chosen().proxy_protocol_from;
    const bool expected = std::any_of(trusted.begin(), trusted.end(),
                                      [&](const socks::address_block& each) { return each.contains(*peer); });
    if (!expected) co_return true;
    introduced_as_ = std::make_unique<socks::proxy_header>();
    std::string have;
    time_point deadline = server_.loop().now() + server_.limit().header_timeout;
    for (;;) {
        const_bytes left = input_.data();
        const socks::step now = socks::gather(
            have, left, [&](const_bytes so_far) { return socks::parse_proxy_header(so_far, *introduced_as_); });
        input_.consume(input_.size() - left.size());
        if (now.what == socks::progress::done) co_return true;
        if (now.what == socks::progress::wrong) {
            ++server_.count().refused;
            log::warn("{} is trusted to send a PROXY header and does not: {}", peer->text(), introduced_as_->why);
            co_return false;
        }
        const bool more = co_await fill_input_idly(deadline);
        if (!more) co_return false;
    }
}

// TLS comes behind the PROXY header and before everything else. Who has shown a certificate is a user.
task<bool> session::secure(net::tls::server_context context) {
    const io::socket_address client = client_address();
    server_.enter_idle(*this);
    result<net::tls::stream> made = co_await with_scope(idle_scope_, shake_hands(std::move(context)));
    list_hook<session>::unlink();
    const auto shown = made ? made->peer_certificate() : std::nullopt;
    // a session that goes on from an earlier connection is not asked for the date again
    const bool expired = shown && shown->not_after() < std::chrono::system_clock::now();
    if (!made || expired) {
        if (!made && made.error() == errc::stopped) co_return false;  // our own end
        ++server_.count().tls_failures;
        const std::string why = net::tls::explain(made ? error(errc::certificate_expired) : made.error());
        // anybody can make many of them
        log::at(server_.may_complain() ? log::level::info : log::level::debug, "{}: TLS: {}", client.text(), why);
        co_return false;
    }
    ++server_.count().tls_handshakes;
    if (shown) admission_.set_certified(shown->common_name());
    client_ = net::tls::connection(std::move(*made));
    co_return true;
}

task<result<net::tls::stream>> session::shake_hands(net::tls::server_context context) {
    std::vector<std::byte> received(input_.data().begin(), input_.data().end());  // behind a PROXY header
    input_.reset();
    result<net::tls::stream> made = co_await with_timeout(
        header_wait(), net::tls::accept(client_.take_tcp(), std::move(context), std::move(received)));
    co_return made;
}

// Where the client arrived, as it sees it.
result<io::socket_address> session::arrived_at() const {
    if (introduced_as_ && introduced_as_->destination.family() != io::address_family::none)
        return introduced_as_->destination;
    return client_.local_address();
}

}  // namespace co_wq::proxy
