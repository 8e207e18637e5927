#include "http/target.hpp"

#include "http/detail/grammar.hpp"

namespace co_wq::http {

using detail::digit_char;
using detail::hex_char;
using detail::host_char;
using detail::is;

namespace {

constexpr std::size_t host_name_bytes_max = 253;  // RFC 1035 section 2.3.4, without the root's dot
constexpr std::size_t label_bytes_max = 63;

// Four decimal parts of 0 to 255 without leading zeros, which some resolvers read as octal.
bool is_ipv4(std::string_view text) noexcept {
    if (text.empty() || !is(digit_char, text[0])) return false;  // most hosts are names
    for (int part = 0; part < 4; ++part) {
        std::size_t digits = 0;
        unsigned value = 0;
        while (digits < text.size() && digits < 3 && is(digit_char, text[digits]))
            value = value * 10 + static_cast<unsigned>(text[digits++] - '0');
        if (digits == 0 || value > 255 || (digits > 1 && text[0] == '0')) return false;
        text.remove_prefix(digits);
        if (part == 3) break;
        if (text.empty() || text[0] != '.') return false;
        text.remove_prefix(1);
    }
    return text.empty();
}

// Eight groups of one to four hex digits; one run of zero groups may be "::"; the last two groups may be an IPv4.
bool is_ipv6(std::string_view text) noexcept {
    int groups = 0;
    bool shortened = false;
    if (text.starts_with("::")) {
        shortened = true;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        std::size_t digits = 0;
        while (digits < text.size() && digits < 5 && is(hex_char, text[digits])) ++digits;
        if (digits < text.size() && text[digits] == '.') {
            groups += 2;
            return is_ipv4(text) && (shortened ? groups < 8 : groups == 8);
        }
        if (digits == 0 || digits > 4) return false;
        ++groups;
        text.remove_prefix(digits);
        if (text.empty()) break;
        if (text[0] != ':') return false;
        text.remove_prefix(1);
        if (text.empty()) return false;  // a single colon at the end
        if (text[0] == ':') {
            if (shortened) return false;
            shortened = true;
            text.remove_prefix(1);
        }
    }
    return shortened ? groups < 8 : groups == 8;
}

// Whether a resolver in the tradition of inet_aton may take the name for an address: its last label is a number.
bool ends_in_number(std::string_view name) noexcept {
    if (name.ends_with('.')) name.remove_suffix(1);
    const std::string_view last = name.substr(name.rfind('.') + 1);
    if (detail::all_are(digit_char, last)) return true;
    return last.size() >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X') &&
           detail::all_are(hex_char, last.substr(2));
}

checked check_name(std::string_view name) noexcept {
    if (name.size() > host_name_bytes_max + name.ends_with('.'))
        return refuse("host name is longer than 253 characters");
    std::size_t label = 0;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] != '.') {
            if (!is(host_char, name[i])) return refuse("host has a character that no host name has");
            if (++label > label_bytes_max) return refuse("host name has a label longer than 63 characters");
        } else if (label == 0) {
            return refuse("host name has an empty label");
        } else {
            label = 0;
        }
    }
    if (ends_in_number(name)) return refuse("host looks like a number but is no IPv4 address of four parts");
    return {};
}

checked parse_port(std::string_view text, std::uint16_t& port) noexcept {
    if (text.empty()) return refuse("port is empty");
    if (!detail::all_are(digit_char, text)) return refuse("port is not a number");
    if (text[0] == '0') return refuse("port is zero or starts with a zero");
    if (text.size() > 5) return refuse("port is above 65535");
    unsigned value = 0;
    for (const char c : text) value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > 65535) return refuse("port is above 65535");
    port = static_cast<std::uint16_t>(value);
    return {};
}

void assign_lower(std::string& out, std::string_view text) {
    out.assign(text);
    for (char& c : out) c = detail::to_lower(c);
}

checked parse_host(std::string_view host, authority& where) {
    if (host.empty()) return refuse("host is empty");
    if (is_ipv4(host)) {
        where.kind = host_kind::ipv4;
    } else {
        where.kind = host_kind::name;
        if (auto ok = check_name(host); !ok) return ok;
    }
    assign_lower(where.host, host);
    return {};
}

// text starts with "["; rest becomes what follows the "]".
checked parse_ipv6_literal(std::string_view text, authority& where, std::string_view& rest) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return refuse("'[' without ']' in the host");
    const std::string_view address = text.substr(1, close - 1);
    if (address.find('%') != std::string_view::npos) return refuse("IPv6 zones are not accepted");
    if (!is_ipv6(address)) return refuse("not an IPv6 address between '[' and ']'");
    where.kind = host_kind::ipv6;
    assign_lower(where.host, address);
    rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') return refuse("only a port may follow an IPv6 address");
    return {};
}

checked parse_absolute(std::string_view text, request_target& out) {
    constexpr std::string_view scheme = "http://";
    if (!detail::equal_ignoring_case(text.substr(0, scheme.size()), scheme)) {
        const std::size_t colon = text.find("://");
        return colon == std::string_view::npos ? refuse("request target is neither a path nor an http:// URL")
                                               : refuse("only http:// URLs are forwarded; for others use CONNECT");
    }
    const std::size_t end = text.find_first_of("/?", scheme.size());
    const std::size_t path_at = end == std::string_view::npos ? text.size() : end;
    out.form = target_form::absolute;
    out.path_at = static_cast<std::uint32_t>(path_at);
    return parse_authority(text.substr(scheme.size(), path_at - scheme.size()), http_port, out.where);
}

}  // namespace

checked parse_authority(std::string_view text, std::optional<std::uint16_t> default_port, authority& where) {
    if (text.find('@') != std::string_view::npos) return refuse("user names in a host are not accepted");
    std::string_view rest;
    if (text.starts_with('[')) {
        if (auto ok = parse_ipv6_literal(text, where, rest); !ok) return ok;
    } else {
        const std::size_t colon = text.find(':');
        if (auto ok = parse_host(text.substr(0, colon), where); !ok) return ok;
        if (colon != std::string_view::npos) rest = text.substr(colon);
    }
    if (!rest.empty()) return parse_port(rest.substr(1), where.port);
    if (!default_port) return refuse("port is missing");
    where.port = *default_port;
    return {};
}

void append_authority(byte_buffer& out, const authority& where, std::optional<std::uint16_t> default_port) {
    if (where.is_ipv6()) out.append('[');
    out.append(where.host);
    if (where.is_ipv6()) out.append(']');
    if (where.port == default_port) return;
    out.append(':');
    out.append_decimal(where.port);
}

checked parse_target(method which, std::string_view text, request_target& out) {
    out.where.host.clear();
    out.where.port = 0;
    out.path_at = 0;
    if (text.empty()) return refuse("request target is empty");
    if (!detail::is_visible_ascii(text)) return refuse("request target has a space, control or non-ASCII character");
    if (text.find('#') != std::string_view::npos) return refuse("request target has a fragment");
    if (which == method::connect) {
        out.form = target_form::authority;
        return parse_authority(text, std::nullopt, out.where);
    }
    if (text[0] == '/') {
        out.form = target_form::origin;
        return {};
    }
    if (text == "*") {
        out.form = target_form::asterisk;
        if (which != method::options) return refuse("only OPTIONS may ask for '*'");
        return {};
    }
    return parse_absolute(text, out);
}

void append_origin_form(byte_buffer& out, method which, std::string_view text, const request_target& target) {
    CO_WQ_REQUIRE(target.form != target_form::authority, "a CONNECT target has no path");
    CO_WQ_REQUIRE(target.path_at <= text.size(), "text is the one the target was parsed from");
    const std::string_view path = text.substr(target.path_at);
    if (path.empty()) return out.append(which == method::options ? '*' : '/');
    if (path[0] == '?') out.append('/');
    out.append(path);
}

}  // namespace co_wq::http
