// What we send on for what we received, message after message, as the proxy does it: the reference must read in it
// exactly the messages that it reads in what was received, with nothing that the grammar forbids.
// Input: a byte that chooses the side, one for the rules and the request's method, one for the sizes of the pieces;
// then the stream.
#include "h1_heard.hpp"
#include "http/forward.hpp"
#include "http/h1/chunked.hpp"
#include "http/h1/forward_head.hpp"

namespace {

using namespace co_wq;
using http::h1::body_kind;
using reference_h1::message;

// What may stand in a head of ours because a peer wrote it and it is passed on as it is.
constexpr unsigned passed_on = reference_h1::target_with_odd_characters;

bool names(const reference_h1::fields& all, std::string_view name) {
    for (const reference_h1::field& one : all)
        if (one.name.size() == name.size() &&
            std::equal(name.begin(), name.end(), one.name.begin(), [](char a, char b) { return (a | 32) == (b | 32); }))
            return true;
    return false;
}

void append_body(http::byte_buffer& out, const message& one, bool chunked, std::uint8_t seed) {
    if (!chunked) return out.append(one.body);
    std::size_t at = 0;
    fuzz::cuts where = fuzz::pieces_of(one.body.size(), seed);
    where.push_back(one.body.size());
    for (const std::size_t cut : where) {
        http::h1::append_chunk(out, as_bytes(std::string_view(one.body).substr(at, cut - at)));
        at = cut;
    }
    http::header_list trailers;
    for (const reference_h1::field& each : one.trailers) trailers.add(each.name, each.value);
    http::h1::append_last_chunk(out, trailers);
}

// The stream that goes on, and which of the messages received are in it.
struct sent_on {
    http::byte_buffer stream;
    std::vector<std::size_t> from;
    bool open = false;  // ends with the connection
};

std::string both(const reference_h1::reading& received, const sent_on& sent, const reference_h1::reading& seen) {
    return "received:\n" + describe(received) + "sent on:\n" + fuzz::shown(sent.stream.text()) + "\nread:\n" +
           describe(seen);
}

void compare(const reference_h1::reading& received, const sent_on& sent, const reference_h1::reading& seen) {
    const auto texts = [&] { return both(received, sent, seen); };
    fuzz::demand(seen.refused.empty(), "what we send on can be read", texts);
    fuzz::demand(seen.messages.size() == sent.from.size(), "it is as many messages as we meant", texts);
    for (std::size_t i = 0; i < sent.from.size(); ++i) {
        fuzz::demand(sent.from[i] < received.messages.size(), "the reference read what we received", texts);
        const message& meant = received.messages[sent.from[i]];
        const message& got = seen.messages[i];
        const std::string what = difference(meant, got);
        fuzz::demand(what.empty(), "what goes on is what was meant: " + what, texts);
        fuzz::demand((got.oddities & ~passed_on) == 0, "what goes on has nothing that the grammar forbids", texts);
        for (const char* name : {"proxy-connection", "keep-alive", "proxy-authenticate", "http2-settings"})
            fuzz::demand(!names(got.start.fields, name), "fields of one connection stay on it", texts);
        fuzz::demand(names(got.start.fields, "via"), "Via says that we were there", texts);
        // a trailer of ours says nothing that a head must say
        for (const char* name : {"content-length", "transfer-encoding", "host", "authorization"})
            fuzz::demand(!names(got.trailers, name), "no trailer is about framing or routing", texts);
    }
}

// --- requests --------------------------------------------------------------------------------------------------------

http::h1::request_rules rules_from(std::uint8_t choice, const http::h1::request_head& head) {
    return {.pseudonym = "fuzz",
            .absolute_form = (choice & 1) != 0,
            .keep_upgrade = (choice & 2) != 0 && head.upgrade,
            .close = (choice & 4) != 0,
            .send_expect = (choice & 8) == 0,
            .proxy_authorization = (choice & 16) != 0 ? "Basic eDp5" : ""};
}

// Whether the session would forward it: see session.cpp.
bool goes_on(const http::h1::request_head& head) {
    using verdict = http::forward_budget::verdict;
    if (head.method == http::method::connect || head.authority().host.empty()) return false;
    const verdict budget = http::budget_of(head.method, head.headers).what;
    return budget == verdict::unlimited || budget == verdict::forward;
}

// Our own parser reads what we write to the same head.
void expect_the_same_again(std::string_view written, const http::h1::request_head& head) {
    http::h1::request_parser again;
    const http::h1::step done = again.parse(as_bytes(written));
    fuzz::demand(done.what == http::h1::event::head_complete && done.consumed == written.size(),
                 "we accept the head we write", fuzz::shown(written));
    fuzz::demand(again.head().framing == head.framing && again.head().authority() == head.authority() &&
                     again.head().host == head.authority() && again.head().method_text() == head.method_text(),
                 "it says what was meant", fuzz::shown(written));
}

void requests(std::string_view text, std::uint8_t choice, std::uint8_t seed) {
    sent_on sent;
    std::size_t count = 0;
    std::string head_text;
    bool passes = false, chunked = false;
    const auto on_head = [&](const http::h1::request_parser& parser) {
        passes = goes_on(parser.head());
        chunked = parser.head().framing.kind == body_kind::chunked;
        if (!passes) return;
        http::byte_buffer head;
        write_forward_request(head, parser.head(), rules_from(choice, parser.head()));
        expect_the_same_again(head.text(), parser.head());
        head_text = head.text();
    };
    const auto on_end = [&](const http::h1::request_parser&, const message& one) {
        if (passes) {
            sent.stream.append(head_text);
            append_body(sent.stream, one, chunked, seed);
            sent.from.push_back(count);
        }
        ++count;
    };
    const auto parser = fuzz::new_request_parser();
    fuzz::hear(*parser, text, fuzz::pieces_of(text.size(), seed), on_head, on_end);
    compare(reference_h1::read_requests(text, true), sent, reference_h1::read_requests(sent.stream.text(), true));
}

// --- responses -------------------------------------------------------------------------------------------------------

void responses(std::string_view text, std::uint8_t choice, std::uint8_t seed) {
    constexpr http::method methods[] = {http::method::get, http::method::head};  // CONNECT's is not passed on
    const http::method asked = methods[choice & 1];
    const auto client = (choice & 2) != 0 ? http::h1::version::http_1_0 : http::h1::version::http_1_1;
    sent_on sent;
    std::size_t count = 0;
    std::string head_text;
    body_kind outgoing = body_kind::none;
    bool passes = false;
    const auto on_head = [&](const http::h1::response_parser& parser) {
        passes = !parser.head().interim() || client == http::h1::version::http_1_1;
        if (!passes) return;
        http::byte_buffer head;
        outgoing = write_forward_response(head, parser.head(),
                                          {.pseudonym = "fuzz",
                                           .client = client,
                                           .keep_alive = (choice & 4) != 0,
                                           .keep_upgrade = parser.head().status == 101,
                                           .date = (choice & 8) != 0 ? "Thu, 01 Jan 1970 00:00:00 GMT" : ""});
        head_text = head.text();
    };
    const auto on_end = [&](const http::h1::response_parser&, const message& one) {
        if (passes) {
            sent.stream.append(head_text);
            append_body(sent.stream, one, outgoing == body_kind::chunked, seed);
            sent.from.push_back(count);
            sent.open = outgoing == body_kind::until_eof;
        }
        ++count;
    };
    const auto parser = fuzz::new_response_parser(asked);
    fuzz::hear(*parser, text, fuzz::pieces_of(text.size(), seed), on_head, on_end);
    const std::vector<std::string> method{std::string(name_of(asked))};
    const reference_h1::reading seen = reference_h1::read_responses(sent.stream.text(), method, true);
    compare(reference_h1::read_responses(text, method, true), sent, seen);
    for (const message& one : seen.messages)
        fuzz::demand(client == http::h1::version::http_1_1 || one.start.how != reference_h1::framing::chunked,
                     "a client of HTTP/1.0 gets no chunks", [&] { return fuzz::shown(sent.stream.text()); });
    if (sent.from.empty()) return;
    const bool ends_itself = reference_h1::read_responses(sent.stream.text(), method, false).messages.back().complete;
    fuzz::demand(ends_itself != sent.open, "the client knows the end of what does not end with the connection",
                 [&] { return fuzz::shown(sent.stream.text()); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const std::uint8_t side = from.choice();
    const std::uint8_t choice = from.choice();
    const std::uint8_t seed = from.choice();
    (side & 1) == 0 ? requests(from.rest(), choice, seed) : responses(from.rest(), choice, seed);
    return 0;
}
