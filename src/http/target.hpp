// Where a request wants to go: the four forms of a request-target, and authorities (host and port).
//
// For:        deciding and connecting. Strict on purpose: whatever two parsers could read in two ways is refused, and
//             the reason says which rule it broke.
// Guarantees: host is lower case and without brackets: a DNS name of letters, digits, "-", "_" and ".", an IPv4 address
//             in the usual four-part form, or an IPv6 address without zone. Names that a resolver may take for a number
//             ("127.1", "0x7f000001", "2130706433") are refused. port is 1 to 65535. The path is not touched:
//             percent-encoding, "..", empty segments stay as sent.
// Threads:    plain values.
// Errors:     400 with the reason.
// Source:     RFC 9112 section 3.2, RFC 3986 section 3.2, RFC 9110 section 4.2.4 (no userinfo), RFC 4291 section 2.2.
//
//   request_target target;
//   if (auto ok = parse_target(method::get, "http://Example.com/a?b", target); ok)
//       connect(target.where.host, target.where.port);     // "example.com", 80
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/byte_buffer.hpp"
#include "http/method.hpp"
#include "http/refusal.hpp"

namespace co_wq::http {

enum class host_kind : std::uint8_t { name, ipv4, ipv6 };

struct authority {
    std::string host;  // lower case, an IPv6 address without its brackets
    std::uint16_t port = 0;
    host_kind kind = host_kind::name;

    bool is_ipv6() const noexcept { return kind == host_kind::ipv6; }
    friend bool operator==(const authority&, const authority&) noexcept = default;
};

inline constexpr std::uint16_t http_port = 80;
inline constexpr std::uint16_t https_port = 443;

// host [":" port]. Without a default_port the port must be there. On refusal where is unspecified.
checked parse_authority(std::string_view text, std::optional<std::uint16_t> default_port, authority& where);

// "example.com:8080", "[::1]:80"; without the port if it equals default_port.
void append_authority(byte_buffer& out, const authority& where, std::optional<std::uint16_t> default_port = {});

enum class target_form : std::uint8_t {
    origin,  // /path?query
    absolute,  // http://host:port/path?query
    authority,  // host:port, CONNECT only
    asterisk,  // *, OPTIONS only
};

struct request_target {
    target_form form = target_form::origin;
    authority where;  // absolute and authority form; else empty
    std::uint32_t path_at = 0;  // absolute and origin form: where path and query begin in the text; may be its end

    bool has_authority() const noexcept { return form == target_form::absolute || form == target_form::authority; }
};

// Checks text against the forms the method allows. Reuses the memory of out.
checked parse_target(method which, std::string_view text, request_target& out);

// Path and query as an origin server wants them: "/" for an empty path, "*" for OPTIONS with an empty path (RFC 9112
// section 3.2.4). text is what parse_target was given.
void append_origin_form(byte_buffer& out, method which, std::string_view text, const request_target& target);

}  // namespace co_wq::http
