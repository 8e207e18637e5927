// What the reference reader accepts and refuses: the RFC's examples, and the ways of smuggling that are known.
#include "reference_h1.hpp"

#include <gtest/gtest.h>

namespace co_wq::reference_h1 {
namespace {

using namespace std::string_view_literals;

std::string post(std::string_view fields_and_body) {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields_and_body);
}

// Reads whole, byte by byte and cut in two everywhere; all must agree.
std::string transcript(reader from, std::string_view stream, const std::vector<std::size_t>& cuts, bool closed) {
    std::string out;
    bool in_body = false;
    const auto drain = [&] {
        while (auto happened = from.next()) {
            const bool body = happened->what == happening::body || happened->what == happening::tunnel;
            if (body != in_body || !body) out += "\n" + std::to_string(static_cast<int>(happened->what)) + " ";
            in_body = body;
            out += happened->bytes + happened->start.method + std::to_string(happened->start.status);
            if (body) out.erase(out.size() - 1);  // the status of no head
            if (happened->what == happening::end) out += "@" + std::to_string(from.consumed());
        }
    };
    std::size_t at = 0;
    for (const std::size_t cut : cuts) {
        from.feed(stream.substr(at, cut - at));
        at = cut;
        drain();
    }
    from.feed(stream.substr(at));
    if (closed) from.close();
    drain();
    return out;
}

void expect_the_same_however_cut(const reader& fresh, std::string_view stream, bool closed) {
    const std::string whole = transcript(fresh, stream, {}, closed);
    std::vector<std::size_t> every;
    for (std::size_t at = 1; at < stream.size(); ++at) {
        every.push_back(at);
        EXPECT_EQ(transcript(fresh, stream, {at}, closed), whole) << "cut at " << at << " of " << stream;
    }
    EXPECT_EQ(transcript(fresh, stream, every, closed), whole) << "byte by byte: " << stream;
}

reading requests(std::string_view stream, bool closed = true) {
    expect_the_same_however_cut(reader::of_requests(), stream, closed);
    return read_requests(stream, closed);
}

reading responses(std::string_view stream, const std::vector<std::string>& asked, bool closed = true) {
    reader fresh = reader::of_responses();
    for (const std::string& method : asked) fresh.expect(method);
    expect_the_same_however_cut(fresh, stream, closed);
    return read_responses(stream, asked, closed);
}

// One whole message and nothing behind it.
const message& only(const reading& all) {
    EXPECT_EQ(all.refused, "");
    EXPECT_TRUE(all.idle);
    EXPECT_EQ(all.messages.size(), 1u) << describe(all);
    EXPECT_TRUE(!all.messages.empty() && all.messages[0].complete);
    static const message none;
    return all.messages.empty() ? none : all.messages[0];
}

void expect_refused(std::string_view stream, std::string_view why) {
    EXPECT_EQ(requests(stream).refused, why) << stream << "\n" << describe(read_requests(stream, true));
}

TEST(reference_h1, a_request_without_a_body_ends_with_its_head) {
    const reading all = requests("GET /a?b HTTP/1.1\r\nHost: a:81\r\nX:  y\t \r\n\r\n");
    const message& one = only(all);
    EXPECT_EQ(one.start.method, "GET");
    EXPECT_EQ(one.start.target, "/a?b");
    EXPECT_EQ(one.start.how, framing::none);
    EXPECT_TRUE(one.start.persistent);
    EXPECT_EQ(one.start.fields, (fields{{"Host", "a:81"}, {"X", "y"}}));
    EXPECT_EQ(one.end, 42u);
    EXPECT_EQ(one.oddities, 0u);
}

TEST(reference_h1, a_length_delimits_what_follows) {
    const reading all = requests(post("Content-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n"));
    ASSERT_EQ(all.messages.size(), 2u) << describe(all);
    EXPECT_EQ(all.messages[0].body, "hello");
    EXPECT_EQ(all.messages[1].start.method, "GET");
    EXPECT_FALSE(all.messages[1].start.persistent);
    EXPECT_EQ(only(requests(post("content-LENGTH: 0\r\n\r\n"))).start.how, framing::length);
    EXPECT_EQ(only(requests(post("Content-Length: 0005\r\n\r\nhello"))).body, "hello");
}

TEST(reference_h1, chunks_are_joined_and_trailers_kept) {
    const reading all =
        requests(post("Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA ; x=\"q\\\";\"\r\n0123456789\r\n"
                      "000\r\nT: u\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n"));
    ASSERT_EQ(all.messages.size(), 2u) << describe(all);
    EXPECT_EQ(all.messages[0].body, "abc0123456789");
    EXPECT_EQ(all.messages[0].trailers, (fields{{"T", "u"}}));
    EXPECT_EQ(all.messages[0].oddities, space_before_chunk_extension);
    EXPECT_EQ(all.messages[1].start.target, "/2");
    EXPECT_EQ(only(requests(post("Transfer-Encoding: chunked\r\n\r\n1;;=\r\na\r\n0\r\n\r\n"))).oddities,
              odd_chunk_extension);
}

TEST(reference_h1, two_lengths_are_never_accepted) {
    constexpr std::string_view both = "both Transfer-Encoding and Content-Length";
    // CL.TE and TE.CL
    expect_refused(post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"), both);
    expect_refused(post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n"), both);
    expect_refused(post("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), "Content-Length more than once");
    expect_refused(post("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), "Content-Length more than once");
    expect_refused(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                   "Transfer-Encoding more than once");
    expect_refused(post("Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"), both);
}

TEST(reference_h1, lengths_that_are_no_plain_number_are_refused) {
    for (const char* length : {"+5", "-5", "5, 5", "5,", "5 5", "0x5", "5;", "", "5e0", "\x35\xc2\xa0", "1_0", "0b1"})
        expect_refused(post("Content-Length: " + std::string(length) + "\r\n\r\nhello"),
                       "Content-Length is not a number");
    expect_refused(post("Content-Length: 9223372036854775808\r\n\r\n"), "Content-Length is too large");
    expect_refused(post("Content-Length: 18446744073709551621\r\n\r\nhello"), "Content-Length is too large");
    EXPECT_EQ(read_requests(post("Content-Length: 9223372036854775807\r\n\r\n")).messages[0].start.length,
              9223372036854775807u);
}

TEST(reference_h1, transfer_codings_other_than_chunked_are_refused) {
    // TE.TE
    for (const char* coding :
         {"chunked, identity", "identity, chunked", "identity", "gzip, chunked", "chunked, chunked", "xchunked",
          "chunked;q=1", "\"chunked\"", "chunke", "chunked,", ",chunked", "", "\xc3\xa7hunked", "chunked chunked"})
        expect_refused(post("Transfer-Encoding: " + std::string(coding) + "\r\n\r\n0\r\n\r\n"),
                       "a Transfer-Encoding other than chunked alone");
    expect_refused(post("Transfer-Encoding: \x0b\x63hunked\r\n\r\n0\r\n\r\n"), "a field value has a control character");
    expect_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding in HTTP/1.0");
    EXPECT_EQ(only(requests(post("Transfer-Encoding:\tchunked \t\r\n\r\n0\r\n\r\n"))).start.how, framing::chunked);
    // a name that only looks like it is another field
    EXPECT_EQ(only(requests(post("Transfer_Encoding: chunked\r\nContent-Length: 1\r\n\r\n0"))).body, "0");
}

TEST(reference_h1, field_lines_that_could_be_read_in_two_ways_are_refused) {
    expect_refused(post("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), "a field name is no token");
    expect_refused(post("Content-Length\t: 5\r\n\r\nhello"), "a field name is no token");
    expect_refused(post("X: a\r\n Transfer-Encoding: chunked\r\n\r\n"), "a field line begins with a blank (folding)");
    expect_refused(post("Transfer-Encoding:\r\n\tchunked\r\n\r\n"), "a field line begins with a blank (folding)");
    expect_refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "a field line begins with a blank (folding)");
    expect_refused(post("Transfer\0-Encoding: chunked\r\n\r\n"sv), "a NUL");
    expect_refused(post("X: a\0b\r\n\r\n"sv), "a NUL");
    expect_refused(post("X: a\rTransfer-Encoding: chunked\r\n\r\n"), "a CR that ends no line");
    expect_refused(post("X: a\nTransfer-Encoding: chunked\r\n\r\n"), "a line ends with LF alone");
    expect_refused(post("X: a\r\r\n\r\n"), "a CR that ends no line");
    expect_refused(post("X: a\r\n\n"), "a line ends with LF alone");
    expect_refused(post("X\r\n\r\n"), "a field line has no colon");
    expect_refused(post(": a\r\n\r\n"), "a field name is no token");
    expect_refused(post("X: a\x7f\r\n\r\n"), "a field value has a control character");
    EXPECT_EQ(only(requests(post("X: \xc3\xa4\r\n\r\n"))).oddities, 0u);
}

TEST(reference_h1, chunk_lines_that_could_be_read_in_two_ways_are_refused) {
    const auto chunked = [](std::string_view body) {
        return post("Transfer-Encoding: chunked\r\n\r\n" + std::string(body));
    };
    constexpr std::string_view something = "a chunk size is followed by something else";
    expect_refused(chunked("0x5\r\nhello\r\n0\r\n\r\n"), something);
    expect_refused(chunked("5 \r\nhello\r\n0\r\n\r\n"), something);
    expect_refused(chunked("5_0\r\nhello\r\n0\r\n\r\n"), something);
    expect_refused(chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), something);
    expect_refused(chunked("5;\0\r\nhello\r\n0\r\n\r\n"sv), something);
    expect_refused(chunked("+5\r\nhello\r\n0\r\n\r\n"), "a chunk has no size");
    expect_refused(chunked("-1\r\nhello\r\n0\r\n\r\n"), "a chunk has no size");
    expect_refused(chunked(" 5\r\nhello\r\n0\r\n\r\n"), "a chunk has no size");
    expect_refused(chunked("\r\nhello\r\n0\r\n\r\n"), "a chunk has no size");
    expect_refused(chunked(";x\r\nhello\r\n0\r\n\r\n"), "a chunk has no size");
    expect_refused(chunked("5\nhello\r\n0\r\n\r\n"), "a chunk line ends with LF alone");
    expect_refused(chunked("5;x\nhello\r\n0\r\n\r\n"), "a chunk line ends with LF alone");
    // 2^64 and more, which would wrap round to a small number
    expect_refused(chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), "a chunk size is too large");
    expect_refused(chunked("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), "a chunk size is too large");
    expect_refused(chunked("8000000000000000\r\nhello\r\n0\r\n\r\n"), "a chunk size is too large");
    expect_refused(chunked("5\r\nhello!\r\n0\r\n\r\n"), "a chunk is longer than its size");
    expect_refused(chunked("5\r\nhello\n0\r\n\r\n"), "a chunk is longer than its size");
    expect_refused(chunked("4\r\nhello\r\n0\r\n\r\n"), "a chunk is longer than its size");
    expect_refused(chunked("6\r\nhello\r\n0\r\n\r\n"), "a chunk is longer than its size");
    expect_refused(chunked("0\r\nContent-Length: 5\r\n\r\nhello"), "a trailer field about framing or routing");
    expect_refused(chunked("0\r\nHost: b\r\n\r\n"), "a trailer field about framing or routing");
    expect_refused(chunked("0\r\n\n"), "a line ends with LF alone");
    expect_refused(chunked("0\r\n X: y\r\n\r\n"), "a field line begins with a blank (folding)");
    EXPECT_EQ(only(requests(chunked("0000000000000000000000001\r\na\r\n0;x=y\r\n\r\n"))).body, "a");
}

TEST(reference_h1, request_lines_are_three_parts_and_no_more) {
    constexpr std::string_view parts = "the request line has not three parts";
    constexpr std::string_view character = "the target has a character that no target has";
    constexpr std::string_view version = "the version is not HTTP/1.x";
    expect_refused("GET /\r\nHost: a\r\n\r\n", parts);
    expect_refused("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", parts);
    expect_refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", character);
    expect_refused("GET / b HTTP/1.1\r\nHost: a\r\n\r\n", character);
    expect_refused("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", character);
    expect_refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", version);
    expect_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", version);
    expect_refused("GET / http/1.1\r\nHost: a\r\n\r\n", version);
    expect_refused("GET / HTTP/1.10\r\nHost: a\r\n\r\n", version);
    expect_refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "the method is no token");
    expect_refused("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", "the method is no token");
    expect_refused("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "the target has a fragment");
    expect_refused("GET x HTTP/1.1\r\nHost: a\r\n\r\n", "the target has none of the four forms");
    expect_refused("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "\"*\" for a method other than OPTIONS");
    expect_refused("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT without host and port");
    expect_refused("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "the target's authority is no host");
    expect_refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", parts);
    expect_refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "a line ends with LF alone");
    EXPECT_EQ(only(requests("\r\nGET /\"{} HTTP/1.1\r\nHost: a\r\n\r\n")).oddities,
              empty_line_before_request | target_with_odd_characters);
    EXPECT_EQ(only(requests("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).start.target, "*");
}

TEST(reference_h1, there_is_one_host_and_it_is_one) {
    expect_refused("GET / HTTP/1.1\r\n\r\n", "no Host");
    expect_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "Host more than once");
    for (const char* host : {"a b", "a/b", "a@b", "a:b", "[::1", "[x]", "a:80:80", "a\"", "[::1]a"})
        expect_refused("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n", "Host is no host");
    EXPECT_EQ(only(requests("GET / HTTP/1.0\r\n\r\n")).start.minor_version, 0);
}

TEST(reference_h1, what_is_cut_off_is_refused_and_what_is_not_there_yet_is_awaited) {
    constexpr std::string_view cut = "the stream ends inside a message";
    for (const std::string_view tail :
         {"", "Content-Length: 5\r\n\r\nhell", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
          "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "Transfer-Encoding: chunked\r\n\r\n5", "X: y\r\n"}) {
        expect_refused(post(tail), cut);
        const reading open = requests(post(tail), false);
        EXPECT_EQ(open.refused, "");
        EXPECT_FALSE(open.idle);
    }
    // garbage behind a message is the beginning of the next
    expect_refused(post("Content-Length: 1\r\n\r\nab"), cut);
}

TEST(reference_h1, a_tunnel_begins_when_the_origin_says_so) {
    reader from = reader::of_requests();
    from.feed("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n");
    reader tunnel = from;
    for (reader* each : {&from, &tunnel}) {
        EXPECT_EQ(each->next()->what, happening::head);
        EXPECT_EQ(each->next()->what, happening::end);
        EXPECT_EQ(each->consumed(), 39u);
    }
    EXPECT_EQ(from.next()->start.target, "/");  // it was refused: the connection goes on
    tunnel.become_tunnel();
    EXPECT_EQ(tunnel.next()->bytes, "GET / HTTP/1.1\r\nHost: b\r\n\r\n");
}

TEST(reference_h1, bodies_of_responses_depend_on_what_was_asked) {
    EXPECT_EQ(only(responses("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", {"GET"})).body, "ok");
    EXPECT_EQ(only(responses("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", {"HEAD"})).start.how, framing::none);
    EXPECT_EQ(only(responses("HTTP/1.1 304 \r\nContent-Length: 2\r\n\r\n", {"GET"})).body, "");
    EXPECT_EQ(only(responses("HTTP/1.1 204 \r\nContent-Length: 2\r\n\r\n", {"GET"})).oddities,
              framing_fields_without_body);
    EXPECT_EQ(only(responses("HTTP/1.1 204\r\n\r\n", {"GET"})).oddities, no_space_after_status);
    EXPECT_EQ(responses("HTTP/1.1 200 OK\r\n\r\nabc", {"CONNECT"}).tunnel, "abc");
    EXPECT_EQ(responses("HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\nabc", {"GET"}).tunnel, "abc");
    const reading open = responses("HTTP/1.1 200 OK\r\n\r\nabc", {"GET"});
    EXPECT_EQ(only(open).body, "abc");
    EXPECT_EQ(open.messages[0].start.how, framing::until_close);
    EXPECT_FALSE(open.messages[0].start.persistent);
    EXPECT_FALSE(responses("HTTP/1.1 200 OK\r\n\r\nabc", {"GET"}, false).messages[0].complete);
}

TEST(reference_h1, every_response_answers_a_request) {
    const reading all = responses(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 "
        "x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n",
        {"PUT", "GET"});
    ASSERT_EQ(all.messages.size(), 3u) << describe(all);
    EXPECT_EQ(all.messages[0].start.asked, "PUT");
    EXPECT_EQ(all.messages[1].start.asked, "PUT");
    EXPECT_EQ(all.messages[2].start.asked, "GET");
    EXPECT_EQ(all.messages[2].body, "b");
    // a response that was smuggled in behind the one that is due
    EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", {"GET"}).refused,
              "a response that nobody asked for");
}

TEST(reference_h1, responses_that_could_be_read_in_two_ways_are_refused) {
    const auto expect = [](std::string_view stream, std::string_view why) {
        EXPECT_EQ(responses(stream, {"GET"}).refused, why) << stream;
    };
    expect("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "both Transfer-Encoding and Content-Length");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", "Content-Length is not a number");
    expect("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding in HTTP/1.0");
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
           "a Transfer-Encoding other than chunked alone");
    expect("HTTP/1.1 99 OK\r\n\r\n", "the status is not 100 to 599");
    expect("HTTP/1.1 600 OK\r\n\r\n", "the status is not 100 to 599");
    expect("HTTP/1.1 2000 OK\r\n\r\n", "the status is not followed by a space");
    expect("HTTP/1.1  200 OK\r\n\r\n", "the status is not 100 to 599");
    expect("HTTP/1.1 200 O\x01K\r\n\r\n", "the reason has a control character");
    expect("\r\nHTTP/1.1 200 OK\r\n\r\n", "the status line is too short");
    expect("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "a field line begins with a blank (folding)");
}

TEST(reference_h1, a_request_and_what_a_proxy_made_of_it_are_compared) {
    const auto compare = [](std::string_view meant, std::string_view seen) {
        const reading left = read_requests(meant), right = read_requests(seen);
        EXPECT_EQ(left.messages.size(), 1u);
        EXPECT_EQ(right.messages.size(), 1u);
        return difference(left.messages.at(0), right.messages.at(0));
    };
    EXPECT_EQ(compare("GET http://A.example:80?q HTTP/1.1\r\nHost: other\r\n\r\n",
                      "GET /?q HTTP/1.1\r\nHost: a.example\r\nVia: 1.1 x\r\n\r\n"),
              "");
    EXPECT_EQ(compare("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "");
    EXPECT_EQ(compare("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
              "they ask for different things");
    EXPECT_EQ(compare("GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
              "they ask for different things");
    EXPECT_EQ(compare("PUT http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
                      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\ny"),
              "their bodies differ");
    EXPECT_EQ(compare("PUT http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
                      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
              "framing: a length became chunks");
    EXPECT_EQ(compare("PUT http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy",
                      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
              "their lengths differ");
}

}  // namespace
}  // namespace co_wq::reference_h1
