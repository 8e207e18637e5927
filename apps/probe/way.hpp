// way: where requests go and through what: the URL, the proxy and how it is used.
//
// Errors: texts that say what is wrong and what would be right.
// Source: RFC 3986 section 3.2, RFC 9110 section 4.2; socks5 and socks5h as curl has them: the first looks names up
//         itself, the second leaves that to the proxy.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "http/target.hpp"

namespace co_wq::probe {

struct url {
    bool secure = false;  // https
    http::authority where;
    std::string path;     // with its query; "/" at least

    std::string text() const;
    std::string host_field() const;  // without the scheme's own port
};

enum class proxy_kind : unsigned char { http, socks5, socks5h };
const char* name_of(proxy_kind kind) noexcept;

struct proxy {
    proxy_kind kind = proxy_kind::http;
    http::authority where;
    std::string user, password;  // empty: none

    std::string text() const;  // without the password
};

struct way {
    url target;
    std::optional<probe::proxy> through;
    bool connect = false;  // CONNECT also for http

    // Requests in absolute form, which the proxy forwards.
    bool forwarded() const noexcept {
        return through && through->kind == proxy_kind::http && !connect && !target.secure;
    }
    // A tunnel through the proxy.
    bool tunnelled() const noexcept { return through && !forwarded(); }
    const http::authority& first_hop() const noexcept { return through ? through->where : target.where; }
    // "direct", "http proxy, forwarded", ...
    std::string name() const;
};

std::expected<url, std::string> parse_url(std::string_view text);
std::expected<proxy, std::string> parse_proxy(std::string_view text);

// RFC 4648 section 4.
std::string base64(std::string_view text);

}  // namespace co_wq::probe
