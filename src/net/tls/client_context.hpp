// client_context: how clients connect: whom they believe, what they offer, what they remember of servers.
//
// Guarantees: unless told otherwise a server's chain and name are verified, against the system's trust. Versions from
//             TLS 1.2, security level 2, no compression, no renegotiation, no early data.
// Threads:    made on one, used by any: all loops of a program may share one. Cheap to copy: copies are the same one.
// Lifetime:   connections keep what they need of it.
// Errors:     not_found: the system has no trust store. invalid_argument: a bad ALPN name or cipher list.
//
//   auto context = net::tls::client_context::make({.alpn = {"h2", "http/1.1"}});
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls/identity.hpp"
#include "net/tls/trust.hpp"
#include "net/tls/versions.hpp"

struct ssl_st;

namespace co_wq::net::tls {

struct client_options {
    // None: the system's.
    std::optional<trust> trusted{};
    // For servers that ask for a certificate.
    std::optional<identity> own{};
    // Application protocols, the preferred first (RFC 7301). None: not mentioned.
    std::vector<std::string> alpn{};
    version minimum = version::tls_1_2, maximum = version::tls_1_3;
    std::string ciphers{};  // of TLS 1.2, as ciphers(1) has it; empty: OpenSSL's
    // Anybody is believed, and the connection is safe from those who only listen.
    bool without_verification = false;
    // How many sessions are remembered for all servers together; 0: none.
    std::size_t sessions_max = 1024;
    transport over = transport::streams;
};

class client_context {
public:
    static result<client_context> make(client_options options = {});

    transport over() const noexcept;
    std::size_t sessions() const;
    void forget_sessions();

    // A connection that is to be to this host: its name or address is what the certificate must have, and a name is
    // told to the server (SNI). session_key: where sessions are remembered; empty: they are not. The caller owns it
    // (SSL_free). invalid_argument: an empty host without without_verification, or one that is none.
    result<ssl_st*> open(std::string_view host, std::string_view session_key) const;

private:
    struct content;
    explicit client_context(std::shared_ptr<const content> of) noexcept : content_(std::move(of)) {}
    std::shared_ptr<const content> content_;
};

}  // namespace co_wq::net::tls
