#include "proxy/seeing/escape.hpp"

#include <array>

namespace co_wq::proxy {
namespace {

constexpr char digits[] = "0123456789abcdef";

unsigned char byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

// How many bytes the UTF-8 sequence at the start of text has; 0: it is none (RFC 3629 section 4).
std::size_t utf8_length(std::string_view text) {
    const unsigned char first = byte_at(text, 0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    unsigned char low = 0x80,
                  high = 0xbf;  // of the second byte: no overlong forms, no surrogates, nothing above 10FFFF
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    if (byte_at(text, 1) < low || byte_at(text, 1) > high) return 0;
    for (std::size_t at = 2; at < length; ++at)
        if ((byte_at(text, at) & 0xc0) != 0x80) return 0;
    return length;
}

// Which bytes stay as they are.
constexpr std::array<bool, 256> plain_bytes(unsigned char from, bool quotes) {
    std::array<bool, 256> plain{};
    for (unsigned byte = from; byte < 0x7f; ++byte) plain[byte] = byte != '\\' && (quotes || byte != '"');
    return plain;
}
constexpr std::array<bool, 256> plain_in_quotes = plain_bytes(0x20, false);
constexpr std::array<bool, 256> plain_in_column = plain_bytes(0x21, true);

// Appends what is plain from at on; where it ends.
std::size_t append_run(std::string& out, std::string_view text, std::size_t at, const std::array<bool, 256>& plain) {
    std::size_t end = at;
    while (end < text.size() && plain[byte_at(text, end)]) ++end;
    out.append(text, at, end - at);
    return end;
}

void append_ascii(std::string& out, std::string_view text, const std::array<bool, 256>& plain) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        at = append_run(out, text, at, plain);
        if (at == text.size()) return;
        const unsigned char byte = byte_at(text, at);
        if (byte == '"' || byte == '\\')
            out += {'\\', text[at]};
        else
            out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
}

std::string_view bounded(std::string_view text) { return text.substr(0, logged_text_max); }

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    const std::string_view shown = bounded(text);
    for (std::size_t at = 0; at < shown.size();) {
        at = append_run(out, shown, at, plain_in_quotes);
        if (at == shown.size()) break;
        const unsigned char byte = byte_at(shown, at);
        if (byte == '"' || byte == '\\') {
            out += {'\\', shown[at++]};
        } else if (byte < 0x80) {
            out += "\\u00";
            out += {digits[byte >> 4], digits[byte & 15]};
            ++at;
        } else {
            const std::size_t length = utf8_length(shown.substr(at));
            out += length ? shown.substr(at, length) : "\xef\xbf\xbd";
            at += length ? length : 1;
        }
    }
    out += shown.size() < text.size() ? "...\"" : "\"";
}

void append_column(std::string& out, std::string_view text) {
    if (text.empty()) out += '-';
    append_ascii(out, bounded(text), plain_in_column);
    if (text.size() > logged_text_max) out += "...";
}

void append_quoted_column(std::string& out, std::string_view text) {
    out += '"';
    append_ascii(out, bounded(text), plain_in_quotes);
    out += text.size() > logged_text_max ? "...\"" : "\"";
}

std::string loggable_target(std::string_view target, target_options options) {
    std::string out;
    constexpr auto none = std::string_view::npos;
    std::size_t scheme_end = target.find("://");
    const std::size_t first_special = target.find_first_of("/?#@");
    if (scheme_end != none && scheme_end + 1 == first_special) {
        scheme_end += 3;
    } else {
        scheme_end = target.starts_with("//") ? 2 : 0;
    }
    const bool origin_form = scheme_end == 0 && target.starts_with('/');
    std::string_view rest = target.substr(scheme_end);
    if (!options.well_formed) {
        // nobody knows where an authority would end here: everything in front of the last "@" may be credentials
        const std::size_t at = rest.rfind('@');
        if (at != none) rest = rest.substr(at + 1);
    } else if (!origin_form) {
        const std::size_t at = rest.substr(0, rest.find_first_of("/?#")).rfind('@');
        if (at != none) rest = rest.substr(at + 1);
    }
    rest = rest.substr(0, rest.find('#'));
    const std::size_t query = rest.find('?');
    if (!options.query && query != none) rest = rest.substr(0, query + 1);
    out.reserve(scheme_end + rest.size());
    out += target.substr(0, scheme_end);
    out += rest;
    return out;
}

}  // namespace co_wq::proxy
