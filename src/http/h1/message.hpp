// What the HTTP/1 parsers hand out: heads, framing and steps.
//
// For:      callers of request_parser and response_parser; plain data.
// Lifetime: texts of a head are views into its header_list and hold until the parser begins the next message. A head
//           may be moved out of a parser; its texts move with it.
// Source:   RFC 9112 sections 3, 4 and 6.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "http/headers.hpp"
#include "http/method.hpp"
#include "http/refusal.hpp"
#include "http/target.hpp"

namespace co_wq::http::h1 {

enum class version : std::uint8_t { http_1_0, http_1_1 };

// How the end of a body is found.
enum class body_kind : std::uint8_t {
    none,       // there is no body
    length,     // framing::length bytes, which may be 0
    chunked,    // chunks, then trailers
    until_eof,  // responses only: everything until the connection ends
};

struct framing {
    body_kind kind = body_kind::none;
    std::uint64_t length = 0;  // body_kind::length only

    friend bool operator==(const framing&, const framing&) noexcept = default;
};

struct request_head {
    header_list headers;
    http::method method = http::method::get;
    h1::version version = h1::version::http_1_1;
    bool keep_alive = false;       // the client lets us keep the connection after this exchange
    bool expect_continue = false;  // Expect: 100-continue; the client waits for a 100 before it sends the body
    bool expect_unknown = false;   // another expectation: answer 417 or ignore it
    bool upgrade = false;          // Upgrade, named in Connection, HTTP/1.1: the caller decides
    bool has_host = false;         // false only for HTTP/1.0 without a Host field
    h1::framing framing;
    request_target target;
    http::authority host;          // what the Host field says; port 80 if it says none

    header_list::slice method_at;
    header_list::slice target_at;

    std::string_view method_text() const noexcept { return headers.text(method_at); }
    std::string_view target_text() const noexcept { return headers.text(target_at); }
    // Whom the request is for: the target's authority if it has one, whatever Host says, else the Host field's
    // (RFC 9112 sections 3.2.2 and 3.3). An empty host only for HTTP/1.0 without a Host field.
    const http::authority& authority() const noexcept { return target.has_authority() ? target.where : host; }
};

struct response_head {
    header_list headers;
    std::uint16_t status = 0;
    h1::version version = h1::version::http_1_1;
    bool keep_alive = false;  // the server lets us keep the connection after this exchange
    h1::framing framing;

    header_list::slice reason_at;

    std::string_view reason() const noexcept { return headers.text(reason_at); }
    bool interim() const noexcept { return status < 200 && status != 101; }  // another head follows
};

enum class event : std::uint8_t {
    need_more,      // all input is consumed; come back with more
    head_complete,  // head() is there; the body has not been looked at
    body,           // step::body is the next piece of it, a view into the input
    body_end,       // the message is over, trailers() are there; nothing behind it was consumed
    error,          // error() says why; the connection is of no more use for reading
};

struct step {
    std::size_t consumed = 0;  // bytes of the input that are done with
    event what = event::need_more;
    const_bytes body;
};

}  // namespace co_wq::http::h1
