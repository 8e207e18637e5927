#include "proxy/exchange.hpp"

#include <algorithm>

#include "http/h1/chunked.hpp"
#include "http/h1/forward_head.hpp"
#include "sync/sleep.hpp"
#include "sync/with_scope.hpp"

namespace co_wq::proxy {

using http::h1::body_kind;
using http::h1::event;

namespace {

constexpr std::size_t block_bytes = 16 * 1024;
constexpr std::size_t bulk_block_bytes = 256 * 1024;
constexpr std::size_t copied_piece_max = 4 * 1024;  // smaller pieces are gathered into one send by copying
constexpr std::size_t collected_max = 32 * 1024;

}  // namespace

task<verdict> exchange::run() {
    const verdict next = co_await with_scope(guard_.scope(), run_guarded());
    if (next != verdict::retry && next != verdict::become_tunnel) note_ends(next);
    co_return next;
}

void exchange::note_ends(verdict next) noexcept {
    request_note& note = session_.note();
    const bool cancelled = guard_.scope().cancelled();
    const bool idle = cancelled && guard_.scope().reason() == errc::timed_out;
    ended up = ended::none, down = ended::eof;
    if (request_over_) {
        up = ended::eof;
    } else if (refusal_ != 0) {
        up = upload_end_;
    } else if (idle) {
        up = ended::idle;
    } else if (upload_broken_) {
        up = end_of(origin_error_);
    }
    if (next == verdict::reset) {
        if (idle)
            down = ended::idle;
        else if (client_failed_ || note.client_gone)
            down = ended::reset;
        else
            down = cancelled ? ended::shutdown : end_of(origin_error_);
    }
    note.ends(up, down);
}

void exchange::write_request() {
    http::h1::request_head& head = session_.request().head();
    http::h1::write_forward_request(request_out_, head,
                                    {.pseudonym = session_.server().group().pseudonym(),
                                     .absolute_form = hop_.is_proxy,
                                     .keep_upgrade = head.upgrade,
                                     .proxy_authorization = hop_.authorization});
}

task<verdict> exchange::run_guarded() {
    const http::h1::request_head& head = session_.request().head();
    response_.begin(head.method);
    write_request();
    if (session_.request_over()) {
        const verdict answered = co_await send_without_body();
        co_return answered;
    }
    counting_scope uploading(session_.server().loop(), &guard_.scope());
    uploading.spawn(upload(), "upload");
    session_.set_reader(&uploading);
    const verdict answered = co_await download();
    session_.set_reader(nullptr);
    if (refusal_ != 0 && !answer_begun_ && !refused_) {
        uploading.destroy_all();
        const verdict refused = co_await session_.refuse(refusal_, refusal_why_);
        co_return refused;
    }
    co_return answered;
}

task<verdict> exchange::send_without_body() {
    request_over_ = true;
    const result<void> sent = co_await origin_.send_all(request_out_.data());
    if (sent) session_.note().bytes_up += request_out_.size();
    if (!sent) upload_failed(sent.error());
    const verdict answered = co_await download();
    co_return answered;
}

void exchange::upload_failed(error what) noexcept {
    upload_broken_ = true;
    origin_error_ = what;
    if (what == errc::stopped) origin_.close();  // it would wait for the rest, and we for its answer
}

void exchange::upload_refused(ended how, std::uint16_t status, std::string_view why) noexcept {
    upload_end_ = how;
    refusal_ = status;
    refusal_why_ = why;
    origin_.close();  // ends the download, which reports
}

// Sends the head, then the body piece by piece, as it comes.
task<void> exchange::upload() {
    http::h1::request_parser& request = session_.request();
    const std::uint64_t most = session_.server().limit().body_bytes_max;
    duration owed = owed_now(true, session_.input().size());  // for what came with the head, and what was owed before
    if (owed > duration::zero()) co_await keep_pace(owed);
    owed = duration::zero();
    for (;;) {
        const http::h1::step step = request.parse(session_.input().data());
        session_.input().consume(step.consumed);
        if (step.what == event::need_more) {
            const bool sent = co_await send_piece({});
            if (!sent) co_return;
            if (owed > duration::zero()) {
                session_.input().reset();
                co_await keep_pace(owed);
            }
            reads_body_ = true;
            const bool more = co_await session_.fill_input();
            if (!more && guard_.scope().cancelled() && !waits_for_body()) co_return;  // the origin's fault: 504
            reads_body_ = false;
            if (!more && guard_.scope().cancelled())
                co_return upload_refused(ended::idle, 408, "the request's body stalled");
            if (!more && session_.input_stopped())
                co_return upload_refused(ended::shutdown, 503, "the proxy stopped reading the request");
            if (!more) co_return upload_refused(ended::reset, 400, "the request's body broke off");
            owed = owed_now(true, session_.input().size());
            guard_.touch();
            continue;
        }
        if (step.what == event::error)
            co_return upload_refused(ended::failed, request.error().status, request.error().reason);
        if (step.what == event::body) {
            uploaded_ += step.body.size();
            if (most > 0 && uploaded_ > most)
                co_return upload_refused(ended::limit, 413, "the request's body is larger than this proxy allows");
            const bool sent = co_await send_piece(step.body);
            if (!sent) co_return;
        }
        if (step.what == event::body_end) break;
    }
    if (request.head().framing.kind == body_kind::chunked)
        http::h1::append_last_chunk(request_out_, request.trailers());
    const bool sent = co_await send_piece({});
    request_over_ = sent;
}

// Who expects a 100 does not begin before the origin has said it.
bool exchange::waits_for_body() const noexcept {
    const bool waits_for_100 = session_.request().head().expect_continue && uploaded_ == 0 && !continued_;
    return reads_body_ && !waits_for_100;
}

// What was written before goes with it. False: the origin takes no more; what it answers decides.
task<bool> exchange::send_piece(const_bytes piece) {
    const bool chunked = session_.request().head().framing.kind == body_kind::chunked;
    std::string_view tail;
    if (chunked && !piece.empty()) {
        request_out_.append(http::h1::chunk_header(piece.size()).text());
        tail = http::h1::chunk_end;
    }
    if (request_out_.empty() && piece.empty()) co_return true;
    const std::array<const_bytes, 3> parts{request_out_.data(), piece, as_bytes(tail)};
    result<void> sent;
    if (origin_.secured()) {
        sent = co_await origin_.send_parts(parts);
    } else {
        sent = co_await origin_.tcp().send_all(parts);
    }
    if (sent) session_.note().bytes_up += request_out_.size() + piece.size() + tail.size();
    request_out_.clear();
    guard_.touch();
    if (!sent) upload_failed(sent.error());
    co_return sent.has_value();
}

// The next event of the answer; reads as needed. need_more: the connection ended or failed, origin_error_ says how.
task<http::h1::step> exchange::next_step() {
    for (;;) {
        const http::h1::step step = response_.parse(origin_input_.data());
        origin_input_.consume(step.consumed);
        if (step.what != event::need_more) co_return step;
        const bool flushed = co_await flush();
        if (!flushed) co_return http::h1::step{};
        const bool bulk = response_.head().framing.kind != body_kind::none && answer_begun_ &&
                          origin_input_.block().size() > 0 && origin_input_.block().size() == last_read_;
        origin_input_.reset();
        if (owed_down_ > duration::zero()) co_await keep_pace(owed_down_);
        if (!origin_.is_open()) co_return http::h1::step{};  // the upload went wrong while we waited for the client
        std::size_t wanted = bulk ? bulk_block_bytes : block_bytes;
        if (pace_) wanted = std::min(wanted, pace_->piece_max());
        result<io::lease> got = co_await origin_.recv_lease(wanted);
        if (!got) {
            origin_error_ = got.error();
            co_return http::h1::step{};
        }
        guard_.touch();
        if (got->empty()) {
            origin_error_ = error(errc::unexpected_eof);
            co_return response_.finish();
        }
        if (!std::exchange(origin_spoke_, true)) {
            guard_.set_limit(session_.server().limit().idle_timeout);
            session_.server().seeing().first_byte(session_.note());
        }
        last_read_ = got->size();
        owed_down_ = owed_now(false, last_read_);
        origin_input_ = std::move(*got);
    }
}

task<verdict> exchange::origin_failed(std::string_view why, std::uint16_t status) {
    if (answer_begun_) {
        session_.log_answer(0, why);
        co_return verdict::reset;
    }
    if (client_failed_) co_return verdict::reset;
    if (refusal_ != 0) co_return verdict::close;  // run_guarded says it
    if (reused_ && !origin_spoke_ && uploaded_ == 0 && idempotent(session_.request().head().method) &&
        origin_error_ != errc::timed_out && origin_error_ != errc::stopped)
        co_return verdict::retry;
    if (origin_error_ == errc::stopped) co_return verdict::reset;
    if (origin_error_ == errc::timed_out && guard_.scope().cancelled() && waits_for_body()) {
        upload_refused(ended::idle, 408, "the request's body stalled");
        co_return verdict::close;
    }
    if (origin_error_ == errc::timed_out) status = 504;
    refused_ = true;
    const verdict refused = co_await session_.refuse(status, why, true);
    co_return refused;
}

task<verdict> exchange::download() {
    owed_down_ = owed_now(false, 0);  // by the answers before
    for (;;) {
        const http::h1::step step = co_await next_step();
        if (step.what == event::need_more) {
            std::string_view why = "the origin ended the connection without an answer";
            if (origin_error_ == errc::timed_out) why = "the origin did not answer in time";
            const verdict failed = co_await origin_failed(why);
            co_return failed;
        }
        if (step.what == event::error) {
            const verdict failed = co_await origin_failed(response_.error().reason, response_.error().status);
            co_return failed;
        }
        if (step.what != event::head_complete) continue;
        if (!response_.head().interim()) break;
        const verdict passed = co_await pass_interim();
        if (passed != verdict::next_request) co_return passed;
    }
    const verdict answered = co_await pass_answer();
    co_return answered;
}

// 100, 102, 103: the client's as they come, unless it speaks HTTP/1.0.
task<verdict> exchange::pass_interim() {
    if (session_.request().head().version == http::h1::version::http_1_0) co_return verdict::next_request;
    http::h1::write_forward_response(session_.out(), response_.head(),
                                     {.pseudonym = session_.server().group().pseudonym()});
    const bool sent = co_await flush();
    continued_ |= response_.head().status == 100;
    co_return sent ? verdict::next_request : verdict::reset;
}

task<verdict> exchange::pass_answer() {
    const http::h1::request_head& head = session_.request().head();
    const http::h1::response_head& answer = response_.head();
    if (answer.status == 407 && hop_.is_proxy) {  // the client's own credentials are none of the parent's
        const verdict failed = co_await origin_failed("the parent does not take our credentials");
        co_return failed;
    }
    const bool upgraded = answer.status == 101;
    client_keeps_ = head.keep_alive && request_over_ && !session_.server().draining() && !upgraded;
    const body_kind outgoing = http::h1::write_forward_response(session_.out(), answer,
                                                                {.pseudonym = session_.server().group().pseudonym(),
                                                                 .client = head.version,
                                                                 .keep_alive = client_keeps_ || upgraded,
                                                                 .keep_upgrade = upgraded});
    answer_begun_ = true;
    session_.log_answer(answer.status);
    if (upgraded) {
        const bool sent = co_await flush();
        if (sent) session_.end_answer();
        co_return sent&& head.upgrade&& request_over_ ? verdict::become_tunnel : verdict::reset;
    }
    const verdict passed = co_await pass_body(outgoing);
    co_return passed;
}

// Small pieces are collected, large ones go out gathered and uncopied.
task<verdict> exchange::pass_body(body_kind outgoing) {
    http::byte_buffer& out = session_.out();
    const bool chunked = outgoing == body_kind::chunked;
    for (;;) {
        const http::h1::step step = co_await next_step();
        if (step.what == event::body_end) break;
        if (step.what != event::body) {
            if (client_failed_) co_return verdict::reset;
            (void)co_await flush();
            session_.log_answer(0, "the origin's answer broke off");
            co_return verdict::reset;
        }
        if (chunked) out.append(http::h1::chunk_header(step.body.size()).text());
        const std::string_view tail = chunked ? http::h1::chunk_end : std::string_view();
        if (step.body.size() <= copied_piece_max && out.size() < collected_max) {
            out.append(step.body);
            out.append(tail);
            continue;
        }
        session_.begin_answer();
        const std::array<const_bytes, 3> parts{out.data(), step.body, as_bytes(tail)};
        result<void> sent;
        if (session_.client().secured()) {
            sent = co_await session_.client().send_parts(parts);
        } else {
            sent = co_await session_.client().tcp().send_all(parts);
        }
        if (sent) session_.note().bytes_down += out.size() + step.body.size() + tail.size();
        out.clear();
        guard_.touch();
        client_failed_ = !sent;
        if (!sent) co_return verdict::reset;
    }
    if (chunked) http::h1::append_last_chunk(out, response_.trailers());
    const bool sent = co_await flush();
    co_return sent ? finished(outgoing) : verdict::reset;
}

duration exchange::owed_now(bool up, std::size_t size) noexcept {
    return pace_ ? pace_->took(up, size, session_.server().loop().now()) : duration::zero();
}

// Whoever waits for its pace does not idle. What ends the wait ends the next read, too.
task<void> exchange::keep_pace(duration owed) {
    io::event_loop& loop = session_.server().loop();
    const time_point until = saturating_add(loop.now(), owed);
    const duration step = session_.server().limit().response_timeout / 2;  // never longer than the idle limit
    for (time_point now = loop.now(); now < until; now = loop.now()) {
        const result<void> slept = co_await sleep_for(std::min(until - now, step));
        if (!slept) co_return;
        guard_.touch();
    }
}

task<bool> exchange::flush() {
    http::byte_buffer& out = session_.out();
    if (out.empty()) co_return true;
    session_.begin_answer();
    const result<void> sent = co_await session_.client().send_all(out.data());
    if (sent) session_.note().bytes_down += out.size();
    out.clear();
    guard_.touch();
    if (!sent) {
        client_failed_ = true;
        origin_error_ = error(errc::stopped);
    }
    co_return sent.has_value();
}

verdict exchange::finished(body_kind outgoing) noexcept {
    session_.end_answer();
    origin_reusable_ = response_.head().keep_alive && request_over_ && !upload_broken_ && origin_input_.empty() &&
                       response_.done() && !session_.server().draining();
    const bool keeps = client_keeps_ && request_over_ && outgoing != body_kind::until_eof;
    return keeps ? verdict::next_request : verdict::close;
}

}  // namespace co_wq::proxy
