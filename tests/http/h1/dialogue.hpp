// Feeds a message to a parser in pieces and writes down what it says, so that tests compare transcripts: one line per
// event, body pieces joined.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/h1/request_parser.hpp"
#include "http/h1/response_parser.hpp"

namespace co_wq::http::h1::test {

inline std::string describe(const framing& how) {
    switch (how.kind) {
        case body_kind::none: return "none";
        case body_kind::length: return "length " + std::to_string(how.length);
        case body_kind::chunked: return "chunked";
        case body_kind::until_eof: return "until eof";
    }
    return "?";
}

inline std::string describe(const header_list& fields) {
    std::string text;
    for (const field each : fields) text += "  " + std::string(each.name) + "=" + std::string(each.value) + "\n";
    return text;
}

inline std::string describe(const request_head& head) {
    std::string text = std::string(head.method_text()) + " " + std::string(head.target_text());
    text += head.version == version::http_1_1 ? " 1.1 " : " 1.0 ";
    text += describe(head.framing);
    if (head.keep_alive) text += " keep-alive";
    if (head.expect_continue) text += " expect-continue";
    if (head.expect_unknown) text += " expect-unknown";
    if (head.upgrade) text += " upgrade";
    return text + "\n" + describe(head.headers);
}

inline std::string describe(const response_head& head) {
    std::string text = std::to_string(head.status) + " [" + std::string(head.reason()) + "]";
    text += head.version == version::http_1_1 ? " 1.1 " : " 1.0 ";
    text += describe(head.framing);
    if (head.keep_alive) text += " keep-alive";
    return text + "\n" + describe(head.headers);
}

// One parser, one transcript.
template <class Parser>
class dialogue {
public:
    explicit dialogue(Parser& parser) : parser_(parser) {}

    // Returns false when the parser wants no more: after an error, or after the final response.
    bool feed(std::string_view piece) {
        const_bytes input = as_bytes(piece);
        for (;;) {
            if (failed_) return false;
            if (over()) return left_ += as_text(input), false;
            const step done = parser_.parse(input);
            EXPECT_LE(done.consumed, input.size());
            if (done.what == event::body) {
                EXPECT_GE(done.body.data(), input.data()) << "a body piece is a view into the input";
                EXPECT_LE(done.body.data() + done.body.size(), input.data() + done.consumed);
            }
            input = input.subspan(done.consumed);
            note(done);
            if (done.what == event::error) return failed_ = true, false;
            if (done.what == event::need_more) {
                EXPECT_TRUE(input.empty()) << "need_more means that all was consumed";
                return true;
            }
        }
    }

    void finish() {
        if (over()) return;
        const step done = parser_.finish();
        if (done.what == event::need_more)
            text_ += "idle\n";
        else
            note(done);
    }

    // The transcript, and what was left behind the end.
    std::string text() const { return text_ + (left_.empty() ? "" : "left [" + left_ + "]\n"); }

private:
    bool over() const {
        if (failed_) return true;
        if constexpr (requires { parser_.done(); }) return parser_.done();
        return false;
    }

    void note(const step& done) {
        if (done.what == event::body) {
            if (!in_body_) text_ += "body ";
            text_ += as_text(done.body);
            in_body_ = true;
            return;
        }
        if (done.what == event::need_more) return;
        if (in_body_) text_ += "\n";
        in_body_ = false;
        if (done.what == event::head_complete) text_ += describe(parser_.head());
        if (done.what == event::body_end) text_ += "end\n" + describe(parser_.trailers());
        if (done.what == event::error)
            text_ +=
                "error " + std::to_string(parser_.error().status) + " " + std::string(parser_.error().reason) + "\n";
    }

    Parser& parser_;
    std::string text_;
    std::string left_;
    bool in_body_ = false;
    bool failed_ = false;
};

using pieces = std::vector<std::string_view>;

inline pieces bytewise(std::string_view text) {
    pieces cut;
    for (std::size_t i = 0; i < text.size(); ++i) cut.push_back(text.substr(i, 1));
    return cut;
}

template <class Parser>
std::string talk(Parser& parser, const pieces& cut) {
    dialogue<Parser> d(parser);
    for (const std::string_view piece : cut) {
        // a copy of exactly its size, so that a sanitizer sees reads behind the piece
        const std::vector<char> exact(piece.begin(), piece.end());
        d.feed({exact.data(), exact.size()});
    }
    d.finish();
    return d.text();
}

// Runs text through a fresh parser whole, byte by byte and cut in two at every place, and expects the same transcript
// each time. make returns a parser ready for the first byte.
template <class Make>
std::string transcript(std::string_view text, Make make) {
    auto first = make();
    const std::string whole = talk(*first, {text});
    auto second = make();
    EXPECT_EQ(talk(*second, bytewise(text)), whole) << "byte by byte";
    for (std::size_t at = 1; at < text.size(); ++at) {
        auto next = make();
        const std::string cut = talk(*next, {text.substr(0, at), text.substr(at)});
        EXPECT_EQ(cut, whole) << "cut at " << at;
        if (cut != whole) break;
    }
    return whole;
}

inline std::string request(std::string_view text, const parse_limits& limits = {}) {
    return transcript(text, [&] { return std::make_unique<request_parser>(limits); });
}

inline std::string response(std::string_view text, method asked = method::get, const parse_limits& limits = {}) {
    return transcript(text, [&] {
        auto parser = std::make_unique<response_parser>(limits);
        parser->begin(asked);
        return parser;
    });
}

}  // namespace co_wq::http::h1::test
