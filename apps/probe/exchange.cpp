#include "probe/exchange.hpp"

#include <algorithm>
#include <charconv>

#include "probe/origin.hpp"
#include "probe/pattern.hpp"
#include "task/when.hpp"

namespace co_wq::probe {
std::optional<std::uint64_t> bytes_of_path(std::string_view path, std::uint64_t body_bytes) noexcept {
    path = path.substr(0, path.find('?'));
    if (path == "/echo") return body_bytes;
    const std::optional<origin_path> found = parse_origin_path(path);
    if (!found) return std::nullopt;
    return found->bytes;
}

request::request(const load_options& chosen, bool keeps)
    : body_bytes(chosen.body_bytes),
      method(chosen.body_bytes ? http::method::post : http::method::get),
      keep_alive(keeps) {
    const way& how = chosen.way;
    head = std::string(http::name_of(method)) + " " + (how.forwarded() ? how.target.text() : how.target.path) +
           " HTTP/1.1\r\nHost: " + how.target.host_field() + "\r\n";
    if (how.forwarded() && !how.through->user.empty())
        head += "Proxy-Authorization: Basic " + base64(how.through->user + ":" + how.through->password) + "\r\n";
    if (body_bytes) head += "Content-Length: " + std::to_string(body_bytes) + "\r\n";
    if (!keep_alive) head += "Connection: close\r\n";
    head += "\r\n";
    if (chosen.verify) answer_bytes = bytes_of_path(how.target.path, body_bytes);
    if (body_bytes && body_bytes <= small_body_bytes) {
        head += as_text(pattern(0, body_bytes));
        body_bytes = 0;
    }
}

task<result<void>> exchange::send() {
    const result<void> head_sent = co_await channel_.send(as_bytes(request_.head));
    if (!head_sent) co_return head_sent;
    std::uint64_t sent_bytes = 0;
    while (sent_bytes < request_.body_bytes) {
        const const_bytes piece = pattern(sent_bytes, request_.body_bytes - sent_bytes);
        const result<void> sent = co_await channel_.send(piece);
        if (!sent) co_return sent;
        sent_bytes += piece.size();
    }
    co_return result<void>();
}

task<void> exchange::send_all(result<void>& sent) { sent = co_await send(); }

// Whoever does not get a good answer does not want to send on either.
task<void> exchange::receive_all(outcome& got) {
    got = co_await receive();
    if (!got) channel_.reset();
}

task<outcome> exchange::run() {
    result<void> sent;
    outcome got;
    if (request_.body_bytes == 0) {
        co_await send_all(sent);
        if (!sent) {
            channel_.close();
            co_return failed(sent.error(), stage::exchange);
        }
        co_await receive_all(got);
    } else {
        co_await when_all(send_all(sent), receive_all(got));
        // an answer may come before the body was taken, but a good one takes it
        if (!sent && got) got = failed(sent.error(), stage::exchange);
    }
    if (got && !channel_.input.empty())
        got = failed(ending::bad_answer, "bytes behind the answer that nobody asked for");
    if (!got || !request_.keep_alive || !answer_.head().keep_alive) channel_.close();
    co_return got;
}

std::optional<outcome> exchange::check_body(const_bytes piece) {
    const std::uint64_t before = so_far_.bytes;
    so_far_.bytes += piece.size();
    if (!request_.answer_bytes) return std::nullopt;
    if (so_far_.bytes > *request_.answer_bytes)
        return failed(ending::length, "more than " + std::to_string(*request_.answer_bytes) + " bytes");
    if (!is_pattern(before, piece))
        return failed(ending::content, "other bytes than sent, behind byte " + std::to_string(before));
    return std::nullopt;
}

// Something when it is decided how the answer ends.
std::optional<outcome> exchange::take(const http::h1::step& done) {
    switch (done.what) {
        case http::h1::event::error: return failed(ending::bad_answer, std::string(answer_.error().reason));
        case http::h1::event::head_complete:
            if (!answer_.head().interim() && answer_.head().status / 100 != 2)
                return failed(ending::status, "status " + std::to_string(answer_.head().status));
            return std::nullopt;
        case http::h1::event::body: return check_body(done.body);
        case http::h1::event::body_end:
            if (!answer_.done()) return std::nullopt;
            if (request_.answer_bytes && so_far_.bytes != *request_.answer_bytes)
                return failed(ending::length, std::to_string(so_far_.bytes) + " of " +
                                                  std::to_string(*request_.answer_bytes) + " bytes");
            return so_far_;
        default: return std::nullopt;
    }
}

task<outcome> exchange::receive() {
    answer_.begin(request_.method);
    so_far_ = outcome();
    for (;;) {
        http::h1::step done = answer_.parse(channel_.input.data());
        std::optional<outcome> end = take(done);
        channel_.input.consume(done.consumed);
        if (!end && done.what == http::h1::event::need_more) {
            const result<std::size_t> got = co_await channel_.fill();
            if (!got) {
                end = failed(got.error(), stage::exchange);
            } else if (*got > 0) {
                so_far_.spoke = true;
            } else {
                done = answer_.finish();
                end = done.what == http::h1::event::body_end ? take(done)
                                                             : failed(error(errc::unexpected_eof), stage::exchange);
            }
        }
        if (!end) continue;
        end->spoke = so_far_.spoke;
        end->bytes = so_far_.bytes;
        co_return std::move(*end);
    }
}

}  // namespace co_wq::probe
