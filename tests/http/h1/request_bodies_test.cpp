// Bodies that are read as they should be, and limits that stop what has no end.
#include <gtest/gtest.h>

#include <string>

#include "h1/dialogue.hpp"

namespace co_wq::http::h1 {
namespace {

using test::request;

constexpr std::string_view chunked_head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
constexpr std::string_view chunked_start = "POST / 1.1 chunked keep-alive\n  Host=a\n  Transfer-Encoding=Chunked\n";

std::string chunked(std::string_view body, const parse_limits& limits = {}) {
    std::string text = request(std::string(chunked_head) + std::string(body), limits);
    EXPECT_TRUE(text.starts_with(chunked_start)) << text;
    return text.substr(std::min(text.size(), chunked_start.size()));
}

TEST(request_bodies, chunks_are_joined_and_their_extensions_forgotten) {
    EXPECT_EQ(chunked("5\r\nhello\r\n0\r\n\r\n"), "body hello\nend\nidle\n");
    EXPECT_EQ(chunked("0\r\n\r\n"), "end\nidle\n");
    EXPECT_EQ(chunked("0000000000000003\r\nabc\r\nA\r\n0123456789\r\n00\r\n\r\n"), "body abc0123456789\nend\nidle\n");
    EXPECT_EQ(chunked("1;a\r\na\r\n1;a=b ; c=\"d \\\" e;,\"\r\nb\r\n0;last\r\n\r\n"), "body ab\nend\nidle\n");
    EXPECT_EQ(chunked("2\r\n\r\n\r\n0\r\n\r\n"), "body \r\n\nend\nidle\n");
}

TEST(request_bodies, trailers_are_given_with_the_end) {
    EXPECT_EQ(chunked("1\r\na\r\n0\r\nX-Sum: 1\r\nETag:  \"x\" \r\n\r\nGET / HTTP/1.0\r\n\r\n"),
              "body a\nend\n  X-Sum=1\n  ETag=\"x\"\nGET / 1.0 none\nend\nidle\n");
}

TEST(request_bodies, body_pieces_are_views_of_all_that_is_there) {
    request_parser parser;
    const std::string_view head = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n";
    ASSERT_EQ(parser.parse(as_bytes(head)).what, event::head_complete);
    EXPECT_EQ(parser.head().framing.length, 9223372036854775807u);
    EXPECT_EQ(parser.parse({}).what, event::need_more);
    const std::string data(1 << 20, 'x');
    const step piece = parser.parse(as_bytes(data));
    EXPECT_EQ(piece.what, event::body);
    EXPECT_EQ(piece.body.data(), as_bytes(data).data());
    EXPECT_EQ(piece.body.size(), data.size());
}

TEST(request_bodies, a_request_with_a_length_of_zero_has_no_pieces) {
    EXPECT_EQ(request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
              "POST / 1.1 length 0 keep-alive\n  Host=a\n  Content-Length=000\nend\nGET / 1.0 none\nend\nidle\n");
}

TEST(request_bodies, a_body_with_another_method_is_read_too) {
    EXPECT_EQ(request("DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
              "DELETE / 1.1 length 1 keep-alive\n  Host=a\n  Content-Length=1\nbody x\nend\nidle\n");
    EXPECT_EQ(request("MKCOL / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
              "MKCOL / 1.1 chunked keep-alive\n  Host=a\n  Transfer-Encoding=chunked\nbody x\nend\nidle\n");
}

TEST(request_limits, a_request_line_at_its_limit_passes_and_one_byte_more_is_414) {
    const parse_limits limits{.head_bytes_max = 200, .start_line_bytes_max = 40};
    const std::string_view around = "GET / HTTP/1.1\r\n";
    const std::string fits = "GET /" + std::string(40 - around.size(), 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_TRUE(request(fits, limits).starts_with("GET /xxx"));
    const std::string longer = "GET /x" + fits.substr(5);
    EXPECT_EQ(request(longer, limits), "error 414 start line is too long\n");
    EXPECT_EQ(request("GET /" + std::string(1000, 'x'), limits), "error 414 start line is too long\n");
}

TEST(request_limits, a_head_at_its_limit_passes_and_one_byte_more_is_431) {
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(50, 'x') + "\r\n\r\n";
    EXPECT_TRUE(request(head, {.head_bytes_max = head.size()}).starts_with("GET / 1.1"));
    EXPECT_EQ(request(head, {.head_bytes_max = head.size() - 1}), "error 431 header section is too large\n");
    EXPECT_EQ(request(head, {.head_bytes_max = 30}), "error 431 header section is too large\n");
    EXPECT_EQ(request(head, {.head_bytes_max = 10}), "error 414 start line is too long\n");
}

TEST(request_limits, the_hundred_and_first_field_is_431) {
    const auto with = [](int fields) {
        std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (int i = 1; i < fields; ++i) text += "X: y\r\n";
        return text + "\r\n";
    };
    EXPECT_TRUE(request(with(100)).starts_with("GET / 1.1"));
    EXPECT_EQ(request(with(101)), "error 431 too many header fields\n");
}

TEST(request_limits, two_hundred_megabytes_of_one_header_are_refused_at_the_limit_with_flat_memory) {
    request_parser parser;
    ASSERT_EQ(parser.parse(as_bytes("GET / HTTP/1.1\r\nHost: a\r\nX: ")).what, event::need_more);
    const std::string piece(64 * 1024, 'x');
    std::size_t sent = 0;
    event last = event::need_more;
    while (last == event::need_more && sent < 200u * 1024 * 1024) {
        last = parser.parse(as_bytes(piece).first(1000)).what;
        sent += 1000;
    }
    EXPECT_EQ(last, event::error);
    EXPECT_EQ(parser.error().status, 431);
    EXPECT_LE(sent, 33'000u);
    EXPECT_LE(parser.head().headers.text_size(), parse_limits{}.head_bytes_max);
}

TEST(request_limits, chunk_extensions_are_bounded_per_chunk_and_per_message) {
    const parse_limits limits{.chunk_extension_bytes_max = 8, .chunk_extensions_bytes_max = 20};
    EXPECT_EQ(chunked("1;1234567\r\na\r\n0\r\n\r\n", limits), "body a\nend\nidle\n");
    EXPECT_EQ(chunked("1;12345678\r\na\r\n0\r\n\r\n", limits), "body a\nend\nidle\n");
    EXPECT_EQ(chunked("1;123456789\r\na\r\n0\r\n\r\n", limits), "error 400 chunk extensions are too long\n");
    EXPECT_EQ(chunked("1;1234567\r\na\r\n1;1234567\r\nb\r\n1;1234567\r\nc\r\n0\r\n\r\n", limits),
              "body ab\nerror 400 chunk extensions are too long\n");
}

TEST(request_limits, trailers_have_their_own_size_and_share_the_number_of_fields) {
    EXPECT_EQ(chunked("0\r\nX: 12345\r\n\r\n", {.trailer_bytes_max = 12}), "end\n  X=12345\nidle\n");
    EXPECT_EQ(chunked("0\r\nX: 123456\r\n\r\n", {.trailer_bytes_max = 12}), "error 431 trailer section is too large\n");
    EXPECT_EQ(chunked("0\r\nX: 1\r\n\r\n", {.fields_max = 3}), "end\n  X=1\nidle\n");
    EXPECT_EQ(chunked("0\r\nX: 1\r\nY: 2\r\n\r\n", {.fields_max = 3}), "error 431 too many header fields\n");
}

TEST(request_limits, connection_options_are_bounded) {
    const auto with = [](int options) {
        std::string text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: ";
        for (int i = 0; i < options; ++i) text += "x,";
        return text + "\r\n\r\n";
    };
    EXPECT_TRUE(request(with(32)).starts_with("GET / 1.1"));
    EXPECT_EQ(request(with(33)), "error 400 Connection names too many options\n");
}

}  // namespace
}  // namespace co_wq::http::h1
