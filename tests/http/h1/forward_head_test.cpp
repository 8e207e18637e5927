#include "http/h1/forward_head.hpp"

#include <gtest/gtest.h>

#include <string>

#include "http/h1/request_parser.hpp"
#include "http/h1/response_parser.hpp"

namespace co_wq::http::h1 {
namespace {

std::string forwarded(std::string_view text, const request_rules& rules = {.pseudonym = "me"}) {
    request_parser parser;
    EXPECT_EQ(parser.parse(as_bytes(text)).what, event::head_complete) << text << parser.error().reason;
    byte_buffer out;
    write_forward_request(out, parser.head(), rules);
    return std::string(out.text());
}

std::string answered(std::string_view text, const response_rules& rules = {.pseudonym = "me"},
                     method asked = method::get) {
    response_parser parser;
    parser.begin(asked);
    EXPECT_EQ(parser.parse(as_bytes(text)).what, event::head_complete) << text << parser.error().reason;
    byte_buffer out;
    write_forward_response(out, parser.head(), rules);
    return std::string(out.text());
}

TEST(forward_request, a_browsers_request_goes_on_in_origin_form) {
    EXPECT_EQ(forwarded("GET http://Example.com/a?b HTTP/1.1\r\n"
                        "Host: example.com\r\n"
                        "Proxy-Connection: keep-alive\r\n"
                        "Proxy-Authorization: Basic eDp5\r\n"
                        "User-Agent: x\r\n"
                        "accept:   */*  \r\n\r\n"),
              "GET /a?b HTTP/1.1\r\nHost: example.com\r\nUser-Agent: x\r\naccept: */*\r\nVia: 1.1 me\r\n\r\n");
}

TEST(forward_request, host_is_made_from_the_target_whatever_the_client_said) {
    EXPECT_EQ(forwarded("GET http://a:8080 HTTP/1.1\r\nHost: evil\r\n\r\n"),
              "GET / HTTP/1.1\r\nHost: a:8080\r\nVia: 1.1 me\r\n\r\n");
    EXPECT_EQ(forwarded("GET http://[::1]/ HTTP/1.0\r\n\r\n"), "GET / HTTP/1.1\r\nHost: [::1]\r\nVia: 1.0 me\r\n\r\n");
    EXPECT_EQ(forwarded("GET /x HTTP/1.1\r\nHost: A:80\r\n\r\n"), "GET /x HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\n\r\n");
    EXPECT_EQ(forwarded("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
              "OPTIONS * HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\n\r\n");
}

TEST(forward_request, framing_is_written_from_what_was_parsed) {
    EXPECT_EQ(forwarded("POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nX: y\r\n\r\n"),
              "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\nVia: 1.1 me\r\nContent-Length: 7\r\n\r\n");
    EXPECT_EQ(forwarded("POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\nTrailer: X\r\n\r\n"),
              "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\nVia: 1.1 me\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(
        forwarded(
            "POST http://a/ HTTP/1.1\r\nHost: a\r\nConnection: content-length, host\r\nContent-Length: 7\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\nContent-Length: 7\r\n\r\n");
    EXPECT_EQ(forwarded("POST http://a/ HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n"),
              "POST / HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(forward_request, what_connection_names_does_not_reach_the_origin) {
    EXPECT_EQ(
        forwarded("GET http://a/ HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nConnection: close, x-hop\r\nX-End: 2\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: a\r\nX-End: 2\r\nVia: 1.1 me\r\n\r\n");
}

TEST(forward_request, te_passes_for_trailers_only_and_is_named) {
    EXPECT_EQ(forwarded("GET http://a/ HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers\r\nConnection: TE\r\n\r\n"),
              "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    EXPECT_EQ(forwarded("GET http://a/ HTTP/1.1\r\nHost: a\r\nTE: gzip\r\n\r\n"),
              "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\n\r\n");
}

TEST(forward_request, upgrade_passes_only_when_the_caller_wants_it) {
    const std::string_view text =
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    EXPECT_EQ(forwarded(text), "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\n\r\n");
    EXPECT_EQ(forwarded(text, {.pseudonym = "me", .keep_upgrade = true, .close = true}),
              "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\nUpgrade: websocket\r\nConnection: close, Upgrade\r\n\r\n");
}

TEST(forward_request, expectations_pass_unless_we_met_them_or_the_client_is_too_old) {
    const std::string_view text = "PUT http://a/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n";
    EXPECT_NE(forwarded(text).find("Expect: 100-continue\r\n"), std::string::npos);
    EXPECT_EQ(forwarded(text, {.send_expect = false}).find("Expect"), std::string::npos);
    EXPECT_EQ(forwarded("PUT http://a/ HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").find("Expect"), std::string::npos);
}

TEST(forward_request, via_is_added_behind_the_ones_there_are) {
    EXPECT_EQ(forwarded("GET http://a/ HTTP/1.1\r\nHost: a\r\nVia: 1.0 fred\r\n\r\n"),
              "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 fred\r\nVia: 1.1 me\r\n\r\n");
}

TEST(forward_request, max_forwards_counts_down_for_options) {
    EXPECT_NE(
        forwarded("OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n").find("\r\nMax-Forwards: 9\r\n"),
        std::string::npos);
    EXPECT_NE(
        forwarded("GET http://a/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n").find("\r\nMax-Forwards: 10\r\n"),
        std::string::npos);
}

TEST(forward_request, the_next_proxy_gets_the_absolute_form_and_our_credentials) {
    const request_rules rules{.pseudonym = "me", .absolute_form = true, .proxy_authorization = "Basic abc"};
    EXPECT_EQ(forwarded("GET http://a:81?q HTTP/1.1\r\nHost: a:81\r\nProxy-Authorization: Basic client\r\n\r\n", rules),
              "GET http://a:81/?q HTTP/1.1\r\nHost: a:81\r\nVia: 1.1 me\r\nProxy-Authorization: Basic abc\r\n\r\n");
    EXPECT_EQ(forwarded("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", {.pseudonym = "me", .absolute_form = true}),
              "OPTIONS http://a HTTP/1.1\r\nHost: a\r\nVia: 1.1 me\r\n\r\n");
    byte_buffer out;
    write_connect_request(out, {"::1", 443, host_kind::ipv6}, rules);
    EXPECT_EQ(out.text(), "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic abc\r\n\r\n");
}

TEST(forward_request, what_goes_out_parses_again_to_the_same_request) {
    const std::string once = forwarded("POST http://a:81/x HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n");
    request_parser parser;
    ASSERT_EQ(parser.parse(as_bytes(once)).what, event::head_complete);
    EXPECT_EQ(parser.head().authority(), (authority{"a", 81, host_kind::name}));
    EXPECT_EQ(parser.head().framing.kind, body_kind::chunked);
}

TEST(forward_response, fields_pass_and_framing_is_written_anew) {
    EXPECT_EQ(
        answered("HTTP/1.1 200 Fine\r\nServer: s\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: t\r\n"
                 "Content-Length: 05\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"),
        "HTTP/1.1 200 Fine\r\nServer: s\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nVia: 1.1 me\r\nContent-Length: 5\r\n\r\n");
}

TEST(forward_response, a_body_without_length_goes_in_chunks_to_1_1_and_until_the_end_to_1_0) {
    EXPECT_EQ(answered("HTTP/1.1 200 OK\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nVia: 1.1 me\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
                       {.pseudonym = "me", .client = version::http_1_0, .keep_alive = true}),
              "HTTP/1.1 200 OK\r\nVia: 1.1 me\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
                       {.pseudonym = "me", .client = version::http_1_0, .keep_alive = true}),
              "HTTP/1.1 200 OK\r\nVia: 1.0 me\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", {.pseudonym = "me", .keep_alive = false}),
              "HTTP/1.1 200 OK\r\nVia: 1.1 me\r\nContent-Length: 1\r\nConnection: close\r\n\r\n");
}

TEST(forward_response, a_length_without_a_body_passes_where_it_is_information_only) {
    const std::string_view length = "\r\nContent-Length: 5\r\n\r\n";
    const auto has_length = [&](std::string_view line, method asked) {
        return answered(std::string(line) + std::string(length), {}, asked).find("Content-Length: 5") !=
               std::string::npos;
    };
    EXPECT_TRUE(has_length("HTTP/1.1 200 OK", method::head));
    EXPECT_TRUE(has_length("HTTP/1.1 304 NM", method::get));
    EXPECT_FALSE(has_length("HTTP/1.1 204 NC", method::get));
    EXPECT_FALSE(has_length("HTTP/1.1 103 EH", method::get));
}

TEST(forward_response, interim_responses_pass_without_connection_fields) {
    EXPECT_EQ(answered("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n",
                       {.pseudonym = "me", .keep_alive = false, .date = "now"}),
              "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 me\r\n\r\n");
}

TEST(forward_response, a_101_carries_its_upgrade_when_wanted) {
    EXPECT_EQ(
        answered("HTTP/1.1 101 SP\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
                 {.pseudonym = "me", .keep_upgrade = true}),
        "HTTP/1.1 101 SP\r\nSec-WebSocket-Accept: x\r\nVia: 1.1 me\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\n\r\n");
}

TEST(forward_response, a_missing_date_is_added_and_one_that_is_there_stays) {
    const response_rules rules{.pseudonym = "me", .date = "now"};
    EXPECT_NE(answered("HTTP/1.1 204 NC\r\n\r\n", rules).find("\r\nDate: now\r\n"), std::string::npos);
    EXPECT_EQ(answered("HTTP/1.1 204 NC\r\nDate: then\r\n\r\n", rules),
              "HTTP/1.1 204 NC\r\nDate: then\r\nVia: 1.1 me\r\n\r\n");
}

}  // namespace
}  // namespace co_wq::http::h1
