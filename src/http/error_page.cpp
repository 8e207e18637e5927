#include "http/error_page.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "http/headers.hpp"
#include "http/status.hpp"

namespace co_wq::http {

namespace {

void append_printable(byte_buffer& out, std::string_view text) {
    text = text.substr(0, error_detail_bytes_max);
    char* at = out.extend(text.size());
    for (const char c : text) *at++ = c >= 0x20 && c <= 0x7e ? c : '?';
}

std::size_t body_size(const error_page& page) noexcept {
    const std::size_t phrase = 3 + 1 + phrase_of(page.status).size();  // "502 Bad Gateway"
    const std::size_t detail = std::min(page.detail.size(), error_detail_bytes_max);
    return phrase + (detail == 0 ? 0 : 2 + detail) + 1;
}

void append_status_and_phrase(byte_buffer& out, std::uint16_t status) {
    out.append_decimal(status);
    out.append(' ');
    out.append(phrase_of(status));
}

void append_body(byte_buffer& out, const error_page& page) {
    append_status_and_phrase(out, page.status);
    if (!page.detail.empty()) {
        out.append(": ");
        append_printable(out, page.detail);
    }
    out.append('\n');
}

}  // namespace

void write_error_page(byte_buffer& out, const error_page& page) {
    CO_WQ_REQUIRE(page.status >= 200 && page.status <= 599, "an error page is a final response");
    out.append("HTTP/1.1 ");
    append_status_and_phrase(out, page.status);
    out.append("\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ");
    out.append_decimal(body_size(page));
    out.append("\r\n");
    if (!page.date.empty()) append_field(out, "Date", page.date);
    if (page.status == 407) {
        out.append("Proxy-Authenticate: Basic realm=\"");
        append_printable(out, page.realm);
        out.append("\"\r\n");
    }
    if (page.status == 405) append_field(out, "Allow", page.allow);
    if ((page.status == 503 || page.status == 429) && page.retry_after_s != 0) {
        out.append("Retry-After: ");
        out.append_decimal(page.retry_after_s);
        out.append("\r\n");
    }
    out.append(page.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
    if (page.without_body) return;
    const std::size_t head_bytes = out.size();
    append_body(out, page);
    CO_WQ_ASSERT(out.size() - head_bytes == body_size(page), "the body is as long as Content-Length says");
}

}  // namespace co_wq::http
