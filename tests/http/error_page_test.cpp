#include "http/error_page.hpp"

#include <gtest/gtest.h>

#include <string>

#include "http/h1/response_parser.hpp"

namespace co_wq::http {
namespace {

std::string written(const error_page& page) {
    byte_buffer out;
    write_error_page(out, page);
    return std::string(out.text());
}

TEST(error_page, a_page_says_what_and_why_in_one_line) {
    EXPECT_EQ(written({.status = 502, .detail = "connect to a:80: connection refused"}),
              "HTTP/1.1 502 Bad Gateway\r\n"
              "Content-Type: text/plain; charset=utf-8\r\n"
              "Content-Length: 53\r\n"
              "Connection: close\r\n"
              "\r\n"
              "502 Bad Gateway: connect to a:80: connection refused\n");
    EXPECT_EQ(written({.status = 500}).substr(written({.status = 500}).find("\r\n\r\n")),
              "\r\n\r\n500 Internal Server Error\n");
}

TEST(error_page, some_statuses_carry_the_field_they_must_have) {
    EXPECT_NE(written({.status = 407}).find("\r\nProxy-Authenticate: Basic realm=\"co_http_proxy\"\r\n"),
              std::string::npos);
    EXPECT_NE(written({.status = 405, .allow = "GET, CONNECT"}).find("\r\nAllow: GET, CONNECT\r\n"), std::string::npos);
    EXPECT_NE(written({.status = 503, .retry_after_s = 30}).find("\r\nRetry-After: 30\r\n"), std::string::npos);
    EXPECT_EQ(written({.status = 503}).find("Retry-After"), std::string::npos);
    EXPECT_EQ(written({.status = 502, .retry_after_s = 30}).find("Retry-After"), std::string::npos);
    EXPECT_NE(written({.status = 400, .keep_alive = true}).find("\r\nConnection: keep-alive\r\n"), std::string::npos);
    EXPECT_NE(written({.status = 400, .date = "Thu, 01 Jan 1970 00:00:00 GMT"}).find("\r\nDate: Thu, 01 Jan"),
              std::string::npos);
}

TEST(error_page, an_answer_to_head_has_the_length_but_not_the_body) {
    const std::string page = written({.status = 404, .without_body = true});
    EXPECT_NE(page.find("Content-Length: 14\r\n"), std::string::npos);
    EXPECT_TRUE(page.ends_with("\r\n\r\n"));
}

TEST(error_page, text_from_outside_cannot_break_out_of_its_line) {
    using namespace std::string_view_literals;
    const std::string page = written({.status = 400, .detail = "a\r\nSet-Cookie: x\0\x7f\xff"sv});
    EXPECT_TRUE(page.ends_with("\r\n\r\n400 Bad Request: a??Set-Cookie: x???\n")) << page;
}

TEST(error_page, every_page_parses_and_long_details_are_cut) {
    constexpr std::uint16_t statuses[] = {400, 403, 404, 405, 407, 408, 413, 414, 417,
                                          429, 431, 500, 501, 502, 503, 504, 505};
    for (const std::uint16_t status : statuses) {
        const std::string page = written({.status = status, .detail = std::string(100'000, 'x'), .allow = "GET"});
        EXPECT_LT(page.size(), 1000u);
        h1::response_parser parser;
        parser.begin(method::get);
        ASSERT_EQ(parser.parse(as_bytes(page)).what, h1::event::head_complete);
        EXPECT_EQ(parser.head().status, status);
        EXPECT_NE(parser.head().reason(), "Unknown");
        const std::size_t head_bytes = page.find("\r\n\r\n") + 4;
        EXPECT_EQ(parser.head().framing.length, page.size() - head_bytes);
    }
}

}  // namespace
}  // namespace co_wq::http
