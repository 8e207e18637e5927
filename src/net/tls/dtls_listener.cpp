#include "net/tls/dtls_listener.hpp"

#include "net/tls/detail/dtls_server.hpp"

namespace co_wq::net::tls {

using detail::association_ptr;
using detail::dtls_server;

dtls_listener& dtls_listener::operator=(dtls_listener&& other) noexcept {
    if (this != &other) {
        close();
        server_ = std::move(other.server_);
    }
    return *this;
}

result<dtls_listener> dtls_listener::bind(io::event_loop& loop, const io::socket_address& where, server_context context,
                                          dtls_listener_options options) {
    const bool good = context.over() == transport::datagrams && detail::check_options(options) &&
                      options.sessions_max > 0 && options.half_open_max > 0 && options.backlog_max > 0 &&
                      options.handshake_limit > duration::zero();
    if (!good) return fail(errc::invalid_argument);
    result<udp_socket> socket = udp_socket::bind(loop, where, {.share_address = options.share_port});
    if (!socket) return std::unexpected(socket.error());
    auto server = std::make_shared<dtls_server>(std::move(*socket), std::move(context), options);
    server->start();
    return dtls_listener(std::move(server));
}

task<result<dtls_session>> dtls_listener::accept() const {
    CO_WQ_REQUIRE(server_, "the listener is open");
    struct local {
        static task<result<dtls_session>> accept(std::shared_ptr<dtls_server> server) {
            result<association_ptr> came = co_await dtls_server::accept(std::move(server));
            if (!came) co_return std::unexpected(came.error());
            co_return dtls_session(std::move(*came));
        }
    };
    return local::accept(server_);
}

void dtls_listener::close() noexcept {
    if (const auto last = std::exchange(server_, nullptr)) last->close();
}

result<io::socket_address> dtls_listener::local_address() const noexcept { return server_->socket().local_address(); }

dtls_listener_counters dtls_listener::counters() const noexcept { return server_->counters(); }

}  // namespace co_wq::net::tls
