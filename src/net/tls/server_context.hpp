// server_context: how servers answer: which certificate for which name, whom they let in.
//
// Guarantees: reload changes all at once: handshakes that begin afterwards get the new, what runs goes on. A reload
//             that fails changes nothing. Tickets sealed before a reload still resume, unless clients are asked for
//             certificates: who is let in is then asked anew. Versions from TLS 1.2, security level 2, no compression,
//             no renegotiation, no early data.
// Threads:    any: all loops of a program may share one. Cheap to copy: copies are the same one, reloads included.
// Lifetime:   connections keep what they need of it.
// Errors:     invalid_argument: no identity, a bad ALPN name or cipher list. certificate_weak, key_mismatch:
//             an identity that cannot be used. Not_found: client certificates are asked for and nobody is trusted.
//
//   auto context = net::tls::server_context::make({.identities = {*mine}, .alpn = {"h2", "http/1.1"}});
//   if (auto now = context->reload({.identities = {*renewed}}); !now) log::error("{}", net::tls::explain(now.error()));
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "net/tls/identity.hpp"
#include "net/tls/trust.hpp"
#include "net/tls/versions.hpp"

struct ssl_st;

namespace co_wq::net::tls {

enum class client_certificates : std::uint8_t {
    none,  // not asked for
    optional,  // may be absent; one that is shown must be good
    required,
};

struct server_options {
    // By the names in them; a name itself goes before a wildcard. Several may have one name, with different kinds of
    // keys. The first is for clients that name nobody we know.
    std::vector<identity> identities{};
    // Clients that name a host we do not know are refused.
    bool known_names_only = false;
    // Application protocols in the order of our preference. A client that offers only others is refused; one that
    // offers none is not.
    std::vector<std::string> alpn{};
    client_certificates ask = client_certificates::none;
    // Whom client certificates must come from; has to be given when they are asked for.
    std::optional<trust> client_trust{};
    version minimum = version::tls_1_2, maximum = version::tls_1_3;
    std::string ciphers{};  // of TLS 1.2, as ciphers(1) has it; empty: OpenSSL's
    // Tickets a client can resume with; each lives at most twice as long as their keys seal.
    bool tickets = true;
    // Fixed by make; a reload keeps it, and the keys.
    duration ticket_keys_lifetime = std::chrono::hours(12);
    // Fixed by make.
    transport over = transport::streams;
};

class server_context {
public:
    static result<server_context> make(server_options options);

    result<void> reload(server_options options);
    // No ticket from before resumes any more.
    void forget_sessions() noexcept;

    transport over() const noexcept;
    // A connection that is to be accepted, by what is current now. The caller owns it (SSL_free).
    result<ssl_st*> open() const;

private:
    struct content;
    explicit server_context(std::shared_ptr<content> of) noexcept : content_(std::move(of)) {}
    std::shared_ptr<content> content_;
};

}  // namespace co_wq::net::tls
