#include "http/h1/detail/message_reader.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/assert.hpp"
#include "http/detail/grammar.hpp"
#include "http/h1/detail/head_rules.hpp"

namespace co_wq::http::h1::detail {

namespace {
constexpr std::string_view line_end = "\r\n";
constexpr unsigned chunk_digits_max = 16;
constexpr auto chunk_size_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

header_list::slice slice_of(std::string_view part, std::string_view line, std::uint32_t line_at) noexcept {
    return {line_at + static_cast<std::uint32_t>(part.data() - line.data()), static_cast<std::uint32_t>(part.size())};
}
}  // namespace

void message_reader::restart() noexcept {
    state_ = state::start_line;
    seen_empty_line_ = false;
    line_bytes_ = field_lines_ = head_fields_ = 0;
    extensions_bytes_ = 0;
    left_ = 0;
    verdict_ = {};
    record_.restart();
}

step message_reader::fail(const refusal& why) noexcept {
    CO_WQ_ASSERT(!why.reason.empty(), "a refusal says why");
    state_ = state::failed;
    error_ = why;
    return {.consumed = 0, .what = event::error, .body = {}};
}

// --- heads and trailers: lines ---------------------------------------------------------------------------------------

step message_reader::read_head(const_bytes input, header_list& fields) {
    CO_WQ_ASSERT(in_head(), "a head is read before anything else");
    step done = read_lines(input, fields);
    if (state_ == state::head_done) done.what = event::head_complete;
    return done;
}

step message_reader::read_lines(const_bytes input, header_list& into) {
    std::string_view rest = as_text(input);
    while (!rest.empty() && state_ != state::head_done && state_ != state::over) {
        if (line_bytes_ == 0)
            if (auto ok = check_first_byte(rest[0]); !ok) return fail(ok.error());
        const void* feed = std::memchr(rest.data(), '\n', rest.size());
        const std::size_t size =
            feed ? static_cast<std::size_t>(static_cast<const char*>(feed) - rest.data()) + 1 : rest.size();
        if (size > room(into.text_size())) return fail(too_large());
        into.append_text(rest.substr(0, size));
        line_bytes_ += size;
        rest.remove_prefix(size);
        if (!feed) break;
        if (auto ok = end_line(into); !ok) return fail(ok.error());
    }
    return {.consumed = input.size() - rest.size(), .what = event::need_more, .body = {}};
}

// What can be refused without waiting for the end of the line, such as a TLS handshake on a plain port.
checked message_reader::check_first_byte(char first) const noexcept {
    if (state_ == state::start_line) {
        if (side_ == side::response) return first == 'H' ? checked{} : refuse("status line does not begin with HTTP");
        if (first == '\r' && !seen_empty_line_) return {};  // RFC 9112 section 2.2: at least one may be ignored
        if (first == '\r' || first == '\n') return refuse("more than an empty line before the request line");
        return http::detail::is(http::detail::token_char, first) ? checked{} : refuse("request method is not a token");
    }
    if (first == '\r') return {};
    if (first == ' ' || first == '\t') return refuse("header line begins with a space (obsolete line folding)");
    if (first == '\n') return refuse("line ends with a bare LF");
    if (first == ':') return refuse("header field has an empty name");
    return http::detail::is(http::detail::token_char, first) ? checked{} : refuse("field name is not a token");
}

std::size_t message_reader::room(std::size_t used) const noexcept {
    if (state_ == state::trailers) return limits_.trailer_bytes_max - std::min(used, limits_.trailer_bytes_max);
    const std::size_t head = limits_.head_bytes_max - std::min(used, limits_.head_bytes_max);
    if (state_ == state::fields) return head;
    return std::min(head, limits_.start_line_bytes_max - std::min(line_bytes_, limits_.start_line_bytes_max));
}

refusal message_reader::too_large() const noexcept {
    switch (state_) {
        case state::trailers: return {431, "trailer section is too large"};
        case state::fields: return {431, "header section is too large"};
        default: return {414, "start line is too long"};
    }
}

// The last line_bytes_ of the text are a line that ends with LF.
checked message_reader::end_line(header_list& into) {
    const auto line_at = static_cast<std::uint32_t>(into.text_size() - line_bytes_);
    std::string_view line = into.text({line_at, static_cast<std::uint32_t>(line_bytes_)});
    line_bytes_ = 0;
    if (!line.ends_with(line_end)) return refuse("line ends with a bare LF");
    line.remove_suffix(line_end.size());
    if (state_ == state::start_line) {
        if (!line.empty()) return end_start_line(line, line_at);
        seen_empty_line_ = true;
        into.clear();
        return {};
    }
    if (!line.empty()) {
        if (++field_lines_ > limits_.fields_max) return refuse(431, "too many header fields");
        return check_field_line(line);
    }
    if (state_ == state::trailers) return end_trailers(into);
    end_head(into);
    return {};
}

checked message_reader::end_start_line(std::string_view line, std::uint32_t at) noexcept {
    state_ = state::fields;
    if (side_ == side::request) {
        request_line found;
        if (auto ok = parse_request_line(line, found); !ok) return ok;
        version_ = found.version;
        method_at_ = slice_of(found.method, line, at);
        target_or_reason_at_ = slice_of(found.target, line, at);
    } else {
        status_line found;
        if (auto ok = parse_status_line(line, found); !ok) return ok;
        version_ = found.version;
        status_ = found.status;
        target_or_reason_at_ = slice_of(found.reason, line, at);
    }
    return {};
}

void message_reader::end_head(header_list& fields) {
    state_ = state::head_done;
    header_list::slice text{0, static_cast<std::uint32_t>(fields.text_size())};
    std::string_view prefix;
    if (side_ == side::request && method_from(fields.text(method_at_)) == method::other) {
        // llhttp has a closed list of methods. Framing depends on none but CONNECT, so any other reads as POST.
        prefix = name_of(method::post);
        text.at += method_at_.size;
        text.size -= method_at_.size;
    }
    verdict_ = record_.feed_fields(prefix, fields, text);
    if (verdict_ && !record_.head_complete()) verdict_ = refuse("head does not end where its empty line is");
    if (verdict_ && fields.size() != field_lines_) verdict_ = refuse("header lines cannot be told apart");
}

bool message_reader::agrees(const framing& ours) const noexcept {
    switch (ours.kind) {
        case body_kind::chunked: return record_.chunked() && !record_.has_length();
        case body_kind::length: return !record_.chunked() && record_.has_length() && record_.length() == ours.length;
        case body_kind::until_eof: return !record_.chunked() && !record_.has_length();
        case body_kind::none: return side_ == side::response || (!record_.chunked() && !record_.has_length());
    }
    return false;
}

void message_reader::set_body(const framing& how, std::size_t head_fields) noexcept {
    CO_WQ_ASSERT(state_ == state::head_done, "a body follows a head");
    head_fields_ = head_fields;
    left_ = how.length;
    switch (how.kind) {
        case body_kind::none: state_ = state::none; break;
        case body_kind::length: state_ = state::length; break;
        case body_kind::until_eof: state_ = state::until_eof; break;
        case body_kind::chunked:
            state_ = state::chunk_line;
            chunk_part_ = chunk_part::size;
            chunk_digits_ = 0;
            extension_bytes_ = 0;
            break;
    }
}

checked message_reader::end_trailers(header_list& trailers) {
    state_ = state::over;
    const header_list::slice text{0, static_cast<std::uint32_t>(trailers.text_size())};
    if (auto ok = record_.feed_fields({}, trailers, text); !ok) return ok;
    if (!record_.message_complete()) return refuse("trailers do not end where their empty line is");
    if (head_fields_ + trailers.size() != field_lines_) return refuse("trailer lines cannot be told apart");
    return check_trailers(trailers);
}

// --- bodies: lengths -------------------------------------------------------------------------------------------------

step message_reader::read_body(const_bytes input, header_list& trailers) {
    switch (state_) {
        case state::none: state_ = state::over; return {.consumed = 0, .what = event::body_end, .body = {}};
        case state::length: return read_length(input);
        case state::until_eof:
            if (input.empty()) return {};
            return {.consumed = input.size(), .what = event::body, .body = input};
        case state::chunk_line:
        case state::chunk_data:
        case state::chunk_end:
        case state::trailers: return read_chunks(input, trailers);
        default: CO_WQ_ASSERT(false, "a body is read after its head and before its end");
    }
    return {};
}

step message_reader::read_length(const_bytes input) noexcept {
    if (left_ == 0) {
        state_ = state::over;
        return {.consumed = 0, .what = event::body_end, .body = {}};
    }
    if (input.empty()) return {};
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
    left_ -= size;
    return {.consumed = size, .what = event::body, .body = input.first(size)};
}

step message_reader::read_chunks(const_bytes input, header_list& trailers) {
    std::size_t at = 0;
    while (at < input.size() && state_ != state::failed) {
        const const_bytes rest = input.subspan(at);
        if (state_ == state::chunk_line) {
            at += read_chunk_line(as_text(rest));
        } else if (state_ == state::chunk_end) {
            at += read_chunk_end(as_text(rest));
        } else if (state_ == state::chunk_data) {
            const const_bytes piece = rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size())));
            if (auto ok = record_.feed_body(piece); !ok) return fail(ok.error());
            left_ -= piece.size();
            if (left_ == 0) state_ = state::chunk_end;
            chunk_end_bytes_ = 0;
            return {.consumed = at + piece.size(), .what = event::body, .body = piece};
        } else {
            step done = read_lines(rest, trailers);
            done.consumed += at;
            if (state_ == state::over) done.what = event::body_end;
            return done;
        }
    }
    if (state_ == state::failed) return fail(error_);
    return {.consumed = at, .what = event::need_more, .body = {}};
}

// llhttp gets the digits and the line end. It is not shown extensions: it refuses some that are right, we drop them
// all, and since they have neither CR nor LF there is one way only to see where the line ends.
std::size_t message_reader::read_chunk_line(std::string_view input) {
    std::size_t used = 0;
    std::size_t digits = 0;
    bool ended = false;
    while (used < input.size() && !ended) {
        ended = chunk_part_ == chunk_part::line_feed;
        if (auto ok = next_chunk_char(input[used]); !ok) return fail(ok.error()), used;
        ++used;
        if (chunk_part_ == chunk_part::size) digits = used;
    }
    checked ok = digits > 0 ? record_.feed_line(input.substr(0, digits)) : checked{};
    if (ok && ended) ok = record_.feed_line(line_end);
    if (ok && ended) ok = end_chunk_line();
    if (!ok) fail(ok.error());
    return used;
}

// chunk-size [ ";" extension ] CRLF, without the space before ";" that the grammar's BWS would allow.
checked message_reader::next_chunk_char(char c) noexcept {
    switch (chunk_part_) {
        case chunk_part::size: {
            if (http::detail::is(http::detail::hex_char, c)) {
                if (++chunk_digits_ > chunk_digits_max) return refuse("chunk size has too many digits");
                const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
                left_ = left_ << 4 | static_cast<unsigned>(digit);
                return {};
            }
            if (chunk_digits_ == 0) return refuse("chunk has no size");
            if (left_ > chunk_size_max) return refuse("chunk size is too large");
            if (c == '\r')
                chunk_part_ = chunk_part::line_feed;
            else if (c == ';')
                chunk_part_ = chunk_part::extension;
            else
                return refuse("chunk size has a character that is no hexadecimal digit");
            return {};
        }
        case chunk_part::extension:
            if (c == '\r') {
                chunk_part_ = chunk_part::line_feed;
                return {};
            }
            if (!http::detail::is_field_text({&c, 1})) return refuse("chunk extension has a control character");
            if (++extension_bytes_ > limits_.chunk_extension_bytes_max ||
                ++extensions_bytes_ > limits_.chunk_extensions_bytes_max)
                return refuse("chunk extensions are too long");
            return {};
        case chunk_part::line_feed: return c == '\n' ? checked{} : refuse("chunk size line has a bare CR");
    }
    return {};
}

checked message_reader::end_chunk_line() {
    std::uint64_t recorded = 0;
    if (!record_.take_chunk_size(recorded) || recorded != left_) return refuse("chunk size can be read in two ways");
    chunk_part_ = chunk_part::size;
    chunk_digits_ = 0;
    extension_bytes_ = 0;
    state_ = left_ == 0 ? state::trailers : state::chunk_data;
    line_bytes_ = 0;
    return {};
}

std::size_t message_reader::read_chunk_end(std::string_view input) {
    std::size_t used = 0;
    while (used < input.size() && chunk_end_bytes_ < line_end.size())
        if (input[used++] != line_end[chunk_end_bytes_++]) return fail({400, "chunk is longer than its size"}), used;
    if (auto ok = record_.feed_line(input.substr(0, used)); !ok) return fail(ok.error()), used;
    if (chunk_end_bytes_ == line_end.size()) state_ = state::chunk_line;
    return used;
}

step message_reader::finish() noexcept {
    switch (state_) {
        case state::none:
        case state::until_eof: state_ = state::over; return {.consumed = 0, .what = event::body_end, .body = {}};
        case state::length:
            if (left_ == 0) return read_length({});
            return fail({400, "connection ended inside a body"});
        case state::start_line:
        case state::fields: return fail({400, "connection ended inside a head"});
        case state::head_done: CO_WQ_ASSERT(false, "a head is acted on before the connection's end"); break;
        case state::failed: return fail(error_);
        case state::over: break;
        default: return fail({400, "connection ended inside a chunked body"});
    }
    return {};
}

}  // namespace co_wq::http::h1::detail
