// address_list, families: what a name resolves to, and which part of it is wanted.
//
// Threads:  plain values.
#pragma once

#include <cstdint>
#include <vector>

#include "io/socket_address.hpp"

namespace co_wq::net::dns {

// In the order in which they should be tried.
using address_list = std::vector<io::socket_address>;

enum class families : std::uint8_t {
    any,         // both, alternating, IPv6 first (RFC 8305 section 4)
    ipv4_first,  // both, alternating, IPv4 first
    ipv4_only,
    ipv6_only,
};

constexpr bool wants_ipv4(families which) noexcept { return which != families::ipv6_only; }
constexpr bool wants_ipv6(families which) noexcept { return which != families::ipv4_only; }
constexpr bool wants_ipv4_first(families which) noexcept { return which == families::ipv4_first || !wants_ipv6(which); }

}  // namespace co_wq::net::dns
