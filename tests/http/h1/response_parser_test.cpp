#include "http/h1/response_parser.hpp"

#include <gtest/gtest.h>

#include "h1/dialogue.hpp"

namespace co_wq::http::h1 {
namespace {

using namespace std::string_view_literals;
using test::response;

TEST(response_parser, a_response_with_a_length_ends_there_and_the_rest_is_left) {
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n"),
              "200 [OK] 1.1 length 3 keep-alive\n  Content-Length=3\nbody abc\nend\nleft [HTTP/1.1 200 OK\r\n]\n");
}

TEST(response_parser, a_chunked_response_ends_with_its_trailers) {
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\nz"),
              "200 [OK] 1.1 chunked keep-alive\n  Transfer-Encoding=chunked\nbody abc\nend\n  X=y\nleft [z]\n");
}

TEST(response_parser, a_response_without_length_goes_on_until_the_connection_ends) {
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\n\r\nabc\r\n\r\ndef"), "200 [OK] 1.1 until eof\nbody abc\r\n\r\ndef\nend\n");
    EXPECT_EQ(response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"),
              "200 [OK] 1.0 until eof\n  Connection=keep-alive\nend\n");
}

TEST(response_parser, status_lines_with_any_phrase_or_none_are_read) {
    EXPECT_EQ(response("HTTP/1.1 204 \r\n\r\n"), "204 [] 1.1 none keep-alive\nend\n");
    EXPECT_EQ(response("HTTP/1.1 204\r\n\r\n"), "204 [] 1.1 none keep-alive\nend\n");
    EXPECT_EQ(response("HTTP/1.0 204 N\xc3\xb6 \tC \r\n\r\n"), "204 [N\xc3\xb6 \tC ] 1.0 none\nend\n");
    EXPECT_EQ(response("HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n"),
              "599 [X] 1.1 length 0 keep-alive\n  Content-Length=0\nend\n");
}

TEST(response_parser, head_204_and_304_have_no_body_whatever_they_say) {
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nleft", method::head),
              "200 [OK] 1.1 none keep-alive\n  Content-Length=5\nend\nleft [left]\n");
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nleft", method::head),
              "200 [OK] 1.1 none keep-alive\n  Transfer-Encoding=chunked\nend\nleft [left]\n");
    EXPECT_EQ(response("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nleft"),
              "304 [Not Modified] 1.1 none keep-alive\n  Content-Length=5\nend\nleft [left]\n");
    EXPECT_EQ(response("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nleft"),
              "204 [No Content] 1.1 none keep-alive\n  Content-Length=5\nend\nleft [left]\n");
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\n\r\n", method::head), "200 [OK] 1.1 none keep-alive\nend\n");
}

TEST(response_parser, interim_responses_come_before_the_final_one) {
    EXPECT_EQ(response("HTTP/1.1 100 Continue\r\n\r\n"
                       "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                       "HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n"
                       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
              "100 [Continue] 1.1 none keep-alive\nend\n"
              "103 [Early Hints] 1.1 none keep-alive\n  Link=</a>\nend\n"
              "103 [Early Hints] 1.1 none keep-alive\n  Content-Length=9\nend\n"
              "200 [OK] 1.1 length 1 keep-alive\n  Content-Length=1\nbody x\nend\n");
    EXPECT_EQ(response("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n", method::get,
                       {.interim_responses_max = 2}),
              "100 [C] 1.1 none keep-alive\nend\n100 [C] 1.1 none keep-alive\nend\n"
              "error 502 too many interim responses\n");
}

TEST(response_parser, what_follows_101_is_another_protocol) {
    EXPECT_EQ(response("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x05hello"),
              "101 [Switching Protocols] 1.1 none keep-alive\n  Connection=upgrade\n  Upgrade=x\nend\n"
              "left [\x81\x05hello]\n");
}

TEST(response_parser, what_follows_a_positive_answer_to_connect_is_the_tunnel) {
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", method::connect),
              "200 [OK] 1.1 none keep-alive\n  Content-Length=5\nend\nleft [hello]\n");
    EXPECT_EQ(response("HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nhello", method::connect),
              "407 [No] 1.1 length 5 keep-alive\n  Content-Length=5\nbody hello\nend\n");
}

TEST(response_parser, a_response_that_is_cut_off_is_an_error_not_an_end) {
    EXPECT_EQ(response(""), "error 502 server closed the connection without an answer\n");
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\nCont"), "error 502 connection ended inside a head\n");
    EXPECT_EQ(response("HTTP/1.1 100 Continue\r\n\r\n"),
              "100 [Continue] 1.1 none keep-alive\nend\nerror 502 server closed the connection without an answer\n");
    EXPECT_EQ(
        response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"),
        "200 [OK] 1.1 length 3 keep-alive\n  Content-Length=3\nbody ab\nerror 502 connection ended inside a body\n");
    for (const std::string_view body :
         {"", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n0", "3\r\nabc\r\n0\r\n", "3\r\nabc\r\n0\r\nX: y\r\n"}) {
        const std::string text = response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body));
        EXPECT_TRUE(text.ends_with("error 502 connection ended inside a chunked body\n")) << text;
    }
}

TEST(response_parser, responses_that_could_be_read_in_two_ways_are_refused) {
    for (const std::string_view bad : {
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n"sv,
             "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nX : a\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\n: a\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"sv,
             "HTTP/1.1 200 OK\nContent-Length: 0\n\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n"sv,
             "HTTP/1.1 200 O\0K\r\n\r\n"sv,
             "HTTP/1.1 20 OK\r\n\r\n"sv,
             "HTTP/1.1 2000 OK\r\n\r\n"sv,
             "HTTP/1.1 099 OK\r\n\r\n"sv,
             "HTTP/1.1 600 OK\r\n\r\n"sv,
             "HTTP/1.1  200 OK\r\n\r\n"sv,
             "HTTP/1.1 200\tOK\r\n\r\n"sv,
             "HTTP/1.1200 OK\r\n\r\n"sv,
             "HTTP/1.2 200 OK\r\n\r\n"sv,
             "HTTP/2.0 200 OK\r\n\r\n"sv,
             "http/1.1 200 OK\r\n\r\n"sv,
             "ICY 200 OK\r\n\r\n"sv,
             "\r\nHTTP/1.1 200 OK\r\n\r\n"sv,
             "H\r\n\r\n"sv,
         }) {
        const std::string text = response(bad);
        EXPECT_TRUE(text.starts_with("error 502 ")) << bad << "\n" << text;
    }
}

TEST(response_parser, limits_hold_for_responses_too) {
    EXPECT_EQ(response("HTTP/1.1 200 " + std::string(50, 'x'), method::get, {.start_line_bytes_max = 40}),
              "error 502 start line is too long\n");
    EXPECT_EQ(response("HTTP/1.1 200 OK\r\nX: " + std::string(50, 'x'), method::get, {.head_bytes_max = 60}),
              "error 502 header section is too large\n");
}

TEST(response_parser, one_parser_reads_one_response_after_the_other) {
    response_parser parser;
    for (int i = 0; i < 3; ++i) {
        parser.begin(i == 1 ? method::head : method::get);
        const std::string_view text =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n";
        const_bytes input = as_bytes(text);
        std::string events;
        while (!parser.done()) {
            const step done = parser.parse(input);
            input = input.subspan(done.consumed);
            events += std::to_string(static_cast<int>(done.what));
        }
        EXPECT_EQ(events, i == 1 ? "13" : "123");
        EXPECT_EQ(parser.trailers().size(), i == 1 ? 0u : 1u);
        parser.release_memory();
        EXPECT_TRUE(parser.idle());
    }
}

}  // namespace
}  // namespace co_wq::http::h1
