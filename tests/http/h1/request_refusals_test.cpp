// What must never pass: each message is fed whole, byte by byte and cut at every place.
#include <gtest/gtest.h>

#include <string>

#include "h1/dialogue.hpp"

namespace co_wq::http::h1 {
namespace {

using namespace std::string_view_literals;
using test::request;

struct bad_message {
    std::string_view text;
    std::string_view error;
};

void expect_refused(const bad_message& each) {
    EXPECT_EQ(request(each.text), "error " + std::string(each.error) + "\n") << each.text;
}

TEST(request_refusals, request_lines_that_bend_the_grammar) {
    const bad_message all[] = {
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request target has a space, control or non-ASCII character"},
        {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "400 request target has a space, control or non-ASCII character"},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400 start line has no HTTP version"},
        {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request method is not a token"},
        {"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", "400 request line is not method, target and version"},
        {"GET\r\n\r\n", "400 request line is not method, target and version"},
        {"GET /\r\n\r\n", "400 request line is not method, target and version"},
        {"GET HTTP/1.1\r\nHost: a\r\n\r\n", "400 request line is not method, target and version"},
        {"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request method is not a token"},
        {"\x16\x03\x01\x02"sv, "400 request method is not a token"},
        {"\0GET / HTTP/1.1\r\n"sv, "400 request method is not a token"},
        {"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"sv, "400 request target has a space, control or non-ASCII character"},
        {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", "400 request target has a space, control or non-ASCII character"},
        {"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "400 request target has a space, control or non-ASCII character"},
        {"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "400 request target has a fragment"},
        {"GET / HTTP/1.1\nHost: a\n\n", "400 line ends with a bare LF"},
        {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "400 start line has no HTTP version"},
        {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 more than an empty line before the request line"},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", "400 start line has no HTTP version"},
        {"GET / HTTP/11\r\nHost: a\r\n\r\n", "400 start line has no HTTP version"},
        {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400 start line has no HTTP version"},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505 HTTP version is neither 1.0 nor 1.1"},
        {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", "505 HTTP version is neither 1.0 nor 1.1"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 HTTP version is neither 1.0 nor 1.1"},
        {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", "400 port is missing"},
        {"CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n", "400 port is zero or starts with a zero"},
        {"CONNECT a:65616 HTTP/1.1\r\nHost: a\r\n\r\n", "400 port is above 65535"},
        {"CONNECT http://a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "400 port is not a number"},
        {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 user names in a host are not accepted"},
        {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "400 host is empty"},
        {"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 only http:// URLs are forwarded; for others use CONNECT"},
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400 request target is neither a path nor an http:// URL"},
    };
    for (const bad_message& each : all) expect_refused(each);
    expect_refused(
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", "501 request method is longer than any we know"});
}

TEST(request_refusals, header_lines_that_two_parsers_could_read_in_two_ways) {
    const bad_message all[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
         "400 header line begins with a space (obsolete line folding)"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
         "400 header line begins with a space (obsolete line folding)"},
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 header line begins with a space (obsolete line folding)"},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
         "400 header line begins with a space (obsolete line folding)"},
        {"GET / HTTP/1.1\r\nHost: a\r\n : x\r\n\r\n", "400 header line begins with a space (obsolete line folding)"},
        {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "400 header field has an empty name"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "400 header line has no colon"},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400 space between a field name and its colon"},
        {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "400 space between a field name and its colon"},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
         "400 space between a field name and its colon"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", "400 field name is not a token"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX\0: z\r\n\r\n"sv, "400 field name is not a token"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX\xc3: z\r\n\r\n", "400 field name is not a token"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\"X\": z\r\n\r\n", "400 field name is not a token"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\vX: z\r\n\r\n", "400 field name is not a token"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"sv, "400 field value has a control character"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "400 field value has a control character"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n", "400 field value has a control character"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\vb\r\n\r\n", "400 field value has a control character"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n", "400 field value has a control character"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", "400 line ends with a bare LF"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\n", "400 line ends with a bare LF"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\nGET /evil", "400 line ends with a bare LF"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", "400 header line has no colon"},
        {"GET / HTTP/1.1\rHost: a\r\r\n\r\n", "400 start line has no HTTP version"},
    };
    for (const bad_message& each : all) {
        if (each.text.find("\n\rX") != std::string_view::npos) {
            EXPECT_TRUE(request(each.text).starts_with("error 400 ")) << "a head must not end with CR alone";
            continue;
        }
        expect_refused(each);
    }
}

TEST(request_refusals, hosts_that_are_missing_repeated_or_no_authority) {
    const bad_message all[] = {
        {"GET / HTTP/1.1\r\n\r\n", "400 Host is missing"},
        {"GET http://a/ HTTP/1.1\r\nX: y\r\n\r\n", "400 Host is missing"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 more than one Host"},
        {"GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", "400 more than one Host"},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400 more than one Host"},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 host is empty"},
        {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400 host has a character that no host name has"},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 host has a character that no host name has"},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 host has a character that no host name has"},
        {"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", "400 port is not a number"},
        {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400 user names in a host are not accepted"},
        {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "400 port is above 65535"},
        {"GET http://a/ HTTP/1.1\r\nHost: a:b\r\n\r\n", "400 port is not a number"},
        {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400 '[' without ']' in the host"},
    };
    for (const bad_message& each : all) expect_refused(each);
}

TEST(request_refusals, bodies_whose_end_could_be_seen_in_two_places) {
    const std::pair<std::string_view, std::string_view> all[] = {
        {"Content-Length: 5\r\nTransfer-Encoding: chunked", "400"},  // CL.TE
        {"Transfer-Encoding: chunked\r\nContent-Length: 5", "400"},  // TE.CL
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "400"},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "400"},  // TE.TE
        {"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "400"},
        {"Transfer-Encoding: chunked, identity", "400"},
        {"Transfer-Encoding: chunked, chunked", "400"},
        {"Transfer-Encoding: chunked,", "400"},
        {"Transfer-Encoding:", "400"},
        {"Transfer-Encoding: ,", "400"},
        {"Transfer-Encoding: identity", "501 Transfer-Encoding other than chunked is not supported"},
        {"Transfer-Encoding: gzip", "501"},
        {"Transfer-Encoding: gzip, chunked", "501"},
        {"Transfer-Encoding: xchunked", "501"},
        {"Transfer-Encoding: \"chunked\"", "501"},
        {"Transfer-Encoding: chunked;q=1", "501"},
        {"Transfer-Encoding: \vchunked", "400"},
        {"Content-Length: 5\r\nContent-Length: 5", "400"},
        {"Content-Length: 5\r\nContent-Length: 6", "400"},
        {"Content-Length: 5, 5", "400"},
        {"Content-Length: 5, 6", "400"},
        {"Content-Length:", "400"},
        {"Content-Length: +3", "400"},
        {"Content-Length: -1", "400"},
        {"Content-Length: 0x10", "400"},
        {"Content-Length: 1e3", "400"},
        {"Content-Length: 3 3", "400"},
        {"Content-Length: 3.0", "400"},
        {"Content-Length: 1_000", "400"},
        {"Content-Length: \"3\"", "400"},
        {"Content-Length: 9223372036854775808", "400"},
        {"Content-Length: 18446744073709551616", "400"},
        {"Content-Length: 18446744073709551619", "400"},
        {"Content-Length: 99999999999999999999999999", "400"},
    };
    for (const auto& [fields, error] : all) {
        const std::string text = "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n\r\n0\r\n\r\n";
        EXPECT_TRUE(request(text).starts_with("error " + std::string(error))) << fields << "\n" << request(text);
    }
    expect_refused(
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 Transfer-Encoding in HTTP/1.0"});
    expect_refused(
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "400 CONNECT and TRACE have no body"});
    expect_refused(
        {"TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "400 CONNECT and TRACE have no body"});
}

std::string chunked(std::string_view body) {
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    std::string text = request(head + std::string(body));
    const std::string_view start = "POST / 1.1 chunked keep-alive\n  Host=a\n  Transfer-Encoding=chunked\n";
    EXPECT_TRUE(text.starts_with(start)) << text;
    return text.substr(start.size());
}

TEST(request_refusals, chunks_that_bend_the_grammar) {
    const std::pair<std::string_view, std::string_view> all[] = {
        {"\r\n", "error 400 chunk has no size\n"},
        {";a\r\n", "error 400 chunk has no size\n"},
        {" 1\r\na\r\n", "error 400 chunk has no size\n"},
        {"1 \r\na\r\n", "error 400 chunk size has a character that is no hexadecimal digit\n"},
        {"1 ;a=b\r\na\r\n", "error 400 chunk size has a character that is no hexadecimal digit\n"},
        {"0x1\r\na\r\n", "error 400 chunk size has a character that is no hexadecimal digit\n"},
        {"1_0\r\na\r\n", "error 400 chunk size has a character that is no hexadecimal digit\n"},
        {"+1\r\na\r\n", "error 400 chunk has no size\n"},
        {"-1\r\na\r\n", "error 400 chunk has no size\n"},
        {"g\r\n", "error 400 chunk has no size\n"},
        {"1\na\r\n", "error 400 chunk size has a character that is no hexadecimal digit\n"},
        {"1\r\r\na", "error 400 chunk size line has a bare CR\n"},
        {"1;a\nb\r\n", "error 400 chunk extension has a control character\n"},
        {"1;a=\"\nb\"\r\n", "error 400 chunk extension has a control character\n"},
        {"1;a\rb\r\n", "error 400 chunk size line has a bare CR\n"},
        {"1;\0\r\na\r\n"sv, "error 400 chunk extension has a control character\n"},
        {"10000000000000000\r\n", "error 400 chunk size has too many digits\n"},
        {"00000000000000001\r\na", "error 400 chunk size has too many digits\n"},
        {"ffffffffffffffff\r\n", "error 400 chunk size is too large\n"},
        {"8000000000000000\r\n", "error 400 chunk size is too large\n"},
        {"1", "error 400 connection ended inside a chunked body\n"},
        {"1\r\nab\r\n", "body a\nerror 400 chunk is longer than its size\n"},
        {"1\r\na\n0\r\n\r\n", "body a\nerror 400 chunk is longer than its size\n"},
        {"1\r\na\r0\r\n\r\n", "body a\nerror 400 chunk is longer than its size\n"},
        {"1\r\na0\r\n\r\n", "body a\nerror 400 chunk is longer than its size\n"},
        {"0\r\n\n", "error 400 line ends with a bare LF\n"},
        {"0\n\r\n", "error 400 chunk size has a character that is no hexadecimal digit\n"},
    };
    for (const auto& [body, outcome] : all) EXPECT_EQ(chunked(body), outcome) << body;
}

TEST(request_refusals, trailers_that_belong_into_the_head_or_bend_the_grammar) {
    const std::pair<std::string_view, std::string_view> all[] = {
        {"Content-Length: 5\r\n", "error 400"},
        {"Transfer-Encoding: chunked\r\n", "error 400"},
        {"Host: b\r\n", "error 400 a trailer field that belongs into the head\n"},
        {"connection: close\r\n", "error 400 a trailer field that belongs into the head\n"},
        {"Proxy-Authorization: Basic x\r\n", "error 400 a trailer field that belongs into the head\n"},
        {"Authorization: Basic x\r\n", "error 400 a trailer field that belongs into the head\n"},
        {"Trailer: X\r\n", "error 400 a trailer field that belongs into the head\n"},
        {"X: a\r\n b\r\n", "error 400 header line begins with a space (obsolete line folding)\n"},
        {": a\r\n", "error 400 header field has an empty name\n"},
        {"X : a\r\n", "error 400 space between a field name and its colon\n"},
        {"X: a\n", "error 400 line ends with a bare LF\n"},
        {"X: a\rb\r\n", "error 400 field value has a control character\n"},
        {"GET / HTTP/1.1\r\n", "error 400 header line has no colon\n"},
    };
    for (const auto& [trailers, outcome] : all) {
        const std::string text = chunked("0\r\n" + std::string(trailers) + "\r\n");
        EXPECT_TRUE(text.starts_with(outcome)) << trailers << "\n" << text;
    }
}

}  // namespace
}  // namespace co_wq::http::h1
