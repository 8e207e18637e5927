// Records of DTLS 1.2 as they lie in a datagram, and the first messages of a handshake; without keys.
//
// For:     a server that has to answer clients it knows nothing of: nothing here keeps state or allocates.
// Threads: any. Lifetime: views into the caller's bytes.
// Source:  RFC 6347 sections 4.1, 4.2.1 and 4.2.2.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace co_wq::net::tls::detail {

inline constexpr std::size_t record_header_bytes = 13;

struct record {
    std::uint8_t type = 0;
    std::uint16_t version = 0;
    std::uint16_t epoch = 0;
    std::uint64_t sequence = 0;  // 48 bits
    const_bytes whole{};         // with its header
    const_bytes body() const noexcept { return whole.subspan(record_header_bytes); }
};

// Takes the first record off; none: what is left is no record of DTLS, or is cut short.
std::optional<record> take_record(const_bytes& rest) noexcept;

// The start of a ClientHello, up to its cookie.
struct client_hello {
    std::uint64_t sequence = 0;  // of its record
    const_bytes random{};        // 32 bytes
    const_bytes session{};       // at most 32
    const_bytes cookie{};        // empty: the client has none yet
};

// None: the datagram does not begin with one that an answer without state is possible to.
std::optional<client_hello> parse_client_hello(const_bytes datagram) noexcept;

inline constexpr std::size_t cookie_bytes = 24;
using cookie = std::array<std::byte, cookie_bytes>;

// HelloVerifyRequest: shorter than any ClientHello, so nobody is drowned with our answers.
inline constexpr std::size_t hello_verify_bytes = record_header_bytes + 12 + 3 + cookie_bytes;
std::array<std::byte, hello_verify_bytes> hello_verify(const client_hello& asked, const cookie& given) noexcept;

}  // namespace co_wq::net::tls::detail
