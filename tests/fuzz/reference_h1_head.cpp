#include "reference_h1_head.hpp"

namespace co_wq::reference_h1::detail {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_visible(char c) { return c > 0x20 && c < 0x7f; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
// field-vchar, SP and HTAB; char is signed or not, obs-text is 0x80 and above
bool is_text(char c) { return is_visible(c) || is_blank(c) || static_cast<unsigned char>(c) >= 0x80; }
bool is_token_char(char c) {
    return is_digit(c) || is_alpha(c) || (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c));
}

template <class Is>
bool all(std::string_view text, Is is) {
    for (const char c : text)
        if (!is(c)) return false;
    return true;
}

bool is_token(std::string_view text) { return !text.empty() && all(text, is_token_char); }

std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// The next line of lines, without its end. Each line here ends with LF.
std::string next_line(std::string_view& lines, std::string_view& line) {
    const std::size_t feed = lines.find('\n');
    line = lines.substr(0, feed);
    lines.remove_prefix(feed + 1);
    if (line.empty() || line.back() != '\r') return "a line ends with LF alone";
    line.remove_suffix(1);
    if (line.contains('\r')) return "a CR that ends no line";
    if (line.contains('\0')) return "a NUL";
    return {};
}

// field-line = field-name ":" OWS field-value OWS
std::string parse_field(std::string_view line, fields& out) {
    if (is_blank(line.front())) return "a field line begins with a blank (folding)";
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return "a field line has no colon";
    const std::string_view name = line.substr(0, colon);
    if (!is_token(name)) return "a field name is no token";
    const std::string_view value = without_blanks(line.substr(colon + 1));
    if (!all(value, is_text)) return "a field value has a control character";
    out.push_back({std::string(name), std::string(value)});
    return {};
}

std::string parse_fields(std::string_view lines, fields& out) {
    std::string_view line;
    while (!lines.empty()) {
        if (std::string why = next_line(lines, line); !why.empty()) return why;
        if (line.empty()) break;
        if (std::string why = parse_field(line, out); !why.empty()) return why;
    }
    return {};
}

std::vector<std::string> values_of(const fields& all_fields, std::string_view name) {
    std::vector<std::string> found;
    for (const field& one : all_fields)
        if (lower(one.name) == name) found.push_back(one.value);
    return found;
}

bool lists(const fields& all_fields, std::string_view name, std::string_view member) {
    for (const std::string& value : values_of(all_fields, name)) {
        std::string_view rest = value;
        for (;;) {
            const std::size_t comma = rest.find(',');
            if (lower(without_blanks(rest.substr(0, comma))) == member) return true;
            if (comma == std::string_view::npos) break;
            rest.remove_prefix(comma + 1);
        }
    }
    return false;
}

std::string parse_version(std::string_view text, int& minor) {
    if (text.size() != 8 || text.substr(0, 7) != "HTTP/1." || !is_digit(text[7])) return "the version is not HTTP/1.x";
    minor = text[7] - '0';
    return {};
}

// RFC 3986: what may stand in a path, a query and an authority
bool is_uri_char(char c) {
    return is_alpha(c) || is_digit(c) || std::string_view("-._~:/?[]@!$&'()*+,;=%").contains(c);
}

bool has_odd_characters(std::string_view target) {
    for (std::size_t i = 0; i < target.size(); ++i) {
        if (!is_uri_char(target[i])) return true;
        if (target[i] != '%') continue;
        if (i + 2 >= target.size() || !is_hex(target[i + 1]) || !is_hex(target[i + 2])) return true;
    }
    return false;
}

// The authority of an absolute-form target, or nothing.
std::string_view authority_of(std::string_view target) {
    const std::size_t scheme_end = target.find("://");
    if (scheme_end == std::string_view::npos) return {};
    const std::size_t at = scheme_end + 3;
    return target.substr(at, std::min(target.find_first_of("/?", at), target.size()) - at);
}

std::string check_target(const head& request) {
    const std::string_view target = request.target;
    if (target.empty() || !all(target, is_visible)) return "the target has a character that no target has";
    if (target.contains('#')) return "the target has a fragment";
    if (request.method == "CONNECT") {
        const std::size_t colon = target.rfind(':');
        const bool port =
            colon != std::string_view::npos && colon + 1 < target.size() && all(target.substr(colon + 1), is_digit);
        return port && !normal_authority(target).empty() ? "" : "CONNECT without host and port";
    }
    if (target == "*") return request.method == "OPTIONS" ? "" : "\"*\" for a method other than OPTIONS";
    if (target.front() == '/') return {};
    const std::string_view scheme = target.substr(0, target.find("://"));
    if (scheme.size() == target.size() || scheme.empty() || !is_alpha(scheme.front()) ||
        !all(scheme, [](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; }))
        return "the target has none of the four forms";
    return normal_authority(authority_of(target)).empty() ? "the target's authority is no host" : "";
}

// RFC 9112 section 6.3, the part of the rules that the fields decide. A Content-Length is 1*DIGIT, once.
std::string read_framing(head& out) {
    const std::vector<std::string> lengths = values_of(out.fields, "content-length");
    const std::vector<std::string> codings = values_of(out.fields, "transfer-encoding");
    if (!codings.empty() && !lengths.empty()) return "both Transfer-Encoding and Content-Length";
    if (codings.size() > 1) return "Transfer-Encoding more than once";
    if (lengths.size() > 1) return "Content-Length more than once";
    if (!codings.empty()) {
        if (out.minor_version == 0) return "Transfer-Encoding in HTTP/1.0";
        if (lower(codings[0]) != "chunked") return "a Transfer-Encoding other than chunked alone";
        out.how = framing::chunked;
    } else if (!lengths.empty()) {
        if (lengths[0].empty() || !all(lengths[0], is_digit)) return "Content-Length is not a number";
        for (const char c : lengths[0]) {
            const auto digit = static_cast<std::uint64_t>(c - '0');
            if (out.length > (INT64_MAX - digit) / 10) return "Content-Length is too large";
            out.length = out.length * 10 + digit;
        }
        out.how = framing::length;
    }
    return {};
}

void read_persistence(head& out) {
    out.persistent = !lists(out.fields, "connection", "close") &&
                     (out.minor_version >= 1 || lists(out.fields, "connection", "keep-alive"));
}

std::string check_host(const head& request) {
    const std::vector<std::string> hosts = values_of(request.fields, "host");
    if (hosts.size() > 1) return "Host more than once";
    if (hosts.empty()) return request.minor_version >= 1 ? "no Host" : "";
    return hosts[0].empty() || !normal_authority(hosts[0]).empty() ? "" : "Host is no host";
}

bool is_quoted(std::string_view text) {
    if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        if (text[i] == '"') return false;
        if (text[i] == '\\' && ++i + 1 >= text.size()) return false;
    }
    return true;
}

// *( BWS ";" BWS name [ BWS "=" BWS value ] )
bool is_extension_list(std::string_view text) {
    while (!text.empty()) {
        if (text.front() != ';') return false;
        std::size_t end = 1;
        for (bool quoted = false; end < text.size() && (quoted || text[end] != ';'); ++end) {
            if (quoted && text[end] == '\\')
                ++end;
            else if (text[end] == '"')
                quoted = !quoted;
        }
        end = std::min(end, text.size());
        const std::string_view one = text.substr(1, end - 1);
        const std::size_t equals = one.find('=');
        if (!is_token(without_blanks(one.substr(0, equals)))) return false;
        if (equals != std::string_view::npos) {
            const std::string_view value = without_blanks(one.substr(equals + 1));
            if (!is_token(value) && !is_quoted(value)) return false;
        }
        text.remove_prefix(end);
    }
    return true;
}

}  // namespace

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    return out;
}

// uri-host [ ":" port ]; an IP literal is in brackets. User names, which http does not have, are refused by the "@".
std::string normal_authority(std::string_view text) {
    std::string_view host, port = "80";
    std::size_t host_end;
    if (text.starts_with('[')) {
        host_end = text.find(']');
        if (host_end == std::string_view::npos) return {};
        host = text.substr(0, ++host_end);
        if (!all(host.substr(1, host.size() - 2), [](char c) { return is_hex(c) || c == ':' || c == '.'; })) return {};
    } else {
        host_end = std::min(text.find(':'), text.size());
        host = text.substr(0, host_end);
        if (!all(host, [](char c) { return is_uri_char(c) && !std::string_view(":/?[]@").contains(c); })) return {};
    }
    if (host.empty()) return {};
    if (host_end < text.size()) {
        if (text[host_end] != ':') return {};
        const std::string_view given = text.substr(host_end + 1);
        if (!all(given, is_digit)) return {};
        if (!given.empty()) port = given;
    }
    return lower(host) + ":" + std::string(port);
}

std::string parse_request_head(std::string_view lines, head& out) {
    std::string_view line;
    if (std::string why = next_line(lines, line); !why.empty()) return why;
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return "the request line has not three parts";
    out.method = line.substr(0, first);
    out.target = line.substr(first + 1, last - first - 1);
    if (!is_token(out.method)) return "the method is no token";
    if (std::string why = parse_version(line.substr(last + 1), out.minor_version); !why.empty()) return why;
    if (std::string why = check_target(out); !why.empty()) return why;
    if (has_odd_characters(out.target)) out.oddities |= target_with_odd_characters;
    if (std::string why = parse_fields(lines, out.fields); !why.empty()) return why;
    if (std::string why = check_host(out); !why.empty()) return why;
    if (std::string why = read_framing(out); !why.empty()) return why;
    if ((out.method == "TRACE" || out.method == "CONNECT") && (out.how == framing::chunked || out.length > 0))
        out.oddities |= content_in_trace_or_connect;
    read_persistence(out);
    return {};
}

std::string parse_response_head(std::string_view lines, head& out) {
    std::string_view line;
    if (std::string why = next_line(lines, line); !why.empty()) return why;
    if (line.size() < 12 || line[8] != ' ') return "the status line is too short";
    if (std::string why = parse_version(line.substr(0, 8), out.minor_version); !why.empty()) return why;
    const std::string_view code = line.substr(9, 3);
    if (!all(code, is_digit) || code[0] < '1' || code[0] > '5') return "the status is not 100 to 599";
    out.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    if (line.size() == 12) {
        out.oddities |= no_space_after_status;
    } else {
        if (line[12] != ' ') return "the status is not followed by a space";
        out.reason = line.substr(13);
        if (!all(out.reason, is_text)) return "the reason has a control character";
    }
    if (std::string why = parse_fields(lines, out.fields); !why.empty()) return why;
    if (std::string why = read_framing(out); !why.empty()) return why;
    read_persistence(out);
    const bool granted = out.asked == "CONNECT" && out.status / 100 == 2;
    const bool never = out.status < 200 || out.status == 204 || granted;
    if (never && out.how != framing::none) out.oddities |= framing_fields_without_body;
    if (never || out.status == 304 || out.asked == "HEAD") {
        out.how = framing::none;
        out.length = 0;
    } else if (out.how == framing::none) {
        out.how = framing::until_close;
        out.persistent = false;
    }
    return {};
}

std::string parse_trailers(std::string_view lines, fields& out) {
    if (std::string why = parse_fields(lines, out); !why.empty()) return why;
    for (const char* name : {"transfer-encoding", "content-length", "host"})
        if (!values_of(out, name).empty()) return "a trailer field about framing or routing";
    return {};
}

std::string parse_chunk_line(std::string_view line, std::uint64_t& size, unsigned& oddities) {
    std::string_view one = line;
    if (one.empty() || one.back() != '\r') return "a chunk line ends with LF alone";
    one.remove_suffix(1);
    std::size_t digits = 0;
    size = 0;
    for (; digits < one.size() && is_hex(one[digits]); ++digits) {
        if (size > INT64_MAX / 16) return "a chunk size is too large";
        const char c = one[digits];
        size = size * 16 + static_cast<std::uint64_t>(is_digit(c) ? c - '0' : (c & ~0x20) - 'A' + 10);
    }
    if (digits == 0) return "a chunk has no size";
    const std::string_view after = one.substr(digits);
    if (after.empty()) return {};
    const std::string_view extensions = without_blanks(after);
    if (!extensions.starts_with(';') || !all(after, is_text)) return "a chunk size is followed by something else";
    if (is_blank(after.front())) oddities |= space_before_chunk_extension;
    if (!is_extension_list(extensions)) oddities |= odd_chunk_extension;
    return {};
}

}  // namespace co_wq::reference_h1::detail
