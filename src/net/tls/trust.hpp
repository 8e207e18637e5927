// trust: whose signatures are believed, and which certificates are revoked.
//
// For:        what client contexts check servers against, and servers their clients.
// Guarantees: everything is read when it is made: no file is touched by a handshake. Cheap to copy: copies share, so
//             add to it before it is given to a context.
// Files:      reading them blocks for as long as the disk does: at start, or on a thread_pool.
// Threads:    made on one; once given to contexts, any thread's handshakes may use it.
// Errors:     certificate_invalid: what is there cannot be read. not_found: no certificate there, or no file.
//
//   auto house = net::tls::trust::from_file("/etc/app/ca.pem");
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct x509_store_st;

namespace co_wq::net::tls {

class trust {
public:
    // Believes nobody yet.
    trust();

    // The system's: the file that SSL_CERT_FILE names, else where distributions keep theirs. Windows: what its store
    // ROOT has for servers, of the user and of the machine; not what it would fetch when first needed.
    static result<trust> system();
    // All certificates of a text or file in PEM.
    static result<trust> from_pem(std::string_view text);
    static result<trust> from_file(const std::string& path);

    result<void> add_pem(std::string_view text);
    // Revocation lists (RFC 5280 section 5) in PEM. From then on a peer's own certificate needs a list of its issuer's
    // that is not out of date.
    result<void> add_revoked_pem(std::string_view text);

    // How many certificates were added.
    std::size_t size() const noexcept;
    x509_store_st* native() const noexcept;

private:
    void add_der(std::string_view one);

    struct content;
    std::shared_ptr<content> content_;
};

}  // namespace co_wq::net::tls
