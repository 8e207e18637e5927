// What a start line and a field line must look like, byte for byte. llhttp lets more through.
//
// Source: RFC 9112 sections 3 (request line), 4 (status line), 5 (field lines, no obs-fold, no space before the colon).
#pragma once

#include <string_view>

#include "http/h1/message.hpp"
#include "http/refusal.hpp"

namespace co_wq::http::h1::detail {

struct request_line {
    std::string_view method;
    std::string_view target;
    h1::version version = h1::version::http_1_1;
};
struct status_line {
    h1::version version = h1::version::http_1_1;
    std::uint16_t status = 0;
    std::string_view reason;
};

// All take the line without its CRLF. The target is whatever stands between the first and the last space:
// parse_target() looks at it.
checked parse_request_line(std::string_view line, request_line& out) noexcept;
checked parse_status_line(std::string_view line, status_line& out) noexcept;
checked check_field_line(std::string_view line) noexcept;

}  // namespace co_wq::http::h1::detail
