// Reads responses from a connection: bytes in, events out, no I/O.
//
// For:        the client side of HTTP/1.0 and 1.1, and of a proxy towards its origins.
// Requires:   begin() with the request's method before the response's first byte: it decides whether there is a body.
//             The caller passes unconsumed bytes again, with more behind them, and calls finish() at the end of input.
// Guarantees: as request_parser. Interim (1xx) responses come as messages of their own: head_complete, body_end, and
//             the next parse() goes on with the next head; after 101, 2xx to CONNECT or any other final response,
//             bytes behind body_end are left to the caller until the next begin().
// Threads:    one at a time.
// Lifetime:   as request_parser.
// Errors:     always 502, with the reason.
// Source:     RFC 9112 section 6.3 (length), section 8 (incomplete messages); RFC 9110 section 15.2 (1xx).
//
//   response_parser parser;
//   parser.begin(method::get);
//   const step done = parser.parse(input);
#pragma once

#include "http/h1/detail/message_reader.hpp"
#include "http/h1/message.hpp"
#include "http/parse_limits.hpp"

namespace co_wq::http::h1 {

class response_parser {
public:
    explicit response_parser(const parse_limits& limits = {})
        : limits_(limits), reader_(detail::message_reader::side::response, limits) {}

    // Requires: no response is under way.
    void begin(method asked) noexcept;
    step parse(const_bytes input);

    // The server closed the connection. body_end: that is how this response ends. Else an error: it was cut off.
    step finish() noexcept;

    // No byte of the (next) response was seen. If the connection ends now, a request sent on it may be tried again.
    bool idle() const noexcept { return reader_.at_start() || reader_.over(); }
    // The final response is over; begin() comes next.
    bool done() const noexcept { return reader_.over() && !head_.interim(); }

    const response_head& head() const noexcept { return head_; }
    response_head& head() noexcept { return head_; }
    const header_list& trailers() const noexcept { return trailers_; }
    const refusal& error() const noexcept { return reader_.error(); }

    // Gives back memory beyond keep bytes. Requires: idle(). head() and trailers() end.
    void release_memory(std::size_t keep = 0) noexcept;

private:
    step end_head(step done);
    step as_gateway(step done) noexcept;

    const parse_limits limits_;
    response_head head_;
    header_list trailers_;
    method asked_ = method::get;
    std::size_t interims_ = 0;
    detail::message_reader reader_;
};

}  // namespace co_wq::http::h1
