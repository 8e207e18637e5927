#include "http/h1/detail/head_rules.hpp"

#include <limits>

#include "http/detail/grammar.hpp"
#include "http/h1/chunked.hpp"
#include "http/status.hpp"

namespace co_wq::http::h1::detail {

using http::detail::equal_ignoring_case;
using http::detail::next_member;

namespace {

// One walk over the fields collects all that the rules ask for.
struct facts {
    unsigned hosts = 0;
    unsigned lengths = 0;
    unsigned encodings = 0;
    std::size_t options = 0;
    bool close = false;
    bool keep_alive = false;
    bool names_upgrade = false;
    bool has_upgrade = false;
    bool expect_continue = false;
    bool expect_unknown = false;
    std::string_view host;
    std::string_view length;
    std::string_view encoding;
};

void read_options(std::string_view value, facts& known) noexcept {
    for (auto option = next_member(value); !option.empty(); option = next_member(value)) {
        ++known.options;
        if (equal_ignoring_case(option, "close"))
            known.close = true;
        else if (equal_ignoring_case(option, "keep-alive"))
            known.keep_alive = true;
        else if (equal_ignoring_case(option, "upgrade"))
            known.names_upgrade = true;
    }
}

facts read_fields(const header_list& fields) noexcept {
    facts known;
    for (const field each : fields) {
        switch (each.id) {
            case field_id::host: ++known.hosts, known.host = each.value; break;
            case field_id::content_length: ++known.lengths, known.length = each.value; break;
            case field_id::transfer_encoding: ++known.encodings, known.encoding = each.value; break;
            case field_id::connection: read_options(each.value, known); break;
            case field_id::upgrade: known.has_upgrade = true; break;
            case field_id::expect:
                (equal_ignoring_case(each.value, "100-continue") ? known.expect_continue : known.expect_unknown) = true;
                break;
            default: break;
        }
    }
    return known;
}

checked parse_length(std::string_view text, std::uint64_t& out) noexcept {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (text.empty() || !http::detail::all_are(http::detail::digit_char, text))
        return refuse("Content-Length is not a number");
    out = 0;
    for (const char c : text) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (out > (most - digit) / 10) return refuse("Content-Length is too large");
        out = out * 10 + digit;
    }
    return {};
}

// Exactly "chunked", once. What ends in another coding has no end we could find: 400. Known codings below it would have
// to be undone by somebody: 501.
checked check_encoding(std::string_view value) noexcept {
    if (equal_ignoring_case(value, "chunked")) return {};
    unsigned codings = 0;
    unsigned chunked = 0;
    bool last_is_chunked = false;
    for (auto coding = next_member(value); !coding.empty(); coding = next_member(value)) {
        ++codings;
        last_is_chunked = equal_ignoring_case(coding, "chunked");
        chunked += last_is_chunked;
    }
    if (codings == 0) return refuse("Transfer-Encoding is empty");
    if (chunked > 1) return refuse("Transfer-Encoding names chunked twice");
    if (chunked == 1 && !last_is_chunked) return refuse("Transfer-Encoding does not end with chunked");
    return refuse(501, "Transfer-Encoding other than chunked is not supported");
}

// The part of the framing rules that requests and responses share; none if nothing says otherwise.
checked read_framing(const facts& known, version spoken, framing& out) noexcept {
    out = {};
    if (known.lengths > 1) return refuse("more than one Content-Length");
    if (known.encodings > 1) return refuse("more than one Transfer-Encoding");
    if (known.encodings == 1) {
        if (known.lengths == 1) return refuse("Content-Length together with Transfer-Encoding");
        if (spoken == version::http_1_0) return refuse("Transfer-Encoding in HTTP/1.0");
        if (auto ok = check_encoding(known.encoding); !ok) return ok;
        out.kind = body_kind::chunked;
    } else if (known.lengths == 1) {
        out.kind = body_kind::length;
        return parse_length(known.length, out.length);
    }
    return {};
}

bool keeps_alive(const facts& known, version spoken) noexcept {
    return !known.close && (spoken == version::http_1_1 || known.keep_alive);
}

// The target is parsed already; browsers say in Host the very same once more.
checked read_host(const facts& known, request_head& head) {
    constexpr std::string_view scheme = "http://";
    const std::string_view target = head.target_text();
    if (head.target.form == target_form::absolute &&
        target.substr(scheme.size(), head.target.path_at - scheme.size()) == known.host) {
        head.host = head.target.where;
        return {};
    }
    if (head.has_host) return parse_authority(known.host, http_port, head.host);
    head.host.host.clear();
    return {};
}

}  // namespace

checked apply_request_rules(request_head& head, const parse_limits& limits) {
    const facts known = read_fields(head.headers);
    if (known.options > limits.connection_options_max) return refuse("Connection names too many options");
    if (known.hosts > 1) return refuse("more than one Host");
    if (known.hosts == 0 && head.version == version::http_1_1) return refuse("Host is missing");
    if (auto ok = read_framing(known, head.version, head.framing); !ok) return ok;
    head.has_host = known.hosts == 1;
    if (auto ok = read_host(known, head); !ok) return ok;
    if (head.method == method::connect || head.method == method::trace) {
        const bool empty = head.framing.kind == body_kind::none || head.framing == framing{body_kind::length, 0};
        if (!empty) return refuse("CONNECT and TRACE have no body");
    }
    const bool modern = head.version == version::http_1_1;
    head.keep_alive = keeps_alive(known, head.version);
    head.expect_continue = modern && known.expect_continue;
    head.expect_unknown = modern && known.expect_unknown;
    head.upgrade = modern && known.has_upgrade && known.names_upgrade && head.method != method::connect;
    return {};
}

checked apply_response_rules(response_head& head, method asked, const parse_limits& limits) {
    const facts known = read_fields(head.headers);
    if (known.options > limits.connection_options_max) return refuse("Connection names too many options");
    if (auto ok = read_framing(known, head.version, head.framing); !ok) return ok;
    head.keep_alive = keeps_alive(known, head.version);
    const bool tunnel = asked == method::connect && head.status >= 200 && head.status < 300;
    if (tunnel || asked == method::head || !status_allows_body(head.status)) {
        head.framing = {};
    } else if (head.framing.kind == body_kind::none) {
        head.framing.kind = body_kind::until_eof;
        head.keep_alive = false;
    }
    return {};
}

checked check_trailers(const header_list& trailers) noexcept {
    for (const field each : trailers)
        if (fields_not_in_trailers.has(each.id)) return refuse("a trailer field that belongs into the head");
    return {};
}

}  // namespace co_wq::http::h1::detail
