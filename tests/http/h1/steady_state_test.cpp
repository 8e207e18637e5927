// The promise that a connection's parser and output buffer do not allocate once they have seen their largest head.
#include <gtest/gtest.h>

#include <string>

#include "http/error_page.hpp"
#include "http/h1/chunked.hpp"
#include "http/h1/forward_head.hpp"
#include "http/h1/request_parser.hpp"
#include "http/h1/response_parser.hpp"
#include "support/counted_heap.hpp"

namespace co_wq::http::h1 {
namespace {

template <class Parser>
void read_all(Parser& parser, std::string_view text) {
    const_bytes input = as_bytes(text);
    event last = event::need_more;
    while (last != event::body_end) {
        const step done = parser.parse(input);
        input = input.subspan(done.consumed);
        last = done.what;
        ASSERT_NE(last, event::error);
    }
    ASSERT_TRUE(input.empty());
}

TEST(steady_state, an_exchange_on_a_warm_connection_does_not_allocate) {
    request_parser requests;
    response_parser responses;
    byte_buffer out;
    const auto exchange = [&] {
        out.clear();
        read_all(requests,
                 "POST http://a.name.longer.than.any.small.string/x HTTP/1.1\r\n"
                 "Host: a.name.longer.than.any.small.string\r\nX-Hop: 1\r\nConnection: x-hop\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
        write_forward_request(out, requests.head(), {.pseudonym = "me"});
        append_chunk(out, as_bytes("hello"));
        append_last_chunk(out, requests.trailers());
        responses.begin(method::post);
        read_all(responses, "HTTP/1.1 100 Continue\r\n\r\n");
        read_all(responses, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: s\r\n\r\nok");
        write_forward_response(out, responses.head(), {.pseudonym = "me"});
        write_error_page(out, {.status = 502, .detail = "why"});
    };
    exchange();
    exchange();
    const std::size_t before = heap_allocations();
    for (int i = 0; i < 100; ++i) exchange();
    EXPECT_EQ(heap_allocations(), before);
}

TEST(steady_state, an_idle_connection_can_give_its_memory_back) {
    request_parser parser;
    read_all(parser, "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n");
    parser.release_memory(1024);
    EXPECT_EQ(parser.head().headers.text_size(), 0u);
    read_all(parser, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_LT(sizeof(request_parser), 1024u);
    EXPECT_LT(sizeof(response_parser), 1024u);
}

TEST(misuse, ends_the_program_with_a_report) {
    EXPECT_DEATH(chunk_header(0), "a chunk of no bytes would end the body");
    EXPECT_DEATH(
        {
            request_parser parser;
            parser.parse(as_bytes(" "));
            parser.parse(as_bytes(" "));
        },
        "a parser that refused a request reads no more");
    EXPECT_DEATH(
        {
            response_parser parser;
            parser.begin(method::get);
            parser.parse(as_bytes("HTTP/1.1 204\r\n\r\n"));
            parser.parse({});
            parser.parse({});
        },
        "begin\\(\\) tells which request the next response answers");
    EXPECT_DEATH(
        {
            request_parser parser;
            parser.parse(as_bytes("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"));
            byte_buffer out;
            write_forward_request(out, parser.head(), {});
        },
        "a CONNECT is not forwarded");
}

}  // namespace
}  // namespace co_wq::http::h1
