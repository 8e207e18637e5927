// What the fields of a head mean for the message and the connection, and which combinations are refused.
//
// For:    both parsers, after llhttp has found the fields.
// Source: RFC 9112 sections 3.2 (Host), 6.1 to 6.3 (framing), 9.3 (persistence); RFC 9110 section 10.1.1 (Expect).
#pragma once

#include "http/h1/message.hpp"
#include "http/parse_limits.hpp"

namespace co_wq::http::h1::detail {

// Fills in everything of the head that follows from version, method and fields. The target is parsed already.
checked apply_request_rules(request_head& head, const parse_limits& limits);

// asked is the method of the request this answers.
checked apply_response_rules(response_head& head, method asked, const parse_limits& limits);

// Trailers must not carry what decides framing, routing or authentication (RFC 9110 section 6.5.1).
checked check_trailers(const header_list& trailers) noexcept;

}  // namespace co_wq::http::h1::detail
