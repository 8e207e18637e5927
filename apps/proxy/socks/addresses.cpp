#include "proxy/socks/addresses.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/os/limits.hpp"

namespace co_wq::proxy::socks {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool bit_at(const io::socket_address& address, unsigned index) noexcept {
    return (address.octets()[index / 8] >> (7 - index % 8) & 1) != 0;
}

// splitmix64's last steps.
std::uint64_t mixed(std::uint64_t value) noexcept {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

std::size_t hash_of(const host_key& key, std::uint64_t more) noexcept {
    static const std::uint64_t salt = os::process_salt();
    std::uint64_t halves[2];
    std::memcpy(halves, key.octets.data(), sizeof halves);
    return static_cast<std::size_t>(mixed(mixed(mixed(salt ^ halves[0]) ^ halves[1]) ^ more));
}

}  // namespace

io::socket_address unmapped(const io::socket_address& address) noexcept {
    if (address.family() != io::address_family::ipv6) return address;
    const auto& octets = address.octets();
    if (!std::equal(mapped_prefix.begin(), mapped_prefix.end(), octets.begin())) return address;
    return io::socket_address::ipv4({octets[12], octets[13], octets[14], octets[15]}, address.port());
}

io::socket_address mapped(const io::socket_address& address) noexcept {
    if (address.family() != io::address_family::ipv4) return address;
    std::array<std::uint8_t, 16> octets{};
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), octets.begin());
    std::copy_n(address.octets().begin(), 4, octets.begin() + 12);
    return io::socket_address::ipv6(octets, address.port());
}

bool is_unicast(const io::socket_address& address) noexcept {
    const io::socket_address plain = unmapped(address);
    if (plain.is_any()) return false;
    const std::uint8_t first = plain.octets()[0];
    if (plain.family() == io::address_family::ipv6) return first != 0xff;
    const auto& octets = plain.octets();
    const bool broadcast = std::all_of(octets.begin(), octets.begin() + 4, [](std::uint8_t one) { return one == 255; });
    return plain.family() == io::address_family::ipv4 && (first & 0xf0) != 0xe0 && !broadcast;
}

host_key host_of(const io::socket_address& address) noexcept { return {mapped(address).octets()}; }

std::size_t key_hash::operator()(const host_key& key) const noexcept { return hash_of(key, 0); }
std::size_t key_hash::operator()(const endpoint_key& key) const noexcept { return hash_of(key.host, key.port); }

result<address_block> address_block::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto first = io::socket_address::parse(text.substr(0, slash), 0);
    if (!first) return fail(errc::invalid_argument);
    address_block made;
    made.first_ = *first;
    const unsigned most = first->family() == io::address_family::ipv4 ? 32 : 128;
    made.bits_ = most;
    if (slash != std::string_view::npos) {
        const std::string_view bits = text.substr(slash + 1);
        const auto [end, failed] = std::from_chars(bits.data(), bits.data() + bits.size(), made.bits_);
        const bool odd = bits.size() > 1 && bits[0] == '0';
        if (failed != std::errc{} || end != bits.data() + bits.size() || odd || made.bits_ > most)
            return fail(errc::invalid_argument);
    }
    for (unsigned index = made.bits_; index < most; ++index)
        if (bit_at(made.first_, index)) return fail(errc::invalid_argument);
    return made;
}

bool address_block::contains(const io::socket_address& address) const noexcept {
    const io::socket_address plain = first_.family() == io::address_family::ipv4 ? unmapped(address) : mapped(address);
    if (plain.family() != first_.family()) return false;
    for (unsigned index = 0; index < bits_; ++index)
        if (bit_at(plain, index) != bit_at(first_, index)) return false;
    return true;
}

}  // namespace co_wq::proxy::socks
