// identity: a certificate with what belongs to it to show it: the chain up to its issuer, and the private key.
//
// For:        servers, and clients that show a certificate.
// Guarantees: the key belongs to the certificate. Cheap to copy: copies share.
// Files:      reading them blocks for as long as the disk does: at start, or on a thread_pool.
// Threads:    a value that any thread may read.
// Errors:     certificate_invalid: no certificate there, or a broken one. bad_message: the same of the key.
//             key_mismatch, key_locked, key_exposed. not_found, permission_denied: the file.
//
//   auto mine = net::tls::identity::from_files("/etc/app/chain.pem", "/etc/app/key.pem");
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/tls/certificate.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace co_wq::net::tls {

struct key_options {
    std::string passphrase{};
    // A key that others than its owner and its group may read or replace is refused, unless this is set. (Windows: a
    // key whose rights let users at large do so.)
    bool allow_exposed = false;
};

class identity {
public:
    // chain: the certificate itself first, then those of its issuers, without the root. All in PEM; the private key
    // may stand in the same text.
    static result<identity> from_pem(std::string_view chain, std::string_view key, std::string_view passphrase = {});
    static result<identity> from_files(const std::string& chain_path, const std::string& key_path,
                                       key_options options = {});

    const certificate& leaf() const noexcept;
    // Makes a connection show it. Of several with different kinds of keys the peer's abilities decide.
    result<void> put_into(ssl_st* connection) const noexcept;
    // All connections of a context.
    result<void> put_into_all(ssl_ctx_st* context) const noexcept;

private:
    struct content;
    explicit identity(std::shared_ptr<const content> of) noexcept : content_(std::move(of)) {}
    std::shared_ptr<const content> content_;
};

// A whole file, for what the others read: not_found, permission_denied, limit_exceeded (more than 8 MiB).
result<std::string> read_file(const std::string& path);

}  // namespace co_wq::net::tls
