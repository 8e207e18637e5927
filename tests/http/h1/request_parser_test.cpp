#include "http/h1/request_parser.hpp"

#include <gtest/gtest.h>

#include "h1/dialogue.hpp"

namespace co_wq::http::h1 {
namespace {

using test::request;

TEST(request_parser, a_plain_request_gives_a_head_and_an_end) {
    EXPECT_EQ(request("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n"),
              "GET http://a.example/x?y 1.1 none keep-alive\n"
              "  Host=a.example\n"
              "  Accept=*/*\n"
              "end\n"
              "idle\n");
}

TEST(request_parser, space_around_values_is_not_part_of_them) {
    EXPECT_EQ(request("GET / HTTP/1.1\r\nHost:a\r\nX-Empty:\r\nX-Blank: \t \r\nX-In: \t a\t b \t\r\n\r\n"),
              "GET / 1.1 none keep-alive\n"
              "  Host=a\n"
              "  X-Empty=\n"
              "  X-Blank=\n"
              "  X-In=a\t b\n"
              "end\n"
              "idle\n");
}

TEST(request_parser, values_may_have_any_byte_that_is_no_control) {
    EXPECT_EQ(request("GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\"(),/:;<=>?@[\\]{}\r\n\r\n"),
              "GET / 1.1 none keep-alive\n  Host=a\n  X=\x80\xff\"(),/:;<=>?@[\\]{}\nend\nidle\n");
}

TEST(request_parser, one_empty_line_before_a_request_is_ignored) {
    EXPECT_EQ(request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "GET / 1.1 none keep-alive\n  Host=a\nend\nidle\n");
    EXPECT_EQ(request("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
              "error 400 more than an empty line before the request line\n");
}

TEST(request_parser, of_a_request_that_is_refused_early_no_words_of_the_one_before_are_left) {
    request_parser parser;
    const std::string_view first = "HEAD http://a.example/a/rather/long/path HTTP/1.1\r\nHost: a.example\r\n\r\n";
    EXPECT_EQ(parser.parse(as_bytes(first)).what, event::head_complete);
    EXPECT_EQ(parser.head().target_text(), "http://a.example/a/rather/long/path");
    EXPECT_EQ(parser.parse({}).what, event::body_end);
    EXPECT_EQ(parser.parse(as_bytes(std::string_view("X\r\n\r\n"))).what, event::error);
    EXPECT_EQ(parser.head().method_text(), "");
    EXPECT_EQ(parser.head().target_text(), "");
    EXPECT_EQ(parser.head().method, method::get);
}

TEST(request_parser, any_method_that_is_a_token_is_read) {
    for (const std::string_view name : {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND",
                                        "SOURCE", "PRI", "get", "M-SEARCH", "FOO!", "X", "QUERY"})
        EXPECT_EQ(request(std::string(name) + " / HTTP/1.1\r\nHost: a\r\n\r\n"),
                  std::string(name) + " / 1.1 none keep-alive\n  Host=a\nend\nidle\n");
}

TEST(request_parser, targets_of_all_forms_are_parsed) {
    for (const std::string_view line : {"GET /", "GET http://a", "GET HTTP://A:8080/x?y=|{}[]^`\"<>\\",
                                        "GET http://[::1]/", "GET http://[::1]:8080?x", "OPTIONS *", "OPTIONS http://a",
                                        "CONNECT a:443", "CONNECT [::1]:443", "CONNECT 127.0.0.1:1", "GET /a//../%zz?"})
        EXPECT_EQ(request(std::string(line) + " HTTP/1.1\r\nHost: a\r\n\r\n"),
                  std::string(line) + " 1.1 none keep-alive\n  Host=a\nend\nidle\n");
}

TEST(request_parser, the_target_decides_whom_a_request_is_for_and_host_only_if_it_does_not) {
    request_parser parser;
    parser.parse(as_bytes("GET http://Target:81/ HTTP/1.1\r\nHost: host:82\r\n\r\n"));
    EXPECT_EQ(parser.head().authority(), (authority{"target", 81, host_kind::name}));
    EXPECT_EQ(parser.head().host, (authority{"host", 82, host_kind::name}));
    parser.parse({});
    parser.parse(as_bytes("GET / HTTP/1.1\r\nHost: Host\r\n\r\n"));
    EXPECT_EQ(parser.head().authority(), (authority{"host", 80, host_kind::name}));
    parser.parse({});
    parser.parse(as_bytes("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_FALSE(parser.head().has_host);
    EXPECT_EQ(parser.head().authority().host, "");
}

TEST(request_parser, connections_persist_as_version_and_options_say) {
    const std::pair<std::string_view, bool> cases[] = {
        {"1.1\r\n", true},
        {"1.1\r\nConnection: close\r\n", false},
        {"1.1\r\nConnection: x, CLOSE\r\n", false},
        {"1.1\r\nConnection: keep-alive\r\nConnection: close\r\n", false},
        {"1.1\r\nConnection: closed\r\n", true},
        {"1.0\r\n", false},
        {"1.0\r\nConnection: Keep-Alive\r\n", true},
        {"1.0\r\nConnection: keep-alive, close\r\n", false},
        {"1.0\r\nProxy-Connection: keep-alive\r\n", false},
    };
    for (const auto& [text, expected] : cases) {
        request_parser parser;
        const std::string message = "GET / HTTP/" + std::string(text) + "Host: a\r\n\r\n";
        ASSERT_EQ(parser.parse(as_bytes(message)).what, event::head_complete) << message;
        EXPECT_EQ(parser.head().keep_alive, expected) << message;
    }
}

TEST(request_parser, expectations_count_in_http_1_1_only) {
    EXPECT_EQ(request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 0\r\n\r\n"),
              "PUT / 1.1 length 0 keep-alive expect-continue\n  Host=a\n  Expect=100-Continue\n  Content-Length=0\n"
              "end\nidle\n");
    EXPECT_EQ(request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"),
              "PUT / 1.1 none keep-alive expect-unknown\n  Host=a\n  Expect=tea\nend\nidle\n");
    EXPECT_EQ(request("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"),
              "PUT / 1.0 none\n  Expect=100-continue\nend\nidle\n");
}

TEST(request_parser, an_upgrade_must_be_named_in_connection) {
    const auto upgrades = [](std::string_view text) {
        request_parser parser;
        EXPECT_EQ(parser.parse(as_bytes(text)).what, event::head_complete);
        return parser.head().upgrade;
    };
    EXPECT_TRUE(upgrades("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    EXPECT_FALSE(upgrades("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"));
    EXPECT_FALSE(upgrades("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n"));
    EXPECT_FALSE(upgrades("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
}

TEST(request_parser, it_pauses_after_the_head_and_after_the_message) {
    request_parser parser;
    const std::string_view text =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxyGET / HTTP/1.1\r\nHost: b\r\n\r\nrest";
    const_bytes input = as_bytes(text);
    const auto next = [&] {
        const step done = parser.parse(input);
        input = input.subspan(done.consumed);
        return done.what;
    };
    EXPECT_TRUE(parser.idle());
    EXPECT_EQ(next(), event::head_complete);
    EXPECT_FALSE(parser.idle());
    EXPECT_TRUE(as_text(input).starts_with("xyGET"));
    EXPECT_EQ(next(), event::body);
    EXPECT_TRUE(as_text(input).starts_with("GET"));
    EXPECT_EQ(next(), event::body_end);
    EXPECT_TRUE(parser.idle());
    EXPECT_TRUE(as_text(input).starts_with("GET"));
    EXPECT_EQ(parser.head().headers.get("host"), "a") << "the head is there until the next parse";
    EXPECT_EQ(next(), event::head_complete);
    EXPECT_EQ(parser.head().headers.get("host"), "b");
    EXPECT_EQ(next(), event::body_end);
    EXPECT_EQ(as_text(input), "rest");
}

TEST(request_parser, pipelined_requests_come_one_after_the_other) {
    EXPECT_EQ(request("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                      "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                      "\r\nPOST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ndef"
                      "GET /4 HTTP/1.0\r\n\r\n"),
              "GET /1 1.1 none keep-alive\n  Host=a\nend\n"
              "POST /2 1.1 chunked keep-alive\n  Host=a\n  Transfer-Encoding=chunked\nbody abc\nend\n"
              "POST /3 1.1 length 3 keep-alive\n  Host=a\n  Content-Length=3\nbody def\nend\n"
              "GET /4 1.0 none\nend\nidle\n");
}

TEST(request_parser, what_follows_a_connect_is_left_to_the_tunnel) {
    request_parser parser;
    const std::string_view text =
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 0\r\n\r\n\x16\x03\x01 early";
    const step head = parser.parse(as_bytes(text));
    ASSERT_EQ(head.what, event::head_complete);
    EXPECT_EQ(text.substr(head.consumed), "\x16\x03\x01 early");
    const step end = parser.parse(as_bytes(text.substr(head.consumed)));
    EXPECT_EQ(end.what, event::body_end);
    EXPECT_EQ(end.consumed, 0u);
}

TEST(request_parser, what_follows_an_upgrade_is_left_to_the_caller_and_may_be_a_request_after_all) {
    EXPECT_EQ(request("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
              "GET / 1.1 none keep-alive upgrade\n  Host=a\n  Connection=Upgrade\n  Upgrade=x\nend\n"
              "GET / 1.0 none\nend\nidle\n");
    EXPECT_EQ(request("POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
              "POST / 1.1 chunked keep-alive upgrade\n  Host=a\n  Connection=Upgrade\n  Upgrade=x\n"
              "  Transfer-Encoding=chunked\nbody z\nend\n  A=b\nGET / 1.0 none\nend\nidle\n");
}

TEST(request_parser, the_end_of_input_is_an_error_inside_a_request_only) {
    EXPECT_EQ(request(""), "idle\n");
    EXPECT_EQ(request("\r\n"), "idle\n");
    EXPECT_EQ(request("GET / HT"), "error 400 connection ended inside a head\n");
    EXPECT_EQ(request("GET / HTTP/1.1\r\nHost: a\r\n"), "error 400 connection ended inside a head\n");
    EXPECT_EQ(request("PUT / HTTP/1.0\r\nContent-Length: 3\r\n\r\nab"),
              "PUT / 1.0 length 3\n  Content-Length=3\nbody ab\nerror 400 connection ended inside a body\n");
    EXPECT_EQ(request("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"),
              "PUT / 1.1 chunked keep-alive\n  Host=a\n  Transfer-Encoding=chunked\nbody a\n"
              "error 400 connection ended inside a chunked body\n");
}

TEST(request_parser, a_parser_whose_memory_was_given_back_reads_on) {
    request_parser parser;
    const std::string_view text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(parser.parse(as_bytes(text)).what, event::head_complete);
        ASSERT_EQ(parser.parse({}).what, event::body_end);
        parser.release_memory();
    }
}

TEST(request_parser, a_head_moved_out_keeps_its_texts) {
    request_parser parser;
    parser.parse(as_bytes("GET /path HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"));
    const request_head head = std::move(parser.head());
    EXPECT_EQ(head.target_text(), "/path");
    EXPECT_EQ(parser.parse({}).what, event::body_end);
    EXPECT_EQ(parser.parse(as_bytes("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")).what, event::head_complete);
    EXPECT_EQ(head.target_text(), "/path");
    EXPECT_EQ(head.headers.get("x"), "y");
    EXPECT_EQ(parser.head().target_text(), "/next");
}

}  // namespace
}  // namespace co_wq::http::h1
