#include "reference_h1.hpp"

#include "reference_h1_head.hpp"

namespace co_wq::reference_h1 {
namespace {

// Where the section that starts at `from` ends: behind its empty line. npos: not yet. An empty line is found by its LF
// alone, so that a wrong line end is refused and not waited for.
std::size_t end_of_section(std::string_view text, std::size_t from) {
    for (std::size_t at = from; at < text.size();) {
        const std::size_t feed = text.find('\n', at);
        if (feed == std::string_view::npos) break;
        const std::string_view line = text.substr(at, feed - at);
        at = feed + 1;
        if (line.empty() || line == "\r") return at;
    }
    return std::string_view::npos;
}

}  // namespace

std::string reader::take(std::size_t size) {
    std::string out = arrived_.substr(0, size);
    arrived_.erase(0, size);
    consumed_ += size;
    return out;
}

std::optional<event> reader::refuse(std::string why) {
    state_ = state::refused;
    return event{.what = happening::refused, .bytes = std::move(why)};
}

std::optional<event> reader::cut_off() {
    if (!closed_) return {};
    return refuse("the stream ends inside a message");
}

std::optional<event> reader::piece(happening what, std::size_t size) {
    return event{.what = what, .bytes = take(size)};
}

std::optional<event> reader::next() {
    switch (state_) {
        case state::start: return read_head();
        case state::length: return read_length();
        case state::chunk_size: return read_chunk_size();
        case state::chunk_data:
            if (left_ == 0) return state_ = state::chunk_end, read_chunk_end();
            if (arrived_.empty()) return cut_off();
            {
                const std::size_t size = left_ < arrived_.size() ? static_cast<std::size_t>(left_) : arrived_.size();
                left_ -= size;
                return piece(happening::body, size);
            }
        case state::chunk_end: return read_chunk_end();
        case state::trailers: return read_trailers();
        case state::until_close:
            if (!arrived_.empty()) return piece(happening::body, arrived_.size());
            if (closed_) return end();
            return {};
        case state::at_end: return end();
        case state::tunnel:
            if (arrived_.empty()) return {};
            return piece(happening::tunnel, arrived_.size());
        case state::refused: return {};
    }
    return {};
}

std::optional<event> reader::read_head() {
    if (arrived_.empty()) return {};
    if (responses_ && asked_.empty()) return refuse("a response that nobody asked for");
    const std::size_t skipped = !responses_ && arrived_.starts_with("\r\n") ? 2 : 0;
    const std::size_t size = end_of_section(arrived_, skipped);
    if (size == std::string::npos) return cut_off();
    event out{.what = happening::head};
    out.start.asked = responses_ ? asked_.front() : "";
    if (skipped != 0) out.start.oddities |= empty_line_before_request;
    const std::string_view lines = std::string_view(arrived_).substr(skipped, size - skipped);
    std::string why =
        responses_ ? detail::parse_response_head(lines, out.start) : detail::parse_request_head(lines, out.start);
    if (!why.empty()) return refuse(std::move(why));
    take(size);
    oddities_ = out.start.oddities;
    left_ = out.start.length;
    interim_ = responses_ && out.start.status < 200 && out.start.status != 101;
    last_was_tunnel_ =
        responses_ && (out.start.status == 101 || (out.start.asked == "CONNECT" && out.start.status / 100 == 2));
    if (responses_ && !interim_) asked_.pop_front();
    switch (out.start.how) {
        case framing::none: state_ = state::at_end; break;
        case framing::length: state_ = state::length; break;
        case framing::chunked: state_ = state::chunk_size; break;
        case framing::until_close: state_ = state::until_close; break;
    }
    return out;
}

std::optional<event> reader::read_length() {
    if (left_ == 0) return end();
    if (arrived_.empty()) return cut_off();
    const std::size_t size = left_ < arrived_.size() ? static_cast<std::size_t>(left_) : arrived_.size();
    left_ -= size;
    return piece(happening::body, size);
}

std::optional<event> reader::read_chunk_size() {
    const std::size_t feed = arrived_.find('\n');
    if (feed == std::string::npos) return cut_off();
    const std::string line = take(feed + 1);
    std::string why = detail::parse_chunk_line(std::string_view(line).substr(0, feed), left_, oddities_);
    if (!why.empty()) return refuse(std::move(why));
    state_ = left_ == 0 ? state::trailers : state::chunk_data;
    return next();
}

std::optional<event> reader::read_chunk_end() {
    if (arrived_.size() < 2) return cut_off();
    if (take(2) != "\r\n") return refuse("a chunk is longer than its size");
    state_ = state::chunk_size;
    return read_chunk_size();
}

std::optional<event> reader::read_trailers() {
    const std::size_t size = end_of_section(arrived_, 0);
    if (size == std::string::npos) return cut_off();
    const std::string lines = take(size);
    fields trailers;
    if (std::string why = detail::parse_trailers(lines, trailers); !why.empty()) return refuse(std::move(why));
    std::optional<event> done = end();
    done->trailers = std::move(trailers);
    return done;
}

std::optional<event> reader::end() {
    state_ = last_was_tunnel_ ? state::tunnel : state::start;
    return event{.what = happening::end, .oddities = oddities_};
}

// --- whole streams ---------------------------------------------------------------------------------------------------

namespace {

reading read_all(reader from) {
    reading all;
    while (std::optional<event> happened = from.next()) {
        switch (happened->what) {
            case happening::head:
                all.messages.push_back({.start = std::move(happened->start), .body = {}, .trailers = {}});
                all.messages.back().head_end = from.consumed();
                break;
            case happening::body: all.messages.back().body += happened->bytes; break;
            case happening::end:
                all.messages.back().trailers = std::move(happened->trailers);
                all.messages.back().oddities = happened->oddities;
                all.messages.back().complete = true;
                all.messages.back().end = from.consumed();
                break;
            case happening::tunnel: all.tunnel += happened->bytes; break;
            case happening::refused: all.refused = happened->bytes; break;
        }
    }
    all.idle = from.idle();
    return all;
}

std::string text_of(framing how) {
    switch (how) {
        case framing::none: return "no body";
        case framing::length: return "a length";
        case framing::chunked: return "chunks";
        case framing::until_close: return "until the end";
    }
    return "?";
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            out += c;
            continue;
        }
        static constexpr char digits[] = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    return out + "\"";
}

}  // namespace

reading read_requests(std::string_view stream, bool closed) {
    reader from = reader::of_requests();
    from.feed(stream);
    if (closed) from.close();
    return read_all(std::move(from));
}

reading read_responses(std::string_view stream, const std::vector<std::string>& asked, bool closed) {
    reader from = reader::of_responses();
    for (const std::string& method : asked) from.expect(method);
    from.feed(stream);
    if (closed) from.close();
    return read_all(std::move(from));
}

std::optional<purpose> purpose_of(const head& request) {
    purpose out{.method = request.method, .where = {}, .path = {}};
    for (const field& one : request.fields)
        if (detail::lower(one.name) == "host") out.where = detail::normal_authority(one.value);
    const std::string_view target = request.target;
    if (request.method == "CONNECT") {
        out.where = detail::normal_authority(target);
    } else if (target.front() == '/' || target == "*") {
        out.path = target;
    } else {
        const std::size_t at = target.find("://") + 3;
        const std::size_t end = std::min(target.find_first_of("/?", at), target.size());
        out.where = detail::normal_authority(target.substr(at, end - at));
        out.path = target.substr(end);
        if (out.path.empty()) out.path = request.method == "OPTIONS" ? "*" : "/";
        if (out.path.front() == '?') out.path.insert(0, "/");
    }
    if (out.where.empty()) return {};
    return out;
}

std::string difference(const message& meant, const message& seen) {
    const bool request = meant.start.status == 0;
    if (request != (seen.start.status == 0)) return "one is a request, the other a response";
    if (request && purpose_of(meant.start) != purpose_of(seen.start)) return "they ask for different things";
    if (meant.start.status != seen.start.status) return "their statuses differ";
    const auto kind = [](framing how) { return how == framing::until_close ? framing::chunked : how; };
    if (kind(meant.start.how) != kind(seen.start.how))
        return "framing: " + text_of(meant.start.how) + " became " + text_of(seen.start.how);
    if (meant.start.length != seen.start.length) return "their lengths differ";
    if (meant.body != seen.body) return "their bodies differ";
    if (meant.complete != seen.complete) return "one of them is cut off";
    return {};
}

std::string describe(const message& one) {
    std::string out;
    if (one.start.status == 0)
        out = one.start.method + " " + one.start.target;
    else
        out = std::to_string(one.start.status) + " to " + one.start.asked;
    out += " 1." + std::to_string(one.start.minor_version) + ", " + text_of(one.start.how);
    if (one.start.how == framing::length) out += " " + std::to_string(one.start.length);
    out +=
        ", head to " + std::to_string(one.head_end) + (one.complete ? ", end " + std::to_string(one.end) : ", cut off");
    if (one.start.persistent) out += ", persistent";
    if (one.oddities != 0) out += ", oddities " + std::to_string(one.oddities);
    out += "\n";
    for (const field& each : one.start.fields) out += "  " + each.name + ": " + quoted(each.value) + "\n";
    out += "  body " + quoted(one.body) + "\n";
    for (const field& each : one.trailers) out += "  trailer " + each.name + ": " + quoted(each.value) + "\n";
    return out;
}

std::string describe(const reading& all) {
    std::string out;
    for (const message& one : all.messages) out += describe(one);
    if (!all.tunnel.empty()) out += "tunnel " + quoted(all.tunnel) + "\n";
    if (!all.refused.empty()) out += "refused: " + all.refused + "\n";
    return out;
}

}  // namespace co_wq::reference_h1
