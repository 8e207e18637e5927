// What our HTTP/1 parsers say about a stream, cut as wanted, as messages that can be compared: with each other and with
// the reference's.
//
// For:      the HTTP targets.
// Requires: response parsers have begun.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fuzzing.hpp"
#include "http/h1/request_parser.hpp"
#include "http/h1/response_parser.hpp"
#include "reference_h1.hpp"

namespace co_wq::fuzz {

struct heard {
    std::vector<reference_h1::message> messages;  // the last one may be incomplete
    std::string error;  // "400 reason", also when the end of the stream is one
    std::size_t consumed = 0;
    bool idle = false;  // between messages when the stream ended
    friend bool operator==(const heard&, const heard&) = default;

    std::string text() const {
        std::string out;
        for (const reference_h1::message& one : messages) out += describe(one);
        return out + (error.empty() ? "" : "error: " + error + "\n") + "consumed " + std::to_string(consumed) + "\n";
    }
};

inline reference_h1::fields fields_of(const http::header_list& list) {
    reference_h1::fields out;
    for (const http::field each : list) out.push_back({std::string(each.name), std::string(each.value)});
    return out;
}

inline reference_h1::framing kind_of(http::h1::body_kind kind) {
    switch (kind) {
        case http::h1::body_kind::none: return reference_h1::framing::none;
        case http::h1::body_kind::length: return reference_h1::framing::length;
        case http::h1::body_kind::chunked: return reference_h1::framing::chunked;
        case http::h1::body_kind::until_eof: return reference_h1::framing::until_close;
    }
    return reference_h1::framing::none;
}

inline reference_h1::head head_of(const http::h1::request_head& from) {
    reference_h1::head out;
    out.method = from.method_text();
    out.target = from.target_text();
    return out;
}

inline reference_h1::head head_of(const http::h1::response_head& from) {
    reference_h1::head out;
    out.status = from.status;
    out.reason = from.reason();
    return out;
}

// Feeds one parser. on_head(parser) is called at each head, on_end(parser) at each end of a message.
template <class Parser, class On_head, class On_end>
class listener {
public:
    listener(Parser& parser, On_head on_head, On_end on_end)
        : parser_(parser), on_head_(std::move(on_head)), on_end_(std::move(on_end)) {}

    void feed(std::string_view piece) {
        // a copy of exactly its size, so that a sanitizer sees reads behind the piece
        const auto exact = std::make_unique<char[]>(piece.size());
        std::copy(piece.begin(), piece.end(), exact.get());
        const_bytes input = as_bytes(std::string_view(exact.get(), piece.size()));
        for (int idle_steps = 0; !over_;) {
            const http::h1::step done = parser_.parse(input);
            demand(done.consumed <= input.size(), "no more is consumed than there is", piece);
            idle_steps = done.consumed == 0 ? idle_steps + 1 : 0;
            demand(idle_steps < 8, "every few steps something is consumed or awaited", piece);
            if (done.what == http::h1::event::body) {
                demand(done.body.data() >= input.data() &&
                           done.body.data() + done.body.size() <= input.data() + done.consumed,
                       "a body piece is a view into what was consumed", piece);
                demand(!done.body.empty(), "a body piece has bytes", piece);
            }
            input = input.subspan(done.consumed);
            out_.consumed += done.consumed;
            note(done);
            if (done.what != http::h1::event::need_more) continue;
            demand(input.empty(), "need_more means that all was consumed", piece);
            return;
        }
    }

    heard finish() {
        out_.idle = parser_.idle() && !over_;
        if (!over_) note(parser_.finish());
        return std::move(out_);
    }

private:
    void note(const http::h1::step& done) {
        switch (done.what) {
            case http::h1::event::need_more: break;
            case http::h1::event::head_complete: note_head(); break;
            case http::h1::event::body: out_.messages.back().body += as_text(done.body); break;
            case http::h1::event::body_end:
                out_.messages.back().trailers = fields_of(parser_.trailers());
                out_.messages.back().complete = true;
                out_.messages.back().end = out_.consumed;
                if constexpr (requires { parser_.done(); }) over_ = parser_.done();
                on_end_(parser_, out_.messages.back());
                break;
            case http::h1::event::error:
                demand(!parser_.error().reason.empty(), "a refusal says why", "");
                demand(parser_.error().status >= 400 && parser_.error().status < 600, "a refusal is an error", "");
                out_.error = std::to_string(parser_.error().status) + " " + std::string(parser_.error().reason);
                out_.consumed = 0;  // how much of what is refused was looked at depends on the cut
                over_ = true;
                break;
        }
    }

    void note_head() {
        const auto& from = parser_.head();
        reference_h1::message made{.start = head_of(from), .body = {}, .trailers = {}};
        made.start.minor_version = from.version == http::h1::version::http_1_1 ? 1 : 0;
        made.start.fields = fields_of(from.headers);
        made.start.how = kind_of(from.framing.kind);
        made.start.length = from.framing.length;
        made.start.persistent = from.keep_alive;
        made.head_end = out_.consumed;
        out_.messages.push_back(std::move(made));
        on_head_(parser_);
    }

    Parser& parser_;
    On_head on_head_;
    On_end on_end_;
    heard out_;
    bool over_ = false;
};

template <class Parser, class On_head, class On_end>
heard hear(Parser& parser, std::string_view text, const cuts& where, On_head on_head, On_end on_end) {
    listener<Parser, On_head, On_end> to(parser, std::move(on_head), std::move(on_end));
    std::size_t at = 0;
    for (const std::size_t cut : where) {
        to.feed(text.substr(at, cut - at));
        at = cut;
    }
    if (at < text.size()) to.feed(text.substr(at));
    return to.finish();
}

template <class Make>
heard hear(Make make, std::string_view text, const cuts& where = {}) {
    auto parser = make();
    const auto nothing = [](auto&&...) {};
    return hear(*parser, text, where, nothing, nothing);
}

// Demands that every way to cut gives what the whole gives: byte by byte, in seeded pieces, and for short texts in two
// at every place from `first_cut` on.
template <class Make>
heard hear_however_cut(Make make, std::string_view text, std::uint32_t seed, std::size_t first_cut = 1) {
    constexpr std::size_t short_text = 32;
    const heard whole = hear(make, text);
    const auto same = [&](const cuts& where) {
        const heard cut = hear(make, text, where);
        demand(cut == whole, "outcomes do not depend on how the input is cut",
               [&] { return "whole:\n" + whole.text() + "cut:\n" + cut.text(); });
    };
    same(every_byte(text.size()));
    same(pieces_of(text.size(), seed));
    if (text.size() <= first_cut + short_text)
        for (std::size_t at = first_cut; at < text.size(); ++at) same({at});
    return whole;
}

// As small as to be met by short inputs.
inline constexpr http::parse_limits small_limits{.head_bytes_max = 120,
                                                 .start_line_bytes_max = 60,
                                                 .fields_max = 6,
                                                 .trailer_bytes_max = 40,
                                                 .chunk_extension_bytes_max = 8,
                                                 .chunk_extensions_bytes_max = 20,
                                                 .connection_options_max = 3,
                                                 .interim_responses_max = 2};

inline std::unique_ptr<http::h1::request_parser> new_request_parser(const http::parse_limits& limits = {}) {
    return std::make_unique<http::h1::request_parser>(limits);
}

inline std::unique_ptr<http::h1::response_parser> new_response_parser(http::method asked,
                                                                      const http::parse_limits& limits = {}) {
    auto parser = std::make_unique<http::h1::response_parser>(limits);
    parser->begin(asked);
    return parser;
}

// Demands that the reference reads what ours accepted, to the same boundaries and with the same words, and that ours
// does not refuse what is right but for reasons of its own (may_refuse).
void compare(const heard& ours, const reference_h1::reading& theirs, bool (*may_refuse)(std::string_view error));

// Refusals of ours that the RFC does not ask for: limits, and forms of targets, hosts and trailers we do not serve.
bool may_refuse_request(std::string_view error);
bool may_refuse_response(std::string_view error);

}  // namespace co_wq::fuzz
