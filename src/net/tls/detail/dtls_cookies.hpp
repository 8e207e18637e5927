// cookie_secrets: cookies that prove a client is where it says it is, without remembering it.
//
// Guarantees: a cookie is good for its client's address and hello, for one lifetime of a secret and at most two.
// Threads:    one. Time: told.
// Source:     RFC 6347 section 4.2.1; HMAC-SHA-256, cut to 24 bytes.
#pragma once

#include "base/clock.hpp"
#include "io/socket_address.hpp"
#include "net/tls/detail/dtls_records.hpp"

namespace co_wq::net::tls::detail {

class cookie_secrets {
public:
    cookie_secrets() = default;
    cookie_secrets(const cookie_secrets&) = delete;
    cookie_secrets& operator=(const cookie_secrets&) = delete;
    ~cookie_secrets();

    // None: the system has no randomness.
    std::optional<cookie> make(const io::socket_address& client, const client_hello& hello, time_point now) noexcept;
    bool good(const io::socket_address& client, const client_hello& hello, time_point now) noexcept;

    static constexpr duration lifetime = std::chrono::seconds(60);

private:
    using secret = std::array<unsigned char, 32>;
    bool rotate(time_point now) noexcept;
    static bool seal(const secret& with, const io::socket_address& client, const client_hello& hello,
                     cookie& out) noexcept;

    secret newest_{}, older_{};
    time_point made_{};
    int secrets_ = 0;  // 0, 1 or 2 of them
};

}  // namespace co_wq::net::tls::detail
