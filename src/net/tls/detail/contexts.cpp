#include "net/tls/detail/contexts.hpp"

#include "net/tls/errors.hpp"

namespace co_wq::net::tls::detail {
namespace {

int number_of(version which, transport over) noexcept {
    if (over == transport::datagrams) return DTLS1_2_VERSION;
    return which == version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

const SSL_METHOD* method_of(transport over, bool server) noexcept {
    if (over == transport::datagrams) return server ? DTLS_server_method() : DTLS_client_method();
    return server ? TLS_server_method() : TLS_client_method();
}

}  // namespace

result<ctx_ptr> make_context(const common_settings& wanted, bool server) {
    ERR_clear_error();
    ctx_ptr made(SSL_CTX_new(method_of(wanted.over, server)));
    if (!made) return fail(take_error(errc::out_of_memory));
    SSL_CTX* const context = made.get();
    SSL_CTX_set_security_level(context, 2);
    if (SSL_CTX_set_min_proto_version(context, number_of(wanted.minimum, wanted.over)) != 1 ||
        SSL_CTX_set_max_proto_version(context, number_of(wanted.maximum, wanted.over)) != 1)
        return fail(take_error(errc::not_supported));
    // the system's configuration may have set this one: an end that the peer did not announce must not look like one
    SSL_CTX_clear_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT |
                                       SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    if (server) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_quiet_shutdown(context, 0);
    if (wanted.over == transport::streams) {
        // each record that is no data comes back to us, so that a flood of them cannot keep the loop
        SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
        // One call for a record and the next one's first bytes. OpenSSL's own size of buffer is the best: it has room
        // for little more than a record, and what is left over is moved to the front each time.
        SSL_CTX_set_read_ahead(context, 1);
    }
    if (wanted.ciphers && !wanted.ciphers->empty() && SSL_CTX_set_cipher_list(context, wanted.ciphers->c_str()) != 1) {
        ERR_clear_error();
        return fail(errc::invalid_argument);
    }
    return made;
}

result<std::string> alpn_wire(const std::vector<std::string>& names) {
    std::string wire;
    for (const std::string& name : names) {
        if (name.empty() || name.size() > 255) return fail(errc::invalid_argument);
        wire += static_cast<char>(name.size());
        wire += name;
    }
    if (wire.size() > 65535) return fail(errc::invalid_argument);
    return wire;
}

}  // namespace co_wq::net::tls::detail
