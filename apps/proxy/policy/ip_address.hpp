// ip_address and cidr: addresses without ports, and ranges of them.
//
// For:        rules and guards. Plain values; no allocation.
// Guarantees: an IPv4 address within an IPv6 one ("::ffff:10.0.0.1") is the IPv4 address: nobody gets around a rule by
//             the other spelling. from_octets alone keeps it as it is, for whoever looks at IPv6 as such.
// Errors:     parse_cidr says in words what is wrong and what to write instead.
// Threads:    any.
// Source:     RFC 4291 section 2.5.5.2 (mapped addresses), RFC 4632 section 3.1 (prefixes).
//
//   const auto range = parse_cidr("10.0.0.0/8");
//   range->contains(*ip_address::parse("10.1.2.3"));   // true
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "io/socket_address.hpp"

namespace co_wq::proxy::policy {

struct ip_address {
    io::address_family family = io::address_family::none;
    std::array<std::uint8_t, 16> octets{};  // 4 or 16 in network order, by family

    static constexpr ip_address ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept {
        return {io::address_family::ipv4, {a, b, c, d}};
    }
    static constexpr ip_address from_octets(const std::array<std::uint8_t, 16>& sixteen) noexcept {
        return {io::address_family::ipv6, sixteen};
    }
    static ip_address from(const io::socket_address& where) noexcept;
    // Numeric, without brackets and zone; IPv4 in four decimal parts without leading zeros.
    static std::optional<ip_address> parse(std::string_view text) noexcept;

    constexpr bool known() const noexcept { return family != io::address_family::none; }
    constexpr unsigned bits() const noexcept { return family == io::address_family::ipv4 ? 32 : 128; }
    std::string text() const;

    friend constexpr bool operator==(const ip_address&, const ip_address&) noexcept = default;
};

struct cidr {
    ip_address base;
    std::uint8_t bits = 0;

    constexpr bool contains(const ip_address& one) const noexcept {
        if (one.family != base.family) return false;
        const unsigned whole = bits / 8u, rest = bits % 8u;
        for (unsigned at = 0; at < whole; ++at)
            if (one.octets[at] != base.octets[at]) return false;
        return rest == 0 || ((one.octets[whole] ^ base.octets[whole]) >> (8 - rest)) == 0;
    }
    std::string text() const;
};

// What stands for a client where clients are counted: an IPv4 address, or the first 64 bits of an IPv6 one, which are
// one household's or more. Empty: it is not known.
std::string key_of(const ip_address& client);

// "10.0.0.0/8", "2001:db8::/32", or one address. Bits behind the prefix must be zero.
std::expected<cidr, std::string> parse_cidr(std::string_view text);

}  // namespace co_wq::proxy::policy
