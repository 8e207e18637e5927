// A second reader of HTTP/1.1 messages, written from RFC 9112 alone: where a message ends, how, and what it says.
//
// For:        an oracle that shares no code and no library with src/http. Fuzzers compare what our parsers accept with
//             it; an origin or a client of a simulated session feeds it what arrives and learns what was meant.
// Guarantees: strict: what the RFC lets a recipient repair is refused, except what is harmless for framing and other
//             readers do accept; that is noted in head::oddities. What next() says does not depend on how the bytes
//             were cut. There are no limits: whoever feeds it bounds the input.
// Threads:    one at a time. Plain values out.
// Source:     RFC 9112 sections 2.2, 3, 4, 5, 6, 7, 8, 9.6; RFC 9110 sections 5, 6.5, 7.2, 9.3.6, 15.
//
//   reader seen = reader::of_requests();              // at an origin
//   seen.feed(arrived);
//   while (auto happened = seen.next()) switch (happened->what) { ... }
//
//   reading meant = read_requests(sent_by_client), got = read_requests(arrived_at_origin);
//   if (std::string why = difference(meant.messages[0], got.messages[0]); !why.empty()) report(why);
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace co_wq::reference_h1 {

enum class framing : std::uint8_t { none, length, chunked, until_close };

// What is accepted although the grammar or a MUST NOT for senders forbids it; none of it moves a boundary.
enum oddity : unsigned {
    empty_line_before_request = 1u << 0,     // RFC 9112 section 2.2: one may be ignored
    target_with_odd_characters = 1u << 1,    // visible ASCII, but not in the grammar of RFC 3986
    no_space_after_status = 1u << 2,         // before an empty reason phrase
    framing_fields_without_body = 1u << 3,   // in 1xx, 204 and 2xx to CONNECT
    odd_chunk_extension = 1u << 4,           // text behind ";" that is no list of names and values
    space_before_chunk_extension = 1u << 5,  // the grammar's BWS
    content_in_trace_or_connect = 1u << 6,
};

struct field {
    std::string name, value;
    friend bool operator==(const field&, const field&) = default;
};
using fields = std::vector<field>;

struct head {
    std::string method, target;  // of a request
    int status = 0;              // of a response
    std::string reason;
    int minor_version = 1;
    reference_h1::fields fields;
    framing how = framing::none;
    std::uint64_t length = 0;  // framing::length
    bool persistent = false;   // the connection may be used again afterwards
    unsigned oddities = 0;
    std::string asked;         // of a response: the method of the request it answers
    friend bool operator==(const head&, const head&) = default;
};

enum class happening : std::uint8_t {
    head,     // event::start
    body,     // event::bytes: decoded content, a piece of it
    end,      // the message is over; event::trailers
    tunnel,   // event::bytes: what follows the last message of a connection that became a tunnel
    refused,  // event::bytes says why; nothing follows
};

struct event {
    happening what;
    head start{};
    std::string bytes{};
    fields trailers{};
    unsigned oddities = 0;  // of the whole message, with happening::end
};

class reader {
public:
    static reader of_requests() { return reader(false); }
    static reader of_responses() { return reader(true); }

    // Responses: the next request in order that will be answered, by its method. A response to none is refused.
    void expect(std::string method) { asked_.push_back(std::move(method)); }
    void feed(std::string_view bytes) { arrived_ += bytes; }
    // The sender has sent its last byte. Ends a body that is delimited so, and refuses a message that is cut off.
    void close() noexcept { closed_ = true; }
    // Nothing: more bytes are needed. Bytes behind a message are not looked at before the next call.
    std::optional<event> next();

    // After happening::end of a CONNECT, or of a request with Upgrade that was granted: the rest is no HTTP. A reader
    // of responses finds out by itself (2xx to CONNECT, 101).
    void become_tunnel() noexcept { state_ = state::tunnel; }

    // Bytes that belong to the events so far. After happening::end: where the message's last byte is.
    std::size_t consumed() const noexcept { return consumed_; }
    // Between messages, with no byte of the next one.
    bool idle() const noexcept { return state_ == state::start && arrived_.empty(); }

private:
    enum class state : std::uint8_t {
        start,
        length,
        chunk_size,
        chunk_data,
        chunk_end,
        trailers,
        until_close,
        at_end,
        tunnel,
        refused,
    };

    explicit reader(bool responses) : responses_(responses) {}
    std::optional<event> refuse(std::string why);
    std::optional<event> cut_off();
    std::optional<event> piece(happening what, std::size_t size);
    std::optional<event> read_head();
    std::optional<event> read_length();
    std::optional<event> read_chunk_size();
    std::optional<event> read_chunk_end();
    std::optional<event> read_trailers();
    std::optional<event> end();
    std::string take(std::size_t size);

    const bool responses_;
    bool closed_ = false;
    state state_ = state::start;
    std::string arrived_;  // and not consumed
    std::size_t consumed_ = 0;
    std::uint64_t left_ = 0;
    bool last_was_tunnel_ = false;
    bool interim_ = false;
    unsigned oddities_ = 0;
    std::deque<std::string> asked_;
};

// A message with everything that belongs to it.
struct message {
    head start;
    std::string body;
    fields trailers;
    unsigned oddities = 0;
    bool complete = false;
    std::size_t head_end = 0, end = 0;  // offsets in the stream
    friend bool operator==(const message&, const message&) = default;
};

struct reading {
    std::vector<message> messages;  // the last one may be incomplete
    std::string refused;  // why nothing follows; empty if all is well
    std::string tunnel;
    bool idle = false;
};

// Whole streams. closed: the sender ended it.
reading read_requests(std::string_view stream, bool closed = false);
reading read_responses(std::string_view stream, const std::vector<std::string>& asked, bool closed = false);

// What a request asks for, in one spelling: "get|http://host:port|/path?query" is where = "host:port", path =
// "/path?query".
struct purpose {
    std::string method, where, path;
    friend bool operator==(const purpose&, const purpose&) = default;
};
// Nothing if the request names no host.
std::optional<purpose> purpose_of(const head& request);

// Whether an intermediary passed on what it was given: purpose, framing, body. Empty, or the first thing that differs.
// until_close and chunked count as the same, as a body without a length is sent in one of the two.
std::string difference(const message& meant, const message& seen);

std::string describe(const message& one);
std::string describe(const reading& all);

}  // namespace co_wq::reference_h1
