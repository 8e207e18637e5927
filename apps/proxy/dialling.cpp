// How a session reaches an origin.
#include "proxy/dialling.hpp"

#include "proxy/exchange.hpp"
#include "proxy/session.hpp"
#include "proxy/upstream/path_finder.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"

namespace co_wq::proxy {

// The address that is checked is the one that is dialled, whatever the name says the next time.
address_filter session::admitted() {
    return [this](const io::socket_address& peer) { return admission_.may_dial(peer); };
}

// Connections that wait for their next use hold descriptors: a new one comes first. The kernel may take a moment to
// give them back.
task<result<net::tls::connection>> dial(proxy_server& server, request_note& note, const std::string& host,
                                        std::uint16_t port, const net::dns::connect_options& how) {
    constexpr int tries_max = 10;
    for (int tries = 0;; ++tries) {
        net::dns::connect_options once = how;
        result<net::dns::connected> made =
            co_await net::dns::connect_host(server.loop(), server.resolver(), host, port, std::move(once));
        const bool short_of_files = !made && made.error() == errc::too_many_files;
        if (!short_of_files || tries == tries_max || (tries == 0 && server.pool().size() == 0)) {
            server.seeing().reached(note, made);
            if (!made) co_return std::unexpected(made.error());
            co_return net::tls::connection(net::tcp_stream(std::move(made->socket)));
        }
        server.pool().clear();
        const result<void> slept = co_await sleep_for(std::chrono::milliseconds(tries));
        if (!slept) co_return std::unexpected(slept.error());
    }
}

task<result<net::tls::connection>> session::reach(const http::authority& where, address_filter may) {
    net::dns::connect_options how;
    how.allow = std::move(may);
    result<net::tls::connection> made =
        co_await with_timeout(server_.limit().connect_timeout, dial(server_, note_, where.host, where.port, how));
    co_return made;
}

task<result<net::tls::connection>> session::reach_for_tunnel(const http::authority& where, const chosen_way& way,
                                                             address_filter may) {
    result<net::tls::connection> made = fail(errc::other);
    behind_.reset();
    parent_ = upstream::hold();
    if (way.route) [[unlikely]] {
        made = co_await reach_by(way, where, std::move(may));
    } else {
        made = co_await reach(where, std::move(may));
    }
    const socks::proxy_header_version version = server_.group().chosen().send_proxy_protocol;
    if (!made || version == socks::proxy_header_version::none) co_return made;
    const result<io::socket_address> arrived = arrived_at();
    const std::string header =
        socks::write_proxy_header(version, client_address(), arrived.value_or(io::socket_address{}));
    const result<void> sent = co_await made->send_all(as_bytes(header));
    if (!sent) co_return std::unexpected(sent.error());
    co_return made;
}

task<result<net::tls::connection>> session::reach_by(const chosen_way& way, const http::authority& where,
                                                     address_filter may) {
    const upstream::wanted what(where, upstream::purpose::tunnel, way.by_address, way.needs_address);
    upstream::path_finder finder(server_, *way.rules, *way.route, note_, what, std::move(may));
    const result<void> found = co_await finder.find();
    why_not_ = finder.why();
    if (!found) co_return std::unexpected(found.error());
    upstream::path made = finder.take();
    behind_ = std::move(made.behind);
    parent_ = std::move(made.parent);
    co_return std::move(made.stream);
}

// As forward(), for requests that do not go plainly.
task<verdict> session::forward_by(const chosen_way& way, bool may_reuse) {
    const http::authority& where = request_.head().authority();
    for (;;) {
        const upstream::purpose purpose = may_reuse ? upstream::purpose::request : upstream::purpose::new_request;
        const upstream::wanted what(where, purpose, way.by_address, way.needs_address);
        upstream::path_finder finder(server_, *way.rules, *way.route, note_, what, admitted());
        const result<void> found = co_await finder.find();
        why_not_ = finder.why();
        if (!found) {
            const verdict refused = co_await refuse_connect(found.error(), where);
            co_return refused;
        }
        upstream::path path = finder.take();
        if (!path.behind.empty()) {
            const verdict refused = co_await refuse(502, "the origin spoke before it was asked", true);
            co_return refused;
        }
        const net::tls::connection none;
        if (may_reuse) note_pooled(path.reused ? path.stream : none);
        note_decision();
        next_hop hop;
        hop.is_proxy = path.to_proxy;
        if (path.to_proxy) hop.authorization = path.parent.get()->authorization();
        exchange one(*this, std::move(path.stream), path.reused, hop);
        const verdict next = co_await one.run();
        if (next == verdict::retry) {
            may_reuse = note_.pooled = false;
            continue;
        }
        if (one.origin_reusable() && !path.keep_as.empty()) server_.pool().give_back(path.keep_as, one.take_origin());
        if (next == verdict::become_tunnel) {
            tunnel_ = plan_tunnel(one.take_origin(), where, one.take_origin_input(), std::move(path.parent));
        }
        co_return next;
    }
}

task<verdict> session::refuse_connect(error why, const http::authority& where) {
    note_decision();
    std::uint16_t status = 502;
    if (why == errc::timed_out) status = 504;
    if (why == errc::too_many_files || why == errc::no_buffers || why == errc::out_of_memory) status = 503;
    if (why == errc::permission_denied) status = 403;
    if (why == errc::stopped) {
        note_.down = note_.client_gone ? ended::reset : ended::shutdown;
        co_return verdict::reset;
    }
    std::string detail = std::exchange(why_not_, {});  // the next request may go plainly
    const refusal denial = why == errc::permission_denied && detail.empty() ? admission_.denial() : refusal();
    if (detail.empty()) detail = name_of(where) + ": " + why.message();
    if (denial) {
        note_decision();
        status = denial.status();
        detail = denial.detail();
    }
    const verdict refused = co_await refuse(status, detail, true);
    co_return refused;
}

}  // namespace co_wq::proxy
