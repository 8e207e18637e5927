#include "net/tls/stream.hpp"

#include "net/tls/detail/session.hpp"
#include "net/tls/errors.hpp"

namespace co_wq::net::tls {

stream::stream() noexcept = default;
stream::stream(stream&& other) noexcept = default;
stream& stream::operator=(stream&& other) noexcept = default;
stream::~stream() = default;
stream::stream(std::unique_ptr<detail::session> of) noexcept : session_(std::move(of)) {}

detail::session& stream::opened() const noexcept {
    CO_WQ_REQUIRE(session_, "the stream is open");
    return *session_;
}

io::event_loop& stream::loop() const noexcept { return opened().socket().loop(); }

result<void> stream::shutdown_send() const noexcept { return opened().end_sending(); }

void stream::close() noexcept {
    if (!session_) return;
    session_->say_goodbye();
    session_.reset();
}

void stream::reset() noexcept {
    if (!session_) return;
    session_->socket().reset();
    session_.reset();
}

result<void> stream::update_keys(bool peers_too) const noexcept { return opened().update_keys(peers_too); }
void stream::set_rekey_after(std::uint64_t records) const noexcept { opened().set_rekey_after(records); }

version stream::protocol() const noexcept {
    return SSL_version(opened().native()) >= TLS1_3_VERSION ? version::tls_1_3 : version::tls_1_2;
}

std::string_view stream::cipher() const noexcept {
    const char* const name = SSL_CIPHER_get_name(SSL_get_current_cipher(opened().native()));
    return name ? name : "";
}

std::string_view stream::alpn() const noexcept {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(opened().native(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

std::string_view stream::server_name() const noexcept {
    const char* const name = SSL_get_servername(opened().native(), TLSEXT_NAMETYPE_host_name);
    return name ? name : "";
}

bool stream::resumed() const noexcept { return SSL_session_reused(opened().native()) == 1; }

std::optional<certificate> stream::peer_certificate() const {
    const X509* const shown = SSL_get0_peer_certificate(opened().native());
    if (!shown) return std::nullopt;
    result<certificate> read = certificate::from_native(shown);
    if (!read) return std::nullopt;
    return std::move(*read);
}

result<void> stream::export_key(std::string_view label, const_bytes context, bytes into) const noexcept {
    ERR_clear_error();
    const int done = SSL_export_keying_material(
        opened().native(), reinterpret_cast<unsigned char*>(into.data()), into.size(), label.data(), label.size(),
        reinterpret_cast<const unsigned char*>(context.data()), context.size(), 1);
    if (done != 1) return fail(detail::take_error(errc::other));
    return {};
}

result<io::socket_address> stream::local_address() const noexcept { return opened().socket().local_address(); }
result<io::socket_address> stream::peer_address() const noexcept { return opened().socket().peer_address(); }

namespace {

// A handshake that fails has told the peer why, by an alert; closing must not take it back.
task<result<void>> shake_hands(detail::session& with) {
    const result<void> shaken = co_await detail::handshake_awaiter(with);
    if (shaken || shaken.error() == errc::stopped || shaken.error() == errc::timed_out ||
        shaken.error() == errc::closed)
        co_return shaken;
    (void)with.socket().shutdown_send();
    with.drop_unread();
    co_return shaken;
}

std::string key_for(const socket_stream& transport, const std::string& host, const connect_options& options) {
    // a session is as good as the host that was verified for it, so it stands for no other
    if (!options.session_key.empty()) return host + '\n' + options.session_key;
    const result<io::socket_address> peer = transport.peer_address();
    if (!peer || host.empty()) return {};
    const bool local = peer->family() == io::address_family::local;
    return host + (local ? peer->text() : ":" + std::to_string(peer->port()));
}

}  // namespace

task<result<stream>> connect(socket_stream transport, client_context context, std::string host,
                             connect_options options) {
    CO_WQ_REQUIRE(context.over() == tls::transport::streams, "a context for streams is used for streams");
    socket_stream held = std::move(transport);  // closed when this ends, and not when the frame goes
    result<ssl_st*> opened = context.open(host, key_for(held, host, options));
    if (!opened) co_return std::unexpected(opened.error());
    auto made = std::make_unique<detail::session>(std::move(held.socket()), *opened, std::vector<std::byte>());
    const result<void> shaken = co_await shake_hands(*made);
    if (!shaken) co_return std::unexpected(shaken.error());
    stream ready(std::move(made));
    if (options.alpn_required && ready.alpn().empty()) co_return fail(errc::no_common_protocol);
    co_return ready;
}

task<result<stream>> connect(socket_stream transport, client_context context, std::string host) {
    return connect(std::move(transport), std::move(context), std::move(host), connect_options());
}

task<result<stream>> accept(socket_stream transport, server_context context, std::vector<std::byte> received) {
    CO_WQ_REQUIRE(context.over() == tls::transport::streams, "a context for streams is used for streams");
    socket_stream held = std::move(transport);  // closed when this ends, and not when the frame goes
    const result<ssl_st*> opened = context.open();
    if (!opened) co_return std::unexpected(opened.error());
    auto made = std::make_unique<detail::session>(std::move(held.socket()), *opened, std::move(received));
    const result<void> shaken = co_await shake_hands(*made);
    if (!shaken) co_return std::unexpected(shaken.error());
    co_return stream(std::move(made));
}

task<result<stream>> accept(socket_stream transport, server_context context) {
    return accept(std::move(transport), std::move(context), std::vector<std::byte>());
}

}  // namespace co_wq::net::tls
