#include "net/tls/dtls.hpp"

#include "net/tls/detail/dtls_endpoint.hpp"

namespace co_wq::net::tls {

using detail::dtls_association;

dtls_session& dtls_session::operator=(dtls_session&& other) noexcept {
    if (this != &other) {
        close();
        association_ = std::move(other.association_);
    }
    return *this;
}

task<result<dtls_message>> dtls_session::recv(bytes into) const {
    CO_WQ_REQUIRE(association_, "the session is open");
    return dtls_association::recv(association_, into);
}

task<result<void>> dtls_session::send(const_bytes data) const {
    CO_WQ_REQUIRE(association_, "the session is open");
    return dtls_association::send(association_, data);
}

void dtls_session::close() noexcept {
    if (const auto last = std::exchange(association_, nullptr)) last->close();
}

std::size_t dtls_session::payload_max() const noexcept { return association_->engine().payload_max(); }

const io::socket_address& dtls_session::peer_address() const noexcept { return association_->peer(); }

result<io::socket_address> dtls_session::local_address() const noexcept {
    return association_->endpoint().socket().local_address();
}

std::string dtls_session::protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(association_->engine().native(), &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
}

std::string dtls_session::cipher() const {
    const char* const name = SSL_get_cipher_name(association_->engine().native());
    return name ? name : "";
}

result<certificate> dtls_session::peer_certificate() const {
    const X509* const shown = SSL_get0_peer_certificate(association_->engine().native());
    if (!shown) return fail(errc::not_found);
    return certificate::from_native(shown);
}

bool dtls_session::resumed() const noexcept { return association_->engine().resumed(); }

dtls_counters dtls_session::counters() const noexcept { return association_->counters(); }

task<result<dtls_session>> dtls_connect(io::event_loop& loop, io::socket_address where, client_context context,
                                        std::string host, dtls_options options) {
    if (context.over() != transport::datagrams || !detail::check_options(options))
        co_return fail(errc::invalid_argument);
    result<udp_socket> socket = udp_socket::connect_to(loop, where);
    if (!socket) co_return std::unexpected(socket.error());
    const result<ssl_st*> opened = context.open(host, host + " " + where.text());
    if (!opened) co_return std::unexpected(opened.error());
    detail::ssl_ptr connection(*opened);
    const auto endpoint = std::make_shared<detail::dtls_client>(std::move(*socket), options);
    dtls_session made(std::make_shared<dtls_association>(endpoint, where, std::move(connection), options));
    endpoint->serve(*made.association_);
    endpoint->start();
    const result<void> shaken = co_await dtls_association::shake_hands(made.association_);
    if (!shaken) co_return std::unexpected(shaken.error());
    co_return made;
}

}  // namespace co_wq::net::tls
