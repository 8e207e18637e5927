#include "proxy/policy/address_guard.hpp"

#include <algorithm>

namespace co_wq::proxy::policy {
namespace {

using inner = special_range::inner;

constexpr cidr v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t bits) {
    return {ip_address::ipv4(a, b, c, 0), bits};
}

// The first groups of an IPv6 address; the rest is zero.
template <class... Groups>
constexpr cidr v6(std::uint8_t bits, Groups... groups) {
    std::array<std::uint8_t, 16> octets{};
    std::size_t at = 0;
    ((octets[at++] = static_cast<std::uint8_t>(groups >> 8), octets[at++] = static_cast<std::uint8_t>(groups & 0xff)),
     ...);
    return {ip_address::from_octets(octets), bits};
}

constexpr special_range table[] = {
    {v4(0, 0, 0, 8), "0.0.0.0/8", "this network", "RFC 791 section 3.2"},
    {v4(10, 0, 0, 8), "10.0.0.0/8", "private use", "RFC 1918"},
    {v4(100, 64, 0, 10), "100.64.0.0/10", "shared address space of carriers", "RFC 6598"},
    {v4(127, 0, 0, 8), "127.0.0.0/8", "loopback", "RFC 1122 section 3.2.1.3"},
    {v4(169, 254, 0, 16), "169.254.0.0/16", "link local, cloud metadata", "RFC 3927"},
    {v4(172, 16, 0, 12), "172.16.0.0/12", "private use", "RFC 1918"},
    {v4(192, 0, 0, 24), "192.0.0.0/24", "protocol assignments", "RFC 6890 section 2.1"},
    {v4(192, 0, 2, 24), "192.0.2.0/24", "documentation", "RFC 5737"},
    {v4(192, 88, 99, 24), "192.88.99.0/24", "6to4 relays", "RFC 7526"},
    {v4(192, 168, 0, 16), "192.168.0.0/16", "private use", "RFC 1918"},
    {v4(198, 18, 0, 15), "198.18.0.0/15", "benchmarks", "RFC 2544"},
    {v4(198, 51, 100, 24), "198.51.100.0/24", "documentation", "RFC 5737"},
    {v4(203, 0, 113, 24), "203.0.113.0/24", "documentation", "RFC 5737"},
    {v4(224, 0, 0, 4), "224.0.0.0/4", "multicast", "RFC 5771"},
    {v4(240, 0, 0, 4), "240.0.0.0/4", "reserved, broadcast", "RFC 1112 section 4, RFC 919"},
    {v6(128), "::", "unspecified", "RFC 4291 section 2.5.2"},
    {v6(128, 0, 0, 0, 0, 0, 0, 0, 1), "::1", "loopback", "RFC 4291 section 2.5.3"},
    {v6(96, 0, 0, 0, 0, 0, 0xffff), "::ffff:0:0/96", "IPv4 mapped", "RFC 4291 section 2.5.5.2", inner::last_four},
    {v6(96), "::/96", "IPv4 compatible", "RFC 4291 section 2.5.5.1", inner::last_four},
    {v6(96, 0x64, 0xff9b), "64:ff9b::/96", "NAT64", "RFC 6052", inner::last_four},
    {v6(48, 0x64, 0xff9b, 1), "64:ff9b:1::/48", "local NAT64", "RFC 8215", inner::nat64_local},
    {v6(64, 0x100), "100::/64", "discard", "RFC 6666"},
    {v6(32, 0x2001), "2001::/32", "Teredo", "RFC 4380", inner::teredo},
    {v6(48, 0x2001, 2), "2001:2::/48", "benchmarks", "RFC 5180"},
    {v6(28, 0x2001, 0x10), "2001:10::/28", "ORCHID", "RFC 4843"},
    {v6(28, 0x2001, 0x20), "2001:20::/28", "ORCHID", "RFC 7343"},
    {v6(32, 0x2001, 0xdb8), "2001:db8::/32", "documentation", "RFC 3849"},
    {v6(16, 0x2002), "2002::/16", "6to4", "RFC 3056", inner::six_to_four},
    {v6(20, 0x3fff), "3fff::/20", "documentation", "RFC 9637"},
    {v6(7, 0xfc00), "fc00::/7", "unique local", "RFC 4193"},
    {v6(10, 0xfe80), "fe80::/10", "link local", "RFC 4291 section 2.5.6"},
    {v6(10, 0xfec0), "fec0::/10", "site local", "RFC 3879"},
    {v6(8, 0xff00), "ff00::/8", "multicast", "RFC 4291 section 2.7"},
};

constexpr cidr global_ipv6 = v6(3, 0x2000);
constexpr special_range unallocated{v6(0), "::/0", "not allocated as global unicast", "RFC 4291 section 2.4"};

constexpr ip_address four_at(const ip_address& one, std::size_t at, std::uint8_t flip = 0) noexcept {
    const auto octet = [&](std::size_t offset) { return static_cast<std::uint8_t>(one.octets[at + offset] ^ flip); };
    return ip_address::ipv4(octet(0), octet(1), octet(2), octet(3));
}

}  // namespace

std::span<const special_range> special_ranges() noexcept { return table; }

const special_range* find_special(const ip_address& one) noexcept {
    for (const special_range& each : table)
        if (each.range.contains(one)) return &each;
    if (one.family == io::address_family::ipv6 && !global_ipv6.contains(one)) return &unallocated;
    return nullptr;
}

const special_range* address_guard::refuses(const ip_address& one) const noexcept {
    const special_range* found = find_special(one);
    if (!found) return nullptr;
    // where the IPv4 address is depends on the length of the local prefix (RFC 6052 section 2.2): only 96 bits say it
    const unsigned bits_min = found->holds == inner::nat64_local ? 96 : 0;
    const auto excepts = [&](const cidr& each) { return each.bits >= bits_min && each.contains(one); };
    if (std::none_of(exceptions_.begin(), exceptions_.end(), excepts)) return found;
    switch (found->holds) {
        case inner::none: return nullptr;
        case inner::last_four:
        case inner::nat64_local: return refuses(four_at(one, 12));
        case inner::six_to_four: return refuses(four_at(one, 2));
        case inner::teredo:  // the server, then the client behind its translator, with all bits turned
            if (const special_range* server = refuses(four_at(one, 4))) return server;
            return refuses(four_at(one, 12, 0xff));
    }
    return found;
}

}  // namespace co_wq::proxy::policy
