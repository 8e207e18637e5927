#include "proxy/policy/ip_address.hpp"

#include <charconv>

namespace co_wq::proxy::policy {

using io::address_family;

namespace {

io::socket_address with_port_0(const ip_address& one) noexcept {
    if (one.family == address_family::ipv6) return io::socket_address::ipv6(one.octets, 0);
    return io::socket_address::ipv4({one.octets[0], one.octets[1], one.octets[2], one.octets[3]}, 0);
}

bool is_mapped(const std::array<std::uint8_t, 16>& octets) noexcept {
    for (unsigned at = 0; at < 10; ++at)
        if (octets[at] != 0) return false;
    return octets[10] == 0xff && octets[11] == 0xff;
}

// The same with the bits behind the prefix cleared.
ip_address cut(ip_address one, unsigned bits) noexcept {
    for (unsigned bit = bits; bit < one.bits(); ++bit)
        one.octets[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
    return one;
}

std::unexpected<std::string> wrong(std::string what) { return std::unexpected(std::move(what)); }

}  // namespace

ip_address ip_address::from(const io::socket_address& where) noexcept {
    const auto& octets = where.octets();
    if (where.family() == address_family::ipv4) return ipv4(octets[0], octets[1], octets[2], octets[3]);
    if (where.family() != address_family::ipv6) return {};
    if (is_mapped(octets)) return ipv4(octets[12], octets[13], octets[14], octets[15]);
    return from_octets(octets);
}

std::optional<ip_address> ip_address::parse(std::string_view text) noexcept {
    const result<io::socket_address> read = io::socket_address::parse(text, 0);
    if (!read) return std::nullopt;
    return from(*read);
}

std::string ip_address::text() const { return known() ? with_port_0(*this).host() : std::string("unknown"); }

std::string cidr::text() const { return bits == base.bits() ? base.text() : base.text() + "/" + std::to_string(bits); }

std::expected<cidr, std::string> parse_cidr(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view address = text.substr(0, slash);
    const result<io::socket_address> read = io::socket_address::parse(address, 0);
    if (!read) return wrong("not an address range: write it as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32");
    cidr made{ip_address::from(*read), 0};
    if (read->family() == address_family::ipv6 && made.base.family == address_family::ipv4)
        return wrong("an IPv4 address in IPv6 spelling: write " + made.base.text() + " with an IPv4 prefix");
    made.bits = static_cast<std::uint8_t>(made.base.bits());
    if (slash == text.npos) return made;
    const std::string_view digits = text.substr(slash + 1);
    unsigned bits = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (failure != std::errc{} || end != digits.data() + digits.size() || bits > made.base.bits())
        return wrong("the prefix length is a whole number from 0 to " + std::to_string(made.base.bits()));
    made.bits = static_cast<std::uint8_t>(bits);
    if (const ip_address whole = cut(made.base, bits); whole != made.base)
        return wrong("bits are set behind the prefix: write " + cidr{whole, made.bits}.text() + ", or " +
                     made.base.text() + " for the one address");
    return made;
}

std::string key_of(const ip_address& client) {
    const std::size_t size = client.family == io::address_family::ipv6 ? 8 : client.known() ? 4 : 0;
    return {reinterpret_cast<const char*>(client.octets.data()), size};
}

}  // namespace co_wq::proxy::policy
