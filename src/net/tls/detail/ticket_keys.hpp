// ticket_keys: what a server seals its tickets with (RFC 5077 section 4).
//
// Guarantees: a key seals for one lifetime and opens for one more; then it is gone, and with it what was recorded of
//             connections that were resumed with its tickets (forward secrecy). Nothing is stored for a client.
// Threads:    any.
#pragma once

#include <array>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "net/tls/detail/openssl.hpp"

namespace co_wq::net::tls::detail {

class ticket_keys {
public:
    struct key {
        std::array<unsigned char, 16> name;
        std::array<unsigned char, 32> cipher;
        std::array<unsigned char, 32> digest;
        time_point made;
    };

    explicit ticket_keys(duration lifetime) noexcept : lifetime_(lifetime) {}
    ticket_keys(const ticket_keys&) = delete;
    ticket_keys& operator=(const ticket_keys&) = delete;
    ~ticket_keys() { forget(); }

    // The one to seal with; none: the system has no randomness.
    std::optional<key> current(time_point now) noexcept;
    struct found {
        key with;
        bool renew;  // an older one: the client should get a new ticket
    };
    std::optional<found> find(const unsigned char name[16], time_point now) noexcept;
    // No ticket from before opens any more.
    void forget() noexcept;

    // As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it.
    int seal_or_open(unsigned char name[16], unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* digest,
                     bool seal) noexcept;

private:
    bool rotate(time_point now) noexcept;  // with the lock
    static void wipe(std::optional<key>& one) noexcept;

    const duration lifetime_;
    std::mutex lock_;
    std::optional<key> newest_, older_;
};

}  // namespace co_wq::net::tls::detail
