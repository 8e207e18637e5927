#include "probe/origin_session.hpp"

#include <algorithm>

#include "http/error_page.hpp"
#include "http/h1/chunked.hpp"
#include "probe/origin.hpp"
#include "probe/pattern.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"

namespace co_wq::probe {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t chunk_bytes = 16 * 1024;
constexpr std::size_t together_bytes = 16 * 1024;  // head and body in one call

}  // namespace

task<bool> origin_session::fill() {
    const result<std::size_t> got = co_await client_.fill();
    co_return got.has_value() && *got > 0;
}

task<bool> origin_session::send(const_bytes data) {
    const result<void> sent = co_await client_.send(data);
    co_return sent.has_value();
}

task<bool> origin_session::read_head() {
    for (;;) {
        const http::h1::step done = request_.parse(client_.input.data());
        client_.input.consume(done.consumed);
        if (done.what == http::h1::event::head_complete) co_return true;
        if (done.what == http::h1::event::error) {
            co_await refuse(request_.error().status, request_.error().reason);
            co_return false;
        }
        const duration limit = request_.idle() ? 300s : 30s;
        const bool more = co_await with_timeout(limit, fill());
        if (!more) co_return false;
    }
}

task<void> origin_session::run() {
    for (;;) {
        const bool there = co_await read_head();
        if (!there) break;
        const bool keep = co_await answer();
        if (!keep) break;
    }
    client_.close();
}

std::string_view origin_session::path() const noexcept {
    const http::h1::request_head& head = request_.head();
    std::string_view text = head.target_text().substr(head.target.path_at);
    return text.substr(0, text.find('?'));
}

void origin_session::write_head(bool chunked, std::uint64_t length) {
    out_.clear();
    out_.append("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n");
    if (chunked) {
        out_.append("Transfer-Encoding: chunked\r\n");
    } else {
        out_.append("Content-Length: ");
        out_.append_decimal(length);
        out_.append("\r\n");
    }
    if (!request_.head().keep_alive) out_.append("Connection: close\r\n");
    out_.append("\r\n");
}

task<bool> origin_session::refuse(std::uint16_t status, std::string_view why) {
    out_.clear();
    http::error_page page;
    page.status = status;
    page.detail = why;
    if (status == 405) page.allow = "GET, HEAD, POST, PUT";
    http::write_error_page(out_, page);
    co_await send(out_.data());
    co_return false;
}

task<bool> origin_session::answer() {
    const http::h1::request_head& head = request_.head();
    using http::method;
    const bool known = head.method == method::get || head.method == method::head || head.method == method::post ||
                       head.method == method::put;
    bool keeps = head.keep_alive;
    bool done = false;
    if (!known) {
        done = co_await refuse(405, "this is a test server");
        co_return done;
    }
    const std::optional<origin_path> found = parse_origin_path(path());
    if (path() == "/echo") {
        done = co_await echo();
    } else if (!found) {
        done = co_await refuse(404, "paths: /bytes/N /chunked/N /delay/MS /echo");
    } else {
        done = co_await drop_body();
        if (done) done = co_await send_body(*found);
    }
    co_return done&& keeps;
}

task<bool> origin_session::say_continue() {
    if (!request_.head().expect_continue) co_return true;
    const bool said = co_await send(as_bytes(http::continue_response));
    co_return said;
}

task<bool> origin_session::drop_body() {
    bool good = co_await say_continue();
    while (good) {
        const http::h1::step done = request_.parse(client_.input.data());
        client_.input.consume(done.consumed);
        if (done.what == http::h1::event::body_end) co_return true;
        if (done.what == http::h1::event::error) co_return false;
        if (done.what == http::h1::event::need_more) good = co_await with_timeout(300s, fill());
    }
    co_return false;
}

// Each piece goes back before the next is read.
task<bool> origin_session::echo() {
    const http::h1::framing framing = request_.head().framing;
    const bool chunked = framing.kind == http::h1::body_kind::chunked;
    bool good = co_await say_continue();
    write_head(chunked, framing.kind == http::h1::body_kind::length ? framing.length : 0);
    if (good) good = co_await send(out_.data());
    while (good) {
        const http::h1::step done = request_.parse(client_.input.data());
        if (done.what == http::h1::event::body) good = co_await send_piece(done.body, chunked);
        client_.input.consume(done.consumed);
        if (done.what == http::h1::event::error) co_return false;
        if (done.what == http::h1::event::body_end) {
            if (!chunked) co_return true;
            out_.clear();
            http::h1::append_last_chunk(out_);
            good = co_await send(out_.data());
            co_return good;
        }
        if (done.what == http::h1::event::need_more) good = co_await with_timeout(300s, fill());
    }
    co_return false;
}

task<bool> origin_session::send_piece(const_bytes piece, bool chunked) {
    if (chunked) {
        out_.clear();
        http::h1::append_chunk(out_, piece);
        piece = out_.data();
    }
    const bool sent = co_await send(piece);
    co_return sent;
}

task<bool> origin_session::send_body(const origin_path& what) {
    const origin_path wanted = what;
    if (wanted.delay_ms) {
        const result<void> slept = co_await sleep_for(std::chrono::milliseconds(wanted.delay_ms));
        if (!slept) co_return false;
    }
    write_head(wanted.chunked, wanted.bytes);
    const bool bodyless = request_.head().method == http::method::head;
    std::uint64_t at = 0;
    if (!bodyless && !wanted.chunked && wanted.bytes <= together_bytes) {
        out_.append(pattern(0, wanted.bytes));
        at = wanted.bytes;
    }
    bool good = co_await send(out_.data());
    if (bodyless) co_return good;
    while (good && at < wanted.bytes) {
        const std::uint64_t left = wanted.bytes - at;
        const const_bytes piece = pattern(at, wanted.chunked ? std::min<std::uint64_t>(left, chunk_bytes) : left);
        good = co_await send_piece(piece, wanted.chunked);
        at += piece.size();
    }
    if (!good || !wanted.chunked) co_return good;
    out_.clear();
    http::h1::append_last_chunk(out_);
    good = co_await send(out_.data());
    co_return good;
}

}  // namespace co_wq::probe
