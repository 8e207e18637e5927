#include "proxy/socks/proxy_header.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "proxy/socks/addresses.hpp"

namespace co_wq::proxy::socks {
namespace {

constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::string_view v1_start = "PROXY ";
constexpr std::string_view v1_shortest = "PROXY UNKNOWN\r\n";
constexpr std::size_t v2_fixed = 16;
constexpr std::uint8_t tlv_crc32c = 3;
constexpr std::size_t crc_bytes = 4;

step refuse(proxy_header& out, std::string_view why) noexcept {
    out.why = why;
    return wrong;
}

// The next word of a line, without the blank behind it; the last one has none.
std::optional<std::string_view> next_word(std::string_view& line, bool last) noexcept {
    const std::size_t end = line.find(' ');
    if ((end == std::string_view::npos) != last) return std::nullopt;
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(last ? line.size() : end + 1);
    return word;
}

// 0 to 65535, without anything around it and zeros before it.
std::optional<std::uint16_t> port_of(std::string_view text) noexcept {
    std::uint16_t port = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (text.size() > 1 && text[0] == '0') return std::nullopt;
    return port;
}

bool take_words(std::string_view line, io::address_family family, proxy_header& out) {
    const auto source = next_word(line, false), destination = next_word(line, false);
    const auto source_port = next_word(line, false), destination_port = next_word(line, true);
    if (!source || !destination || !source_port || !destination_port) return false;
    const auto from_port = port_of(*source_port), to_port = port_of(*destination_port);
    if (!from_port || !to_port) return false;
    const auto from = io::socket_address::parse(*source, *from_port);
    const auto to = io::socket_address::parse(*destination, *to_port);
    if (!from || !to || from->family() != family || to->family() != family) return false;
    out.source = *from;
    out.destination = *to;
    return true;
}

// line: what stands between "PROXY " and the end of the line.
bool take_line(std::string_view line, proxy_header& out) {
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return true;
    if (line.starts_with("TCP4 ")) return take_words(line.substr(5), io::address_family::ipv4, out);
    if (line.starts_with("TCP6 ")) return take_words(line.substr(5), io::address_family::ipv6, out);
    return false;
}

step parse_v1(std::string_view have, proxy_header& out) {
    if (have.substr(0, v1_start.size()) != v1_start.substr(0, have.size()))
        return refuse(out, "it begins with something else");
    const std::size_t end = have.find_first_of("\r\n");
    if (end == std::string_view::npos || end + 1 == have.size()) {
        if (end != std::string_view::npos && have[end] == '\n') return refuse(out, "its line ends without CR");
        if (have.size() >= proxy_header_v1_max) return refuse(out, "its line has more than 107 bytes");
        return need(end == std::string_view::npos ? std::max(v1_shortest.size(), have.size() + 1) : have.size() + 1);
    }
    if (have[end] != '\r' || have[end + 1] != '\n') return refuse(out, "its line does not end with CR LF");
    if (!take_line(have.substr(v1_start.size(), end - v1_start.size()), out))
        return refuse(out, "its line does not name two addresses and ports");
    return done(end + 2);
}

std::uint8_t at(const_bytes data, std::size_t index) noexcept { return std::to_integer<std::uint8_t>(data[index]); }
std::uint16_t number_at(const_bytes data, std::size_t index) noexcept {
    return static_cast<std::uint16_t>(at(data, index) << 8 | at(data, index + 1));
}
std::uint32_t long_at(const_bytes data, std::size_t index) noexcept {
    return static_cast<std::uint32_t>(number_at(data, index)) << 16 | number_at(data, index + 2);
}

bool crc_is_right(const_bytes whole, std::size_t value_at) noexcept {
    constexpr std::array<std::byte, crc_bytes> zeros{};
    std::uint32_t made = crc32c(whole.first(value_at));
    made = crc32c(zeros, made);
    made = crc32c(whole.subspan(value_at + crc_bytes), made);
    return made == long_at(whole, value_at);
}

// Type, length and value, one behind the other up to the end of the header.
std::string_view flaw_of_tlvs(const_bytes whole, std::size_t begin) noexcept {
    bool checked = false;
    for (std::size_t next = begin; next < whole.size();) {
        if (whole.size() - next < 3) return "a TLV is cut short";
        const std::size_t length = number_at(whole, next + 1);
        if (whole.size() - next - 3 < length) return "a TLV is longer than the header";
        if (at(whole, next) == tlv_crc32c) {
            if (length != crc_bytes || std::exchange(checked, true)) return "a CRC32c that is none, or two of them";
            if (!crc_is_right(whole, next + 3)) return "its CRC32c is wrong";
        }
        next += 3 + length;
    }
    return {};
}

template <std::size_t Size>
std::array<std::uint8_t, Size> octets_at(const_bytes data, std::size_t index) noexcept {
    std::array<std::uint8_t, Size> out;
    std::memcpy(out.data(), data.data() + index, Size);
    return out;
}

step parse_v2(const_bytes have, proxy_header& out) {
    if (as_text(have.first(std::min(have.size(), signature.size()))) != signature.substr(0, have.size()))
        return refuse(out, "it begins with something else");
    if (have.size() < v2_fixed) return need(v2_fixed);
    const std::uint8_t version_and_command = at(have, 12), kind = at(have, 13);
    if (version_and_command != 0x20 && version_and_command != 0x21)
        return refuse(out, "a version or command that is not assigned");
    const std::size_t whole = v2_fixed + number_at(have, 14);
    if (whole > proxy_header_v2_max) return refuse(out, "it has more than 4,112 bytes");
    const bool local = version_and_command == 0x20;
    std::size_t addresses = 0;
    if (!local) {
        switch (kind) {
            case 0x00: break;                       // unspecified
            case 0x11: addresses = 12; break;       // TCP over IPv4
            case 0x21: addresses = 36; break;       // TCP over IPv6
            case 0x31: addresses = 216; break;      // unix stream
            case 0x12:
            case 0x22:
            case 0x32: return refuse(out, "a datagram's addresses on a stream");
            default: return refuse(out, "an address family or protocol that is not assigned");
        }
        if (whole < v2_fixed + addresses) return refuse(out, "it is too short for its addresses");
    }
    if (have.size() < whole) return need(whole);
    if (local || kind == 0) return done(whole);  // the rest of it is to be ignored
    const_bytes all = have.first(whole);
    if (const std::string_view why = flaw_of_tlvs(all, v2_fixed + addresses); !why.empty()) return refuse(out, why);
    if (kind == 0x11) {
        out.source = io::socket_address::ipv4(octets_at<4>(all, 16), number_at(all, 24));
        out.destination = io::socket_address::ipv4(octets_at<4>(all, 20), number_at(all, 26));
    } else if (kind == 0x21) {
        out.source = io::socket_address::ipv6(octets_at<16>(all, 16), number_at(all, 48));
        out.destination = io::socket_address::ipv6(octets_at<16>(all, 32), number_at(all, 50));
    }
    return done(whole);
}

bool is_ip(const io::socket_address& one) noexcept {
    return one.family() == io::address_family::ipv4 || one.family() == io::address_family::ipv6;
}

std::string write_v1(const io::socket_address& source, const io::socket_address& destination) {
    if (!is_ip(source)) return std::string(v1_shortest);
    std::string out = "PROXY ";
    out += source.family() == io::address_family::ipv4 ? "TCP4 " : "TCP6 ";
    out += source.host() + ' ' + destination.host() + ' ';
    return out + std::to_string(source.port()) + ' ' + std::to_string(destination.port()) + "\r\n";
}

void put_number(std::string& out, std::size_t number) {
    out += static_cast<char>(number >> 8);
    out += static_cast<char>(number);
}

std::string write_v2(const io::socket_address& source, const io::socket_address& destination) {
    const bool named = is_ip(source), ipv4 = source.family() == io::address_family::ipv4;
    const std::size_t octets = !named ? 0 : ipv4 ? 4 : 16;
    const std::size_t addresses = named ? 2 * octets + 4 : 0;
    std::string out(signature);
    out += named ? '\x21' : '\x20';
    out += static_cast<char>(!named ? 0 : ipv4 ? 0x11 : 0x21);
    put_number(out, addresses + 3 + crc_bytes);
    for (const io::socket_address* one : {&source, &destination})
        out.append(reinterpret_cast<const char*>(one->octets().data()), octets);
    if (named) {
        put_number(out, source.port());
        put_number(out, destination.port());
    }
    out += static_cast<char>(tlv_crc32c);
    put_number(out, crc_bytes);
    const std::size_t value_at = out.size();
    out.append(crc_bytes, '\0');
    const std::uint32_t made = crc32c(as_bytes(out));
    for (unsigned i = 0; i < crc_bytes; ++i) out[value_at + i] = static_cast<char>(made >> (24 - 8 * i));
    return out;
}

constexpr std::array<std::uint32_t, 256> crc_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78u : 0u);
        table[i] = value;
    }
    return table;
}();

}  // namespace

step parse_proxy_header(const_bytes have, proxy_header& out) {
    if (have.empty()) return need(1);
    return at(have, 0) == '\r' ? parse_v2(have, out) : parse_v1(as_text(have), out);
}

std::string write_proxy_header(proxy_header_version version, const io::socket_address& source,
                               const io::socket_address& destination) {
    io::socket_address from = source, to = destination;
    if (!is_ip(from) || !is_ip(to)) from = to = {};
    if (from.family() != to.family()) {
        from = mapped(from);
        to = mapped(to);
    }
    if (version == proxy_header_version::v1) return write_v1(from, to);
    return write_v2(from, to);
}

std::uint32_t crc32c(const_bytes data, std::uint32_t before) noexcept {
    std::uint32_t value = ~before;
    for (const std::byte one : data)
        value = (value >> 8) ^ crc_table[(value ^ std::to_integer<std::uint32_t>(one)) & 0xff];
    return ~value;
}

}  // namespace co_wq::proxy::socks
