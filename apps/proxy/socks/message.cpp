#include "proxy/socks/message.hpp"

#include <cstring>

#include "net/dns/host_name.hpp"

namespace co_wq::proxy::socks {
namespace {

constexpr std::size_t text_max = 255;
constexpr std::uint8_t type_ipv4 = 1, type_name = 3, type_ipv6 = 4;

std::uint8_t at(const_bytes data, std::size_t index) noexcept { return std::to_integer<std::uint8_t>(data[index]); }

std::uint16_t port_at(const_bytes data, std::size_t index) noexcept {
    return static_cast<std::uint16_t>(at(data, index) << 8 | at(data, index + 1));
}

template <std::size_t Size>
std::array<std::uint8_t, Size> octets_at(const_bytes data, std::size_t index) noexcept {
    std::array<std::uint8_t, Size> out;
    std::memcpy(out.data(), data.data() + index, Size);
    return out;
}

void set_numeric(http::authority& out, const io::socket_address& address) {
    out.host = address.host();
    out.kind = address.family() == io::address_family::ipv6 ? http::host_kind::ipv6 : http::host_kind::ipv4;
}

// A name, or a numeric address as text.
bool set_name(http::authority& out, std::string_view text) {
    if (const auto numeric = io::socket_address::parse(text, 0)) {
        set_numeric(out, *numeric);
        return true;
    }
    out.host = text;
    out.kind = http::host_kind::name;
    return net::dns::normalize_host_name(out.host).has_value();
}

enum class flaw : std::uint8_t { none, type, name };

// ATYP, address and port (RFC 1928 section 5), where they stand.
struct raw_address {
    std::uint8_t type = 0;
    const_bytes host;
    std::uint16_t port = 0;
    flaw found = flaw::none;
};

step locate(const_bytes have, std::size_t begin, raw_address& out) noexcept {
    if (have.size() <= begin) return need(begin + 1);
    out.type = at(have, begin);
    std::size_t host = begin + 1, size = 0;
    if (out.type == type_ipv4) {
        size = 4;
    } else if (out.type == type_ipv6) {
        size = 16;
    } else if (out.type == type_name) {
        if (have.size() <= host) return need(host + 1);
        size = at(have, host++);
        if (size == 0) out.found = flaw::name;
    } else {
        out.found = flaw::type;
    }
    if (out.found != flaw::none) return wrong;
    const std::size_t end = host + size + 2;
    if (have.size() < end) return need(end);
    out.host = have.subspan(host, size);
    out.port = port_at(have, end - 2);
    return done(end);
}

io::socket_address numeric_of(const raw_address& raw) noexcept {
    if (raw.type == type_ipv4) return io::socket_address::ipv4(octets_at<4>(raw.host, 0), raw.port);
    return io::socket_address::ipv6(octets_at<16>(raw.host, 0), raw.port);
}

step parse_address(const_bytes have, std::size_t begin, http::authority& out, flaw& found) {
    raw_address raw;
    const step all = locate(have, begin, raw);
    found = raw.found;
    if (all.what != progress::done) return all;
    out.port = raw.port;
    if (raw.type != type_name) {
        set_numeric(out, numeric_of(raw));
    } else if (!set_name(out, as_text(raw.host))) {
        found = flaw::name;
        return wrong;
    }
    return all;
}

step refuse(request& out, reply code, std::string_view why) noexcept {
    out.refusal = code;
    out.why = why;
    return wrong;
}

// The bytes of a text that ends with a zero byte; nothing: its end is not there yet.
std::optional<std::string_view> text_at(const_bytes have, std::size_t begin) noexcept {
    const std::string_view rest = as_text(have).substr(begin);
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    return rest.substr(0, end);
}

void append_address(std::string& out, const io::socket_address& from) {
    std::array<std::byte, datagram_head_max> room;
    const std::size_t size = write_datagram_head(room, from);
    out.append(as_text(const_bytes(room).last(size - 3)));  // without RSV and FRAG
}

}  // namespace

std::string_view name_of(reply code) noexcept {
    static constexpr std::string_view names[] = {"granted",
                                                 "general failure",
                                                 "not allowed",
                                                 "network unreachable",
                                                 "host unreachable",
                                                 "connection refused",
                                                 "nobody answered in time",
                                                 "command not supported",
                                                 "address type not supported"};
    return names[static_cast<std::size_t>(code)];
}

std::string_view name_of(command what) noexcept {
    static constexpr std::string_view names[] = {"", "CONNECT", "BIND", "UDP ASSOCIATE"};
    return names[static_cast<std::size_t>(what)];
}

reply reply_of(error why) noexcept {
    switch (why.code()) {
        case errc::permission_denied: return reply::not_allowed;
        case errc::network_unreachable:
        case errc::network_down: return reply::network_unreachable;
        case errc::host_unreachable:
        case errc::name_not_found:
        case errc::name_no_data:
        case errc::name_no_service:
        case errc::name_server_failed: return reply::host_unreachable;
        case errc::connection_refused: return reply::connection_refused;
        case errc::timed_out: return reply::ttl_expired;
        default: return reply::general_failure;
    }
}

step parse_greeting(const_bytes have, greeting& out) {
    out = {};
    if (!have.empty() && at(have, 0) != 5) return wrong;
    if (have.size() < 2) return need(2);
    const std::size_t size = 2u + at(have, 1);
    if (have.size() < size) return need(size);
    for (const std::byte one : have.subspan(2, size - 2)) {
        if (std::to_integer<std::uint8_t>(one) == method_none) out.no_authentication = true;
        if (std::to_integer<std::uint8_t>(one) == method_user_password) out.user_password = true;
    }
    return done(size);
}

std::string write_method(std::uint8_t method) { return {'\5', static_cast<char>(method)}; }

step parse_login(const_bytes have, login& out) {
    if (!have.empty() && at(have, 0) != 1) return wrong;
    if (have.size() < 2) return need(3);  // the password's length comes, too
    const std::size_t user_end = 2u + at(have, 1);
    if (have.size() < user_end + 1) return need(user_end + 1);
    const std::size_t end = user_end + 1 + at(have, user_end);
    if (have.size() < end) return need(end);
    out.user = as_text(have.subspan(2, user_end - 2));
    out.password = as_text(have.subspan(user_end + 1, end - user_end - 1));
    return done(end);
}

std::string write_login_status(bool accepted) { return {'\1', accepted ? '\0' : '\1'}; }

step parse_request5(const_bytes have, request& out) {
    out.version = 5;
    if (!have.empty() && at(have, 0) != 5) return refuse(out, reply::general_failure, "not version 5");
    if (have.size() > 2 && at(have, 2) != 0) return refuse(out, reply::general_failure, "the reserved byte is not 0");
    flaw found = flaw::none;
    const step all = parse_address(have, 3, out.where, found);
    if (found == flaw::type) return refuse(out, reply::address_type_not_supported, "an unknown type of address");
    if (found == flaw::name) return refuse(out, reply::general_failure, "not a host name");
    if (all.what != progress::done) return all;
    const std::uint8_t code = at(have, 1);
    if (code < 1 || code > 3) return refuse(out, reply::command_not_supported, "an unknown command");
    out.what = static_cast<command>(code);
    if (out.what == command::connect && out.where.port == 0)
        return refuse(out, reply::general_failure, "nobody is at port 0");
    return all;
}

// VN CD DSTPORT DSTIP USERID NUL, and a name with its NUL if DSTIP is 0.0.0.x, x not 0.
step parse_request4(const_bytes have, request& out) {
    constexpr std::size_t user_begin = 8;
    out.version = 4;
    if (!have.empty() && at(have, 0) != 4) return refuse(out, reply::general_failure, "not version 4");
    if (have.size() < user_begin + 1) return need(user_begin + 1);
    const auto user = text_at(have, user_begin);
    if ((user ? user->size() : have.size() - user_begin) > text_max)
        return refuse(out, reply::general_failure, "a user of more than 255 bytes");
    if (!user) return need(have.size() + 1);
    const auto octets = octets_at<4>(have, 4);
    std::size_t end = user_begin + user->size() + 1;
    bool named = octets[0] == 0 && octets[1] == 0 && octets[2] == 0 && octets[3] != 0;
    if (named) {
        const std::size_t begin = end;
        if (have.size() == begin) return need(begin + 1);
        const auto name = text_at(have, begin);
        if ((name ? name->size() : have.size() - begin) > text_max)
            return refuse(out, reply::general_failure, "a name of more than 255 bytes");
        if (!name) return need(have.size() + 1);
        if (!set_name(out.where, *name)) return refuse(out, reply::general_failure, "not a host name");
        end = begin + name->size() + 1;
    } else {
        set_numeric(out.where, io::socket_address::ipv4(octets, 0));
    }
    out.user = *user;
    out.where.port = port_at(have, 2);
    const std::uint8_t code = at(have, 1);
    if (code != 1 && code != 2) return refuse(out, reply::command_not_supported, "an unknown command");
    out.what = static_cast<command>(code);
    if (out.what == command::connect && out.where.port == 0)
        return refuse(out, reply::general_failure, "nobody is at port 0");
    return done(end);
}

// SOCKS 4 knows granted (90) and not (91).
std::string write_reply(std::uint8_t version, reply code, const io::socket_address& bound) {
    std::string out;
    if (version == 4) {
        out.assign(8, '\0');
        out[1] = code == reply::granted ? 90 : 91;
        return out;
    }
    out = {'\5', static_cast<char>(code), '\0'};
    append_address(out, bound);
    return out;
}

bool parse_datagram(const_bytes datagram, datagram_head& out) noexcept {
    if (datagram.size() < 4) return false;
    if (at(datagram, 0) != 0 || at(datagram, 1) != 0 || at(datagram, 2) != 0) return false;
    raw_address raw;
    const step head = locate(datagram, 3, raw);
    if (head.what != progress::done || raw.port == 0) return false;
    out = {.to = {}, .name = {}, .size = head.size};
    if (raw.type != type_name) {
        out.to = numeric_of(raw);
        return true;
    }
    out.name = as_text(raw.host);
    if (const auto numeric = io::socket_address::parse(out.name, 0)) out.to = *numeric;
    out.to.set_port(raw.port);
    return true;
}

std::size_t write_datagram_head(std::span<std::byte, datagram_head_max> room, const io::socket_address& from) noexcept {
    const bool ipv6 = from.family() == io::address_family::ipv6;
    const std::size_t octets = ipv6 ? 16 : 4;
    const std::size_t size = 3 + 1 + octets + 2;
    std::byte* to = room.data() + room.size() - size;
    to[0] = to[1] = to[2] = std::byte{0};
    to[3] = std::byte{ipv6 ? type_ipv6 : type_ipv4};
    std::memcpy(to + 4, from.octets().data(), octets);
    to[4 + octets] = static_cast<std::byte>(from.port() >> 8);
    to[5 + octets] = static_cast<std::byte>(from.port());
    return size;
}

}  // namespace co_wq::proxy::socks
