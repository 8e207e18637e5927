#include "http/h1/detail/line_rules.hpp"

#include "http/detail/grammar.hpp"

namespace co_wq::http::h1::detail {

using http::detail::digit_char;
using http::detail::is;

namespace {

constexpr std::size_t method_bytes_max = 32;

checked parse_version(std::string_view text, version& out) noexcept {
    if (text.size() != 8 || !text.starts_with("HTTP/") || !is(digit_char, text[5]) || text[6] != '.' ||
        !is(digit_char, text[7]))
        return refuse("start line has no HTTP version");
    if (text == "HTTP/1.1")
        out = version::http_1_1;
    else if (text == "HTTP/1.0")
        out = version::http_1_0;
    else
        return refuse(505, "HTTP version is neither 1.0 nor 1.1");
    return {};
}

}  // namespace

checked parse_request_line(std::string_view line, request_line& out) noexcept {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last)
        return refuse("request line is not method, target and version");
    out.method = line.substr(0, first);
    out.target = line.substr(first + 1, last - first - 1);
    if (!http::detail::is_token(out.method)) return refuse("request method is not a token");
    if (out.method.size() > method_bytes_max) return refuse(501, "request method is longer than any we know");
    return parse_version(line.substr(last + 1), out.version);
}

checked parse_status_line(std::string_view line, status_line& out) noexcept {
    if (auto ok = parse_version(line.substr(0, 8), out.version); !ok) return ok;
    line.remove_prefix(8);
    if (line.size() < 4 || line[0] != ' ' || !http::detail::all_are(digit_char, line.substr(1, 3)))
        return refuse("status line has no status code of three digits");
    const int status = (line[1] - '0') * 100 + (line[2] - '0') * 10 + (line[3] - '0');
    if (status < 100 || status > 599) return refuse("status code is outside of 100 to 599");
    out.status = static_cast<std::uint16_t>(status);
    line.remove_prefix(4);
    // the space before an empty phrase is often left out
    if (!line.empty() && line[0] != ' ') return refuse("status code is not followed by a space");
    out.reason = line.empty() ? line : line.substr(1);
    if (!http::detail::is_field_text(out.reason)) return refuse("reason phrase has a control character");
    return {};
}

checked check_field_line(std::string_view line) noexcept {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return refuse("header line has no colon");
    if (colon == 0) return refuse("header field has an empty name");
    const std::string_view name = line.substr(0, colon);
    if (name.back() == ' ' || name.back() == '\t') return refuse("space between a field name and its colon");
    if (!http::detail::is_token(name)) return refuse("field name is not a token");
    if (!http::detail::is_field_text(line.substr(colon + 1))) return refuse("field value has a control character");
    return {};
}

}  // namespace co_wq::http::h1::detail
