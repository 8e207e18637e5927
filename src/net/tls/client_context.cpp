#include "net/tls/client_context.hpp"

#include "io/socket_address.hpp"
#include "net/tls/detail/contexts.hpp"
#include "net/tls/detail/session_cache.hpp"
#include "net/tls/errors.hpp"

namespace co_wq::net::tls {
namespace {

using cache_pointer = std::shared_ptr<detail::session_cache>;

// Where a connection's sessions belong.
struct session_key {
    std::string text;
};

// OpenSSL has a session that may be resumed later; during a read, in TLS 1.3. 1: it is ours now.
int keep_session(SSL* connection, SSL_SESSION* session) noexcept {
    const auto* key = detail::owned_data<session_key>::of(connection);
    const auto* cache = detail::owned_data<cache_pointer>::of(SSL_get_SSL_CTX(connection));
    if (!key || !cache) return 0;
    try {
        (*cache)->put(key->text, detail::session_ptr(session));
        return 1;
    } catch (const std::bad_alloc&) {
        return 1;  // put has freed it
    }
}

bool is_host_name(std::string_view host) noexcept {
    if (host.empty() || host.size() > 253) return false;
    // OpenSSL takes one that begins with a dot for every name below it
    if (host.front() == '.' || host.back() == '.' || host.find("..") != host.npos) return false;
    for (const char c : host) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == '_';
        if (!good) return false;
    }
    return true;
}

// What the certificate must be for.
result<void> expect_host(SSL* connection, std::string host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(connection);
    if (io::socket_address::parse(host, 0)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1) return fail(detail::take_error(errc::other));
        return {};
    }
    if (host.ends_with('.')) host.pop_back();
    if (!is_host_name(host)) return fail(errc::invalid_argument);
    // names stand in the alternative names and nowhere else (RFC 9525 section 6.3)
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) != 1 ||
        SSL_set_tlsext_host_name(connection, host.c_str()) != 1)
        return fail(detail::take_error(errc::out_of_memory));
    return {};
}

}  // namespace

struct client_context::content {
    detail::ctx_ptr native;
    cache_pointer cache;
    bool verifies = true;
    bool remembers = false;
    transport over = transport::streams;
};

result<client_context> client_context::make(client_options options) {
    result<detail::ctx_ptr> native = detail::make_context(
        {.over = options.over, .minimum = options.minimum, .maximum = options.maximum, .ciphers = &options.ciphers},
        false);
    if (!native) return std::unexpected(native.error());
    SSL_CTX* const context = native->get();
    auto made = std::make_shared<content>();
    made->over = options.over;
    made->verifies = !options.without_verification;
    if (made->verifies) {
        if (!options.trusted) {
            result<trust> systems = trust::system();
            if (!systems) return std::unexpected(systems.error());
            options.trusted = std::move(*systems);
        }
        SSL_CTX_set1_cert_store(context, options.trusted->native());
    }
    SSL_CTX_set_verify(context, made->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    const result<std::string> wire = detail::alpn_wire(options.alpn);
    if (!wire) return std::unexpected(wire.error());
    if (!wire->empty() && SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(wire->data()),
                                                  static_cast<unsigned>(wire->size())) != 0)
        return fail(errc::out_of_memory);
    made->cache = std::make_shared<detail::session_cache>(options.sessions_max);
    made->remembers = options.sessions_max > 0;
    if (made->remembers) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, &keep_session);
        if (!detail::owned_data<cache_pointer>::give(context, std::make_unique<cache_pointer>(made->cache)))
            return fail(errc::out_of_memory);
    } else {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    }
    if (options.own) {
        const result<void> put = options.own->put_into_all(context);
        if (!put) return std::unexpected(put.error());
    }
    made->native = std::move(*native);
    return client_context(std::move(made));
}

transport client_context::over() const noexcept { return content_->over; }
std::size_t client_context::sessions() const { return content_->cache->size(); }
void client_context::forget_sessions() { content_->cache->clear(); }

result<ssl_st*> client_context::open(std::string_view host, std::string_view key) const {
    ERR_clear_error();
    detail::ssl_ptr made(SSL_new(content_->native.get()));
    if (!made) return fail(detail::take_error(errc::out_of_memory));
    if (!host.empty() || content_->verifies) {
        const result<void> expected = expect_host(made.get(), std::string(host));
        if (!expected) return std::unexpected(expected.error());
    }
    if (content_->remembers && !key.empty()) {
        auto own_key = std::make_unique<session_key>();
        own_key->text = key;
        if (!detail::owned_data<session_key>::give(made.get(), std::move(own_key))) return fail(errc::out_of_memory);
        if (const detail::session_ptr known = content_->cache->take(std::string(key)))
            (void)SSL_set_session(made.get(), known.get());
    }
    SSL_set_connect_state(made.get());
    return made.release();
}

}  // namespace co_wq::net::tls
