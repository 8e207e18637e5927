// Addresses: blocks of them ("10.0.0.0/8"), and IPv4 addresses that come as IPv6 ones.
//
// Guarantees: a block contains an IPv4 address whether it comes as such or mapped into IPv6 (::ffff:0:0/96).
// Errors:     address_block::parse gives invalid_argument for anything but a numeric address, alone or with "/" and the
//             bits of the prefix, behind which no bit is set.
// Threads:    plain values.
// Source:     RFC 4632 section 3.1 (CIDR notation), RFC 4291 section 2.5.5.2 (mapped addresses).
//
//   auto balancers = address_block::parse("192.0.2.0/24");
//   balancers->contains(*io::socket_address::parse("192.0.2.7", 0));   // true
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "io/socket_address.hpp"

namespace co_wq::proxy::socks {

// The IPv4 address within a mapped one; any other as it is. The port stays.
io::socket_address unmapped(const io::socket_address& address) noexcept;
// As IPv6, an IPv4 address mapped.
io::socket_address mapped(const io::socket_address& address) noexcept;
// One host's: neither any, nor a group, nor the broadcast to all.
bool is_unicast(const io::socket_address& address) noexcept;

// As an IP address alone, whatever its port: two of the same host are equal.
struct host_key {
    std::array<std::uint8_t, 16> octets{};
    friend bool operator==(const host_key&, const host_key&) noexcept = default;
};
host_key host_of(const io::socket_address& address) noexcept;

struct endpoint_key {
    host_key host;
    std::uint16_t port = 0;
    friend bool operator==(const endpoint_key&, const endpoint_key&) noexcept = default;
};
inline endpoint_key endpoint_of(const io::socket_address& address) noexcept {
    return {host_of(address), address.port()};
}

// What peers choose must not let them choose where they fall together: salted by process.
struct key_hash {
    std::size_t operator()(const host_key& key) const noexcept;
    std::size_t operator()(const endpoint_key& key) const noexcept;
};

class address_block {
public:
    static result<address_block> parse(std::string_view text);
    bool contains(const io::socket_address& address) const noexcept;

private:
    io::socket_address first_;
    unsigned bits_ = 0;
};

}  // namespace co_wq::proxy::socks
