#include "http/h1/forward_head.hpp"

#include "base/assert.hpp"
#include "http/forward.hpp"

namespace co_wq::http::h1 {

namespace {

void append_via(byte_buffer& out, version received, std::string_view pseudonym) {
    out.append(received == version::http_1_1 ? "Via: 1.1 " : "Via: 1.0 ");
    out.append(pseudonym);
    out.append("\r\n");
}

void append_number_field(byte_buffer& out, std::string_view name, std::uint64_t number) {
    out.append(name);
    out.append(": ");
    out.append_decimal(number);
    out.append("\r\n");
}

void append_host(byte_buffer& out, const authority& where) {
    out.append("Host: ");
    append_authority(out, where, http_port);
    out.append("\r\n");
}

void append_request_line(byte_buffer& out, const request_head& head, bool absolute_form) {
    out.append(head.method_text());
    out.append(' ');
    if (absolute_form) {
        out.append("http://");
        append_authority(out, head.authority(), http_port);
        // OPTIONS of the server as a whole has no path at all here (RFC 9112 section 3.2.4)
        const std::string_view path = head.target_text().substr(head.target.path_at);
        const bool whole_server = head.method == method::options && (path.empty() || path == "*");
        if (!whole_server) append_origin_form(out, head.method, head.target_text(), head.target);
    } else {
        append_origin_form(out, head.method, head.target_text(), head.target);
    }
    out.append(" HTTP/1.1\r\n");
}

// Fields that are written from what was parsed instead of being copied.
constexpr field_set rewritten{field_id::host, field_id::content_length, field_id::expect, field_id::max_forwards,
                              field_id::trailer};

void append_request_fields(byte_buffer& out, const request_head& head, const request_rules& rules) {
    const hop_filter filter(head.headers);
    const forward_budget budget = budget_of(head.method, head.headers);
    CO_WQ_REQUIRE(budget.what != forward_budget::verdict::answer, "Max-Forwards: 0 is answered, not forwarded");
    for (const field each : head.headers) {
        if (filter.drops(each)) continue;
        if (rewritten.has(each.id)) [[unlikely]] {
            if (each.id == field_id::host || each.id == field_id::content_length) continue;
            if (each.id == field_id::trailer && head.framing.kind != body_kind::chunked) continue;
            if (each.id == field_id::expect) {
                if (head.version == version::http_1_0) continue;
                if (head.expect_continue && !rules.send_expect) continue;
            }
            if (each.id == field_id::max_forwards && budget.what == forward_budget::verdict::forward) {
                append_number_field(out, each.name, budget.left);
                continue;
            }
        }
        append_field(out, each.name, each.value);
    }
}

// Connection and what it names, as we want them towards the next hop.
void append_connection(byte_buffer& out, const request_head& head, const request_rules& rules) {
    const bool trailers = head.headers.has_member(field_id::te, "trailers");
    const bool upgrade = rules.keep_upgrade && head.upgrade;
    if (trailers) out.append("TE: trailers\r\n");
    if (upgrade)
        for (const field each : head.headers)
            if (each.id == field_id::upgrade) append_field(out, each.name, each.value);
    if (!trailers && !upgrade && !rules.close) return;
    out.append("Connection: ");
    const char* separator = "";
    const auto option = [&](bool wanted, std::string_view name) {
        if (!wanted) return;
        out.append(separator);
        out.append(name);
        separator = ", ";
    };
    option(rules.close, "close");
    option(trailers, "TE");
    option(upgrade, "Upgrade");
    out.append("\r\n");
}

}  // namespace

void write_forward_request(byte_buffer& out, const request_head& head, const request_rules& rules) {
    CO_WQ_REQUIRE(head.method != method::connect, "a CONNECT is not forwarded but answered with a tunnel");
    CO_WQ_REQUIRE(!head.authority().host.empty(), "a request without authority cannot be forwarded");
    append_request_line(out, head, rules.absolute_form);
    append_host(out, head.authority());
    append_request_fields(out, head, rules);
    append_via(out, head.version, rules.pseudonym);
    if (!rules.proxy_authorization.empty()) append_field(out, "Proxy-Authorization", rules.proxy_authorization);
    if (head.framing.kind == body_kind::length) append_number_field(out, "Content-Length", head.framing.length);
    if (head.framing.kind == body_kind::chunked) out.append("Transfer-Encoding: chunked\r\n");
    append_connection(out, head, rules);
    out.append("\r\n");
}

void write_connect_request(byte_buffer& out, const authority& where, const request_rules& rules) {
    CO_WQ_REQUIRE(!where.host.empty() && where.port != 0, "a CONNECT names host and port");
    out.append("CONNECT ");
    append_authority(out, where);
    out.append(" HTTP/1.1\r\nHost: ");
    append_authority(out, where);
    out.append("\r\n");
    if (!rules.proxy_authorization.empty()) append_field(out, "Proxy-Authorization", rules.proxy_authorization);
    out.append("\r\n");
}

body_kind outgoing_body(const framing& received, version client) noexcept {
    if (received.kind == body_kind::none || received.kind == body_kind::length) return received.kind;
    return client == version::http_1_1 ? body_kind::chunked : body_kind::until_eof;
}

namespace {

void append_response_fields(byte_buffer& out, const response_head& head, body_kind body) {
    const hop_filter filter(head.headers);
    // to HEAD and in 304 a length is information, not framing; in 1xx and 204 it is nothing (RFC 9110 section 8.6)
    const bool keep_length = body == body_kind::none && head.status >= 200 && head.status != 204;
    for (const field each : head.headers) {
        if (filter.drops(each)) continue;
        if (each.id == field_id::content_length && !keep_length) continue;
        if (each.id == field_id::trailer && body != body_kind::chunked) continue;
        append_field(out, each.name, each.value);
    }
}

void append_status_line(byte_buffer& out, const response_head& head) {
    out.append("HTTP/1.1 ");
    out.append_decimal(head.status);
    out.append(' ');
    out.append(head.reason());
    out.append("\r\n");
}

void append_response_connection(byte_buffer& out, const response_head& head, const response_rules& rules, bool close) {
    if (rules.keep_upgrade && head.status == 101) {
        for (const field each : head.headers)
            if (each.id == field_id::upgrade) append_field(out, each.name, each.value);
        out.append("Connection: Upgrade\r\n");
    } else if (close) {
        out.append("Connection: close\r\n");
    } else if (rules.client == version::http_1_0) {
        out.append("Connection: keep-alive\r\n");
    }
}

}  // namespace

body_kind write_forward_response(byte_buffer& out, const response_head& head, const response_rules& rules) {
    CO_WQ_REQUIRE(!head.interim() || rules.client == version::http_1_1, "HTTP/1.0 knows no interim responses");
    const body_kind body = outgoing_body(head.framing, rules.client);
    append_status_line(out, head);
    append_response_fields(out, head, body);
    append_via(out, head.version, rules.pseudonym);
    if (!head.interim()) {
        if (!rules.date.empty() && head.headers.count(field_id::date) == 0) append_field(out, "Date", rules.date);
        if (body == body_kind::length) append_number_field(out, "Content-Length", head.framing.length);
        if (body == body_kind::chunked) out.append("Transfer-Encoding: chunked\r\n");
        append_response_connection(out, head, rules, !rules.keep_alive || body == body_kind::until_eof);
    }
    out.append("\r\n");
    return body;
}

}  // namespace co_wq::http::h1
