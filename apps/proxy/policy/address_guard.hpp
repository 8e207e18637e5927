// address_guard: which addresses are not global unicast, and so not for strangers to reach through us.
//
// For:        checks of every address after resolution and before it is dialled: the networks behind a proxy (this
//             machine, private networks, cloud metadata at 169.254.169.254) are not the clients' to reach.
// Guarantees: an IPv4 address inside an IPv6 one counts as itself where the range is a way to it (6to4, Teredo, NAT64):
//             an exception for the IPv6 range does not open what is inside. Whatever is outside of 2000::/3 and in no
//             other entry is not global unicast either. The table is constexpr; a lookup allocates nothing.
// Threads:    plain values.
// Source:     IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890); each entry names its RFC.
//
//   address_guard guard({*parse_cidr("10.1.0.0/16")});       // exceptions
//   guard.refuses(*ip_address::parse("10.2.0.1"))->name      // "private use"
#pragma once

#include <span>
#include <vector>

#include "proxy/policy/ip_address.hpp"

namespace co_wq::proxy::policy {

struct special_range {
    enum class inner : std::uint8_t { none, last_four, nat64_local, six_to_four, teredo };
    cidr range;
    std::string_view text;
    std::string_view name;
    std::string_view source;
    inner holds = inner::none;  // where an IPv4 address is inside
};

// In order; the first that contains an address is the one it belongs to.
std::span<const special_range> special_ranges() noexcept;

// nullptr: global unicast.
const special_range* find_special(const ip_address& one) noexcept;

class address_guard {
public:
    address_guard() = default;
    explicit address_guard(std::vector<cidr> exceptions) : exceptions_(std::move(exceptions)) {}

    // The range because of which the address is refused; nullptr: it may be dialled.
    const special_range* refuses(const ip_address& one) const noexcept;

private:
    std::vector<cidr> exceptions_;
};

}  // namespace co_wq::proxy::policy
