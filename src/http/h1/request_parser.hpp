// Reads requests from a connection: bytes in, events out, no I/O.
//
// For:        the server side of HTTP/1.0 and 1.1, and of a proxy.
// Requires:   the caller passes unconsumed bytes again, with more behind them if there are any. After event::error only
//             error() and head() may be asked.
// Guarantees: the same events however the input is cut (body pieces may be cut differently). Body bytes are not copied:
//             step::body is a view into the input. Memory is bounded by parse_limits. Nothing behind the end of a head
//             or of a message is consumed in the same step, so pipelined requests and a tunnel's first bytes stay
//             with the caller. In steady state nothing is allocated.
// Strict:     llhttp in its strict grammar, and on top: exactly one valid Host in HTTP/1.1, one Content-Length or
//             Transfer-Encoding and never both, CRLF everywhere, no folding, no spaces where none belong.
// Threads:    one at a time.
// Lifetime:   does not move. head() and its views hold from head_complete until parse() is called after body_end;
//             trailers() from body_end until then.
// Errors:     400, 414 (request line too long), 431 (head or trailers too large), 501 (transfer codings), 505
// (version). Source:     RFC 9112; request smuggling: sections 11.1, 11.2.
//
//   request_parser parser;
//   for (;;) {
//       const step done = parser.parse(input);
//       input = input.subspan(done.consumed);
//       switch (done.what) {
//           case event::need_more: input = read_more(input); break;     // or parser.finish() at the end
//           case event::head_complete: start(parser.head()); break;
//           case event::body: upload(done.body); break;
//           case event::body_end: answer(parser.trailers()); break;     // the next parse() begins the next request
//           case event::error: return refuse(parser.error());
//       }
//   }
#pragma once

#include "http/h1/detail/message_reader.hpp"
#include "http/h1/message.hpp"
#include "http/parse_limits.hpp"

namespace co_wq::http::h1 {

class request_parser {
public:
    explicit request_parser(const parse_limits& limits = {})
        : limits_(limits), reader_(detail::message_reader::side::request, limits) {}

    // After head_complete the next call goes on with the body; of a CONNECT, and of an Upgrade without body, that is
    // body_end at once with nothing consumed: whether the bytes behind belong to a tunnel or are the next request
    // depends on the answer, and so on the caller.
    step parse(const_bytes input);

    // The client closed its side. need_more: between requests, all is well. Else an error: a request was cut off.
    step finish() noexcept;

    // No byte of the next request was seen: the connection is idle.
    bool idle() const noexcept { return reader_.at_start() || reader_.over(); }

    const request_head& head() const noexcept { return head_; }
    request_head& head() noexcept { return head_; }
    const header_list& trailers() const noexcept { return trailers_; }
    const refusal& error() const noexcept { return reader_.error(); }

    // Gives back memory beyond keep bytes; for connections that go idle. Requires: idle(). head() and trailers() end.
    void release_memory(std::size_t keep = 0) noexcept;

private:
    step end_head(step done);
    void forget_words() noexcept;

    const parse_limits limits_;
    request_head head_;
    header_list trailers_;
    detail::message_reader reader_;
};

}  // namespace co_wq::http::h1
