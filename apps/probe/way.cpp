#include "probe/way.hpp"

#include <algorithm>

namespace co_wq::probe {
namespace {

std::string text_of(const http::authority& where, std::optional<std::uint16_t> default_port = {}) {
    http::byte_buffer out;
    http::append_authority(out, where, default_port);
    return std::string(out.text());
}

// Printable ASCII without spaces: what may stand in a request line.
bool plain(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

bool take(std::string_view& text, std::string_view prefix) noexcept {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

}  // namespace

const char* name_of(proxy_kind kind) noexcept {
    switch (kind) {
        case proxy_kind::http: return "http";
        case proxy_kind::socks5: return "socks5";
        default: return "socks5h";
    }
}

std::string url::host_field() const { return text_of(where, static_cast<std::uint16_t>(secure ? 443 : 80)); }

std::string url::text() const { return (secure ? "https://" : "http://") + host_field() + path; }

std::string proxy::text() const {
    return std::string(name_of(kind)) + "://" + (user.empty() ? "" : user + "@") + text_of(where);
}

std::string way::name() const {
    if (!through) return "direct";
    if (through->kind != proxy_kind::http) return std::string(name_of(through->kind)) + " tunnel";
    return forwarded() ? "http proxy, forwarded" : "http proxy, CONNECT";
}

std::expected<url, std::string> parse_url(std::string_view text) {
    url made;
    if (take(text, "https://")) {
        made.secure = true;
    } else if (!take(text, "http://")) {
        return std::unexpected("a URL begins with http:// or https://");
    }
    const std::size_t end = text.find_first_of("/?#");
    const std::string_view host = text.substr(0, end);
    std::string_view rest = end == std::string_view::npos ? "" : text.substr(end);
    rest = rest.substr(0, rest.find('#'));
    if (!plain(rest)) return std::unexpected("spaces, control and other than ASCII characters must be %-encoded");
    const auto port = static_cast<std::uint16_t>(made.secure ? 443 : 80);
    if (const http::checked good = http::parse_authority(host, port, made.where); !good)
        return std::unexpected(std::string(good.error().reason));
    made.path = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
    return made;
}

std::expected<proxy, std::string> parse_proxy(std::string_view text) {
    proxy made;
    if (take(text, "socks5h://")) {
        made.kind = proxy_kind::socks5h;
    } else if (take(text, "socks5://")) {
        made.kind = proxy_kind::socks5;
    } else if (!take(text, "http://")) {
        return std::unexpected("a proxy is http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT");
    }
    if (text.ends_with('/')) text.remove_suffix(1);
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
        const std::string_view who = text.substr(0, at);
        text.remove_prefix(at + 1);
        const std::size_t colon = who.find(':');
        made.user = who.substr(0, colon);
        if (colon != std::string_view::npos) made.password = who.substr(colon + 1);
        if (made.user.empty() || made.user.size() > 255 || made.password.size() > 255)
            return std::unexpected("user and password have 1 to 255 characters");
    }
    const auto port = static_cast<std::uint16_t>(made.kind == proxy_kind::http ? 8080 : 1080);
    if (const http::checked good = http::parse_authority(text, port, made.where); !good)
        return std::unexpected(std::string(good.error().reason));
    return made;
}

std::string base64(std::string_view text) {
    static constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        const std::size_t left = std::min<std::size_t>(3, text.size() - i);
        std::uint32_t word = 0;
        for (std::size_t k = 0; k < 3; ++k)
            word = word << 8 | (k < left ? static_cast<unsigned char>(text[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k) out += k <= left ? letters[word >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

}  // namespace co_wq::probe
