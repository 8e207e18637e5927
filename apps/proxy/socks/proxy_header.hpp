// The PROXY protocol, versions 1 and 2: what a load balancer says about the client in front of everything else.
//
// For:        connections from trusted sources, and those that we open for others. Without I/O.
// Guarantees: the parser is a function of the bytes so far (gather.hpp): however they are cut, the same. Version 1 has
// at
//             most 107 bytes with its end of line; of version 2 we take 4,112, which is more than any sender uses.
//             Types and lengths must be what the specification assigns; TLVs are stepped over within their bounds, and
//             a CRC32c among them must be right. Nothing else of them is used.
// Not taken:  datagrams (a stream carries none). UNKNOWN, LOCAL, UNSPEC and unix sockets name no address: the
//             connection's own counts.
// Threads:    plain values and functions.
// Source:     The PROXY protocol, Willy Tarreau (haproxy.org, doc/proxy-protocol.txt), sections 2.1 and 2.2; CRC32c:
// RFC
//             3309 appendix.
//
//   std::string have; const_bytes left = arrived; proxy_header header;
//   step now = gather(have, left, [&](const_bytes so_far) { return parse_proxy_header(so_far, header); });
#pragma once

#include <string>
#include <string_view>

#include "io/socket_address.hpp"
#include "proxy/socks/gather.hpp"

namespace co_wq::proxy::socks {

struct proxy_header {
    // Family none: it names none.
    io::socket_address source;
    io::socket_address destination;
    std::string_view why{};  // when it is wrong
};

inline constexpr std::size_t proxy_header_v1_max = 107;
inline constexpr std::size_t proxy_header_v2_max = 16 + 4096;

step parse_proxy_header(const_bytes have, proxy_header& out);

enum class proxy_header_version : std::uint8_t { none, v1, v2 };

// For a connection from source to destination; if they are no IP addresses: "unknown" and LOCAL. If the families
// differ, both are written as IPv6. v2 ends with a CRC32c.
std::string write_proxy_header(proxy_header_version version, const io::socket_address& source,
                               const io::socket_address& destination);

std::uint32_t crc32c(const_bytes data, std::uint32_t before = 0) noexcept;

}  // namespace co_wq::proxy::socks
