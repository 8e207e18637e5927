#include "net/tls/server_context.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

#include "net/tls/detail/contexts.hpp"
#include "net/tls/detail/dtls_engine.hpp"
#include "net/tls/detail/ticket_keys.hpp"
#include "net/tls/errors.hpp"

namespace co_wq::net::tls {
namespace {

using keys_pointer = std::shared_ptr<detail::ticket_keys>;

// What a handshake looks at; owned by OpenSSL's context, unchanged from then on.
struct snapshot {
    std::vector<identity> identities;
    std::map<std::string, std::vector<std::size_t>, std::less<>> exact, wildcard;  // "*.example.net" as "example.net"
    bool known_names_only = false;
    std::string alpn;  // as on the wire
    keys_pointer keys;

    void learn_names();
    const std::vector<std::size_t>* find(std::string_view name) const;
};

void snapshot::learn_names() {
    for (std::size_t i = 0; i < identities.size(); ++i) {
        for (const std::string& name : identities[i].leaf().dns_names()) {
            const bool any = name.starts_with("*.");
            auto& of_name = any ? wildcard[name.substr(2)] : exact[name];
            of_name.push_back(i);
        }
    }
}

const std::vector<std::size_t>* snapshot::find(std::string_view name) const {
    if (const auto found = exact.find(name); found != exact.end()) return &found->second;
    const std::size_t dot = name.find('.');
    if (dot == name.npos || dot == 0) return nullptr;
    const auto found = wildcard.find(name.substr(dot + 1));
    return found == wildcard.end() ? nullptr : &found->second;
}

std::string name_asked_for(const SSL* connection) {
    const char* const given = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    std::string name = given ? given : "";
    if (name.ends_with('.')) name.pop_back();
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return name;
}

const snapshot& snapshot_of(const SSL* connection) {
    return *detail::owned_data<snapshot>::of(SSL_get_SSL_CTX(connection));
}

// Called early in a handshake: the client's hello has been read, no certificate chosen yet.
int choose_certificate(SSL* connection, void*) noexcept {
    const snapshot& now = snapshot_of(connection);
    const std::vector<std::size_t>* chosen = now.find(name_asked_for(connection));
    static const std::vector<std::size_t> first{0};
    if (!chosen) chosen = &first;
    SSL_certs_clear(connection);
    for (const std::size_t index : *chosen)
        if (!now.identities[index].put_into(connection)) return 0;
    return 1;
}

int check_name(SSL* connection, int* alert, void*) noexcept {
    const snapshot& now = snapshot_of(connection);
    const std::string name = name_asked_for(connection);
    if (now.known_names_only && !name.empty() && !now.find(name)) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL* connection, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) noexcept {
    const std::string& ours = snapshot_of(connection).alpn;
    unsigned char* chosen = nullptr;
    const int found = SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                            static_cast<unsigned>(ours.size()), offered, offered_size);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int use_ticket_key(SSL* connection, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* digest,
                   int seal) noexcept {
    const int done = snapshot_of(connection).keys->seal_or_open(name, iv, cipher, digest, seal != 0);
    // a ticket of TLS 1.3 is used once: who resumes gets another
    return done == 1 && seal == 0 && SSL_version(connection) == TLS1_3_VERSION ? 2 : done;
}

result<void> ask_for_certificates(SSL_CTX* context, const server_options& options) {
    if (options.ask == client_certificates::none) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
        return {};
    }
    if (!options.client_trust || options.client_trust->size() == 0) return fail(errc::not_found);
    SSL_CTX_set1_cert_store(context, options.client_trust->native());
    const int must = options.ask == client_certificates::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | must, nullptr);
    // whom we believe, so that clients with several certificates can choose
    const STACK_OF(X509_OBJECT)* const known = X509_STORE_get0_objects(options.client_trust->native());
    for (int i = 0; i < sk_X509_OBJECT_num(known); ++i) {
        X509* const one = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, i));
        if (one && SSL_CTX_add_client_CA(context, one) != 1) return fail(errc::out_of_memory);
    }
    return {};
}

result<void> use_tickets(SSL_CTX* context, const server_options& options) {
    // of connections whose client was asked for a certificate only those of this very configuration can go on
    static std::atomic<std::uint64_t> configurations{0};
    const std::uint64_t number = options.ask == client_certificates::none ? 0 : ++configurations;
    unsigned char id[sizeof number];
    std::memcpy(id, &number, sizeof number);
    if (SSL_CTX_set_session_id_context(context, id, sizeof id) != 1) return fail(errc::out_of_memory);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!options.tickets) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        return {};
    }
    if (SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &use_ticket_key) != 1) return fail(errc::not_supported);
    return {};
}

// Every identity works at this security level: told now, and not by the first client.
result<void> try_identities(SSL_CTX* context, const std::vector<identity>& all) {
    for (const identity& one : all) {
        const detail::ssl_ptr probe(SSL_new(context));
        if (!probe) return fail(errc::out_of_memory);
        const result<void> put = one.put_into(probe.get());
        if (!put) return put;
    }
    return {};
}

result<detail::ctx_ptr> make_native(server_options options, const keys_pointer& keys, transport over) {
    if (options.identities.empty()) return fail(errc::invalid_argument);
    result<detail::ctx_ptr> made = detail::make_context(
        {.over = over, .minimum = options.minimum, .maximum = options.maximum, .ciphers = &options.ciphers}, true);
    if (!made) return made;
    SSL_CTX* const context = made->get();
    result<void> done = try_identities(context, options.identities);
    if (done) done = ask_for_certificates(context, options);
    if (done) done = use_tickets(context, options);
    if (!done) return std::unexpected(done.error());
    result<std::string> wire = detail::alpn_wire(options.alpn);
    if (!wire) return std::unexpected(wire.error());
    if (!wire->empty()) SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
    SSL_CTX_set_tlsext_servername_callback(context, &check_name);
    SSL_CTX_set_cert_cb(context, &choose_certificate, nullptr);
    if (over == transport::datagrams) {
        detail::dtls_engine::take_cookies(context);
        // how much memory a message of a client's may ask for; only certificates are ever long
        if (options.ask == client_certificates::none) SSL_CTX_set_max_cert_list(context, 16 * 1024);
    }
    auto kept = std::make_unique<snapshot>();
    kept->identities = std::move(options.identities);
    kept->known_names_only = options.known_names_only;
    kept->alpn = std::move(*wire);
    kept->keys = keys;
    kept->learn_names();
    if (!detail::owned_data<snapshot>::give(context, std::move(kept))) return fail(errc::out_of_memory);
    return made;
}

}  // namespace

struct server_context::content {
    content(transport way, duration lifetime) : over(way), keys(std::make_shared<detail::ticket_keys>(lifetime)) {}
    const transport over;
    const keys_pointer keys;
    mutable std::mutex lock;
    detail::ctx_ptr current;
};

result<server_context> server_context::make(server_options options) {
    if (options.ticket_keys_lifetime <= duration::zero()) return fail(errc::invalid_argument);
    server_context made(std::make_shared<content>(options.over, options.ticket_keys_lifetime));
    const result<void> loaded = made.reload(std::move(options));
    if (!loaded) return std::unexpected(loaded.error());
    return made;
}

result<void> server_context::reload(server_options options) {
    result<detail::ctx_ptr> fresh = make_native(std::move(options), content_->keys, content_->over);
    if (!fresh) return std::unexpected(fresh.error());
    const std::scoped_lock guard(content_->lock);
    content_->current.swap(*fresh);
    return {};
}

void server_context::forget_sessions() noexcept { content_->keys->forget(); }

transport server_context::over() const noexcept { return content_->over; }

result<ssl_st*> server_context::open() const {
    ERR_clear_error();
    const std::scoped_lock guard(content_->lock);
    detail::ssl_ptr made(SSL_new(content_->current.get()));
    if (!made) return fail(detail::take_error(errc::out_of_memory));
    SSL_set_accept_state(made.get());
    return made.release();
}

}  // namespace co_wq::net::tls
