#include "proxy/session.hpp"

#include <algorithm>

#include "http/forward.hpp"
#include "proxy/exchange.hpp"
#include "proxy/pac.hpp"
#include "proxy/socks/handshake.hpp"
#include "proxy/socks/opening.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "sync/with_scope.hpp"

namespace co_wq::proxy {
namespace {

constexpr std::size_t head_block_bytes = 16 * 1024;

}  // namespace

std::string name_of(const http::authority& where) {
    http::byte_buffer text;
    http::append_authority(text, where);
    return std::string(text.text());
}

// A request that may be sent twice without harm (RFC 9110 section 9.2.2).
bool idempotent(http::method which) noexcept {
    using http::method;
    return which == method::get || which == method::head || which == method::put || which == method::delete_ ||
           which == method::options;
}

// Ended in the middle of an answer, by a second signal or an exception: an end in order could say that this was all.
session::~session() {
    if (answer_open_) client_.reset();
    if (note_.open) end_note(ended::shutdown);
}

void session::begin_note() {
    server_.seeing().begin(note_);
    if (!server_.seeing().detailed() || !client_text_.empty()) return;
    const io::socket_address client = client_address();
    if (client.family() != io::address_family::none) client_text_ = client.text();
}

void session::begin_other(std::string_view protocol, std::string_view method, std::string target) {
    other_protocol_ = protocol;
    other_method_ = method;
    other_target_ = std::move(target);
    request_over_ = true;
    if (!note_.open) begin_note();
    note_.well_formed = true;
}

void session::note_decision() {
    if (!server_.seeing().detailed()) return;
    note_.user = admission_.user();
    note_.rule = admission_.rule();
    if (admission_.reported()) note_.decision = decided::report;
}

// otherwise: how the answer ended, if nobody has said so.
void session::end_note(ended otherwise) {
    note_.ends(note_.well_formed && request_over_ ? ended::eof : ended::none, otherwise);
    server_.seeing().end(note_, words());
}

request_words session::words() const noexcept {
    if (!other_protocol_.empty())
        return {.client = client_text_,
                .protocol = other_protocol_,
                .method = other_method_,
                .target = other_target_,
                .connection = number_,
                .known_method = http::method::connect};
    const http::h1::request_head& head = request_.head();
    const bool old = head.version == http::h1::version::http_1_0;
    return {.client = client_text_,
            .protocol = old ? std::string_view("http/1.0") : std::string_view("http/1.1"),
            .method = head.method_text(),
            .target = head.target_text(),
            .connection = number_,
            .known_method = note_.well_formed ? head.method : http::method::other};
}

void session::note_pooled(const net::tls::connection& origin) {
    note_.pooled = origin.is_open();
    ++(note_.pooled ? server_.count().pool_hits : server_.count().pool_misses);
    if (!note_.pooled || !server_.seeing().detailed()) return;
    const result<io::socket_address> peer = origin.peer_address();
    if (peer) note_.upstream = peer->text();
}

task<std::unique_ptr<tunnel_plan>> session::run() {
    if (!server_.group().chosen().proxy_protocol_from.empty()) {
        const bool known = co_await read_proxy_header();
        if (!known) co_return nullptr;
        if (introduced_as_) admission_.set_client(client_address());
    }
    if (!welcome()) co_return nullptr;
    if (const net::tls::server_context* const context = server_.group().tls_of(admission_.listener())) {
        if (guest_.turned_away()) client_.reset();  // to tell it so would cost more than to serve it
        if (guest_.turned_away()) co_return nullptr;
        const bool secured = co_await secure(*context);
        if (!secured) co_return nullptr;
    }
    const duration request_timeout = server_.limit().request_timeout;
    for (;;) {
        const bool there = co_await read_head();
        if (speaks_socks_) {
            socks::handshake one(*this);
            std::unique_ptr<tunnel_plan> plan = co_await one.run();
            co_return plan;
        }
        if (!there) co_return nullptr;
        ++server_.count().requests;
        begin_note();
        note_.well_formed = true;
        verdict next = verdict::close;
        if (request_timeout == duration::zero())
            next = co_await answer_watched();
        else
            next = co_await answer_in_time(request_timeout);
        first_request_ = false;
        if (next != verdict::become_tunnel) {
            end_note(next == verdict::reset ? ended::reset : ended::eof);
            guest_.end_request();
        }
        switch (next) {
            case verdict::become_tunnel:
                tunnel_->live = server_.seeing().begin_tunnel(std::move(note_), words());
                co_return std::move(tunnel_);
            case verdict::reset: client_.reset(); co_return nullptr;
            case verdict::close: co_return nullptr;
            default: break;
        }
    }
}

task<bool> session::fill_input() {
    input_.reset();
    result<io::lease> got = co_await client_.recv_lease(head_block_bytes);
    input_stopped_ = !got && got.error() == errc::stopped;
    if (!got || got->empty()) co_return false;
    input_ = std::move(*got);
    co_return true;
}

task<bool> session::fill_input_idly(time_point until) {
    server_.enter_idle(*this);
    const bool got = co_await with_scope(idle_scope_, fill_input_until(until));
    list_hook<session>::unlink();
    co_return got;
}

task<bool> session::fill_input_until(time_point until) {
    const bool got = co_await with_deadline(until, fill_input());
    co_return got;
}

// Between requests nothing is held, and the server may end us.
task<bool> session::wait_for_request() {
    if (request_.idle()) request_.release_memory();
    out_.reset();
    input_.reset();
    server_.enter_idle(*this);
    const duration wait = first_request_ ? header_wait() : server_.limit().keep_alive_timeout;
    const bool got = co_await with_scope(idle_scope_, wait_within(wait));
    list_hook<session>::unlink();
    co_return got;
}

task<bool> session::wait_within(duration wait) {
    const bool got = co_await with_timeout(wait, fill_input());
    co_return got;
}

task<bool> session::read_head() {
    if (input_.empty()) {
        const time_point before = server_.loop().now();
        const bool got = co_await wait_for_request();
        if (!got) {
            const bool waited = server_.loop().now() - before >= header_wait();
            if (first_request_ && waited && !server_.draining()) co_await refuse(408, "no request came in time");
            co_return false;
        }
    }
    if (first_request_) {
        const socks::opening what = socks::opening_of(input_.data());
        speaks_socks_ = what == socks::opening::socks;
        if (what == socks::opening::proxy_header) co_await refuse(400, "a PROXY header of somebody who is not trusted");
        if (what != socks::opening::http) co_return false;
    }
    const time_point deadline = server_.loop().now() + header_wait();
    for (;;) {
        const http::h1::step step = request_.parse(input_.data());
        input_.consume(step.consumed);
        if (step.what == http::h1::event::head_complete) co_return true;
        if (step.what == http::h1::event::error) {
            co_await refuse(request_.error().status, request_.error().reason);
            co_return false;
        }
        const bool more = co_await with_deadline(deadline, fill_input());
        if (more) continue;
        if (server_.loop().now() >= deadline) co_await refuse(408, "the request's head did not come in time");
        co_return false;
    }
}

// An interim response that was cut short is completed first.
void session::begin_answer() {
    answering_ = answer_open_ = true;
    if (unsaid_.empty()) return;
    http::byte_buffer whole;
    whole.append(std::exchange(unsaid_, {}));
    whole.append(out_.data());
    out_ = std::move(whole);
}

// Takes the end of a request that has no body; what is left in input() is the next one's or a tunnel's.
bool session::finish_request() {
    const http::h1::step step = request_.parse(input_.data());
    input_.consume(step.consumed);
    return step.what == http::h1::event::body_end;
}

void session::log_answer(std::uint16_t status, std::string_view why) {
    if (status != 0) note_.status = status;
    if (server_.seeing().detailed()) note_.detail = why;
    if (!log::enabled(log::level::debug)) return;
    const http::h1::request_head& head = request_.head();
    log::debug("{} {} -> {} {}", head.method_text(), head.target_text(), status, why);
}

task<verdict> session::refuse(std::uint16_t status, std::string_view detail, bool may_keep) {
    const bool keep_alive = may_keep && request_over_ && request_.head().keep_alive && !server_.draining();
    if (!note_.open) begin_note();
    note_.refused(status);
    ++server_.count().refused;
    ++server_.count().refused_by[static_cast<std::size_t>(refusal_reason_of(status))];
    log_answer(status, detail);
    out_.clear();
    http::write_error_page(out_,
                           {.status = status,
                            .detail = detail,
                            .keep_alive = keep_alive,
                            .without_body = request_.head().method == http::method::head,
                            .retry_after_s = std::max(retry_after_s_, status == 503 ? 1u : 0u),
                            .allow = status == 405 ? "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, CONNECT" : ""});
    // the answer goes out even if what it reports has cancelled everything around it
    const verdict next = co_await shield(say_and_close(keep_alive));
    co_return next;
}

task<void> session::say_last(std::string text) {
    out_.clear();
    out_.append(text);
    (void)co_await shield(say_and_close(false));
}

task<verdict> session::say_and_close(bool keep_alive) {
    const result<void> sent = co_await with_timeout(server_.limit().header_timeout, send_out());
    note_.down = sent ? ended::eof : end_of(sent.error());
    if (!sent) co_return verdict::reset;
    if (keep_alive) co_return verdict::next_request;
    co_await linger();
    co_return verdict::close;
}

// What was said is not said again.
task<result<void>> session::send_out() {
    begin_answer();
    const result<void> sent = co_await client_.send_all(out_.data());
    if (sent) note_.bytes_down += out_.size();
    out_.clear();
    if (sent) end_answer();
    co_return sent;
}

// Closing with unread input would reset the connection and could destroy our answer on its way: the client gets the
// end of our side first, and a moment to stop sending.
task<void> session::linger() {
    if (reader_) reader_->destroy_all();  // from here on we read ourselves
    if (!client_.shutdown_send()) co_return;
    co_await with_timeout(std::chrono::seconds(1), discard_input());
}

task<void> session::discard_input() {
    std::size_t discarded = 0;
    for (;;) {
        const bool more = co_await fill_input();
        if (!more) co_return;
        discarded += input_.size();
        if (discarded > 256 * 1024) co_return;
    }
}

// A client that is gone ends its request: what waits for a name, a connection or an answer on its behalf is let go.
// While a body is read, reading it tells the same.
task<verdict> session::answer_watched() {
    using http::h1::body_kind;
    const http::h1::framing& framing = request_.head().framing;
    answering_ = false;
    request_over_ = (framing.kind == body_kind::none || (framing.kind == body_kind::length && framing.length == 0)) &&
                    finish_request();
    if (!request_over_) {
        const verdict next = co_await answer();
        co_return next;
    }
    cancel_scope request_scope;
    counting_scope watching(server_.loop());
    if (!client_.secured()) watching.spawn(watch_client(request_scope), "client watch");
    set_reader(&watching);
    const verdict next = co_await with_scope(request_scope, answer());
    set_reader(nullptr);
    co_return next;
}

// A client that has ended its direction may still want the answer, or may be gone: TCP says the same for both. So if
// the answer takes long, it is asked: whoever is gone refuses an interim response with a reset. Not over TLS, whose
// socket is its own: there a client that is gone is noticed when the answer is sent.
task<void> session::watch_client(cancel_scope& request_scope) {
    const result<void> ended = co_await client_.tcp().socket().ready(io::direction::read_end);
    if (!ended) co_return;
    const result<void> waited = co_await sleep_for(std::chrono::milliseconds(500));
    if (!waited) co_return;
    if (!answering_ && request_.head().version == http::h1::version::http_1_1) {
        // without waiting: an answer that begins meanwhile would be a second sender
        const result<std::size_t> asked = client_.tcp().socket().send_now(as_bytes(http::continue_response));
        note_.client_gone = !asked;
        if (!asked) co_return request_scope.cancel();
        if (*asked > 0) unsaid_ = http::continue_response.substr(*asked);
    }
    const result<void> gone = co_await client_.tcp().socket().ready(io::direction::hang_up);
    note_.client_gone = gone.has_value();
    if (gone) request_scope.cancel();
}

task<verdict> session::answer() {
    const http::h1::request_head& head = request_.head();
    if (const denial no = guest_.ask()) {
        const verdict denied = co_await deny(no);
        co_return denied;
    }
    if (head.method == http::method::connect) {
        const verdict opened = co_await admit();
        co_return opened;
    }
    if (asks_for_pac()) {
        const verdict answered = co_await answer_pac();
        co_return answered;
    }
    std::string_view wrong;
    std::uint16_t status = 400;
    const http::forward_budget budget = http::budget_of(head.method, head.headers);
    const std::uint64_t body_max = server_.limit().body_bytes_max;
    if (head.target.form != http::target_form::absolute) {
        wrong = "this is a forward proxy: the request target must be an absolute http:// address";
    } else if (http::came_through(head.headers, server_.group().pseudonym())) {
        status = 508;
        wrong = "the request came through this proxy before";
    } else if (budget.what == http::forward_budget::verdict::invalid) {
        wrong = "Max-Forwards is not a number";
    } else if (head.expect_unknown) {
        status = 417;
        wrong = "the expectation is not known";
    } else if (head.method == http::method::trace && budget.what == http::forward_budget::verdict::answer) {
        status = 405;
        wrong = "TRACE is not answered here";
    } else if (body_max > 0 && head.framing.kind == http::h1::body_kind::length && head.framing.length > body_max) {
        status = 413;
        wrong = "the request's body is larger than this proxy allows";
    } else if (head.target_text().size() > server_.limit().uri_bytes_max) {
        status = 414;
        wrong = "the request's address is longer than this proxy allows";
    }
    if (!wrong.empty()) {
        const verdict refused = co_await refuse(status, wrong);
        co_return refused;
    }
    if (budget.what == http::forward_budget::verdict::answer) {
        const verdict answered = co_await answer_options();
        co_return answered;
    }
    const verdict forwarded = co_await admit();
    co_return forwarded;
}

// The rules first, then the way to the origin.
task<verdict> session::admit() {
    const http::h1::request_head& head = request_.head();
    std::optional<std::string_view> credentials;
    if (head.headers.count(http::field_id::proxy_authorization) == 1)
        credentials = head.headers.get(http::field_id::proxy_authorization);
    // what is not of HTTP is not said by HTTP
    const bool foreign = head.method_text() == "SOCKS" || head.method_text() == "UDP";
    const std::string_view method = foreign ? std::string_view("other") : head.method_text();
    const refusal no = co_await admission_.ask(method, head.authority(), credentials);
    note_decision();
    // those that the rules deny count, too
    if (const denial over = guest_.ask_as(admission_.user())) {
        const verdict denied = co_await deny(over);
        co_return denied;
    }
    if (no) {
        const verdict refused = co_await refuse(no.status(), no.detail(), true);
        co_return refused;
    }
    if (head.method == http::method::connect) {
        const verdict opened = co_await open_tunnel();
        co_return opened;
    }
    const verdict forwarded = co_await forward();
    co_return forwarded;
}

// OPTIONS with Max-Forwards: 0 asks us, not the origin.
task<verdict> session::answer_options() {
    const bool keep = request_.head().keep_alive && request_over_ && !server_.draining();
    note_.status = 200;
    out_.clear();
    out_.append(
        "HTTP/1.1 200 OK\r\nAllow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, CONNECT\r\nContent-Length: 0\r\n");
    out_.append(keep ? "\r\n" : "Connection: close\r\n\r\n");
    const result<void> sent = co_await send_out();
    co_return sent&& keep ? verdict::next_request : verdict::close;
}

bool session::asks_for_pac() const noexcept {
    const http::h1::request_head& head = request_.head();
    const bool reads = head.method == http::method::get || head.method == http::method::head;
    return reads && request_over_ && head.target.form == http::target_form::origin &&
           names_pac_file(head.target_text().substr(head.target.path_at)) && !head.authority().host.empty();
}

task<verdict> session::answer_pac() {
    const http::h1::request_head& head = request_.head();
    const bool keep = head.keep_alive && !server_.draining();
    log_answer(200);
    out_.clear();
    http::authority here = head.authority();
    if (here.port == 0) here.port = client_.secured() ? http::https_port : http::http_port;
    write_pac_answer(out_, here, client_.secured(), head.method == http::method::head, keep);
    const result<void> sent = co_await send_out();
    co_return sent&& keep ? verdict::next_request : verdict::close;
}

std::unique_ptr<tunnel_plan> session::plan_tunnel(net::tls::connection origin, const http::authority& where,
                                                  io::lease behind, upstream::hold parent) {
    auto plan = std::make_unique<tunnel_plan>();
    plan->origin = std::move(origin);
    plan->to_origin = std::move(input_);
    plan->to_client = std::move(behind);
    plan->parent = std::move(parent);
    if (log::enabled(log::level::debug)) plan->name = std::make_unique<const std::string>(name_of(where));
    return plan;
}

task<verdict> session::open_tunnel() {
    const http::authority where = request_.head().target.where;
    if (!request_over_) {
        const verdict refused = co_await refuse(400, "a CONNECT has no body");
        co_return refused;
    }
    address_filter may = admitted();
    result<net::tls::connection> origin = co_await reach_for_tunnel(where, admission_.way(), std::move(may));
    if (!origin) {
        const verdict refused = co_await refuse_connect(origin.error(), where);
        co_return refused;
    }
    log_answer(200);
    out_.clear();
    out_.append(http::tunnel_established);
    const result<void> sent = co_await send_out();
    if (!sent) co_return verdict::reset;
    note_decision();
    server_.seeing().first_byte(note_);
    tunnel_ = plan_tunnel(std::move(*origin), where, take_behind(), take_parent());
    co_return verdict::become_tunnel;
}

// Its address was allowed to whoever had it made, which may be somebody who is allowed more.
net::tls::connection session::take_pooled(const std::string& origin_name) {
    net::tls::connection kept = server_.pool().take(origin_name);
    if (kept.is_open() && !admission_.may_reuse(kept)) kept.close();
    if (admission_.reported()) note_decision();
    return kept;
}

task<verdict> session::forward() {
    const http::authority& where = request_.head().authority();
    const std::string origin_name = name_of(where);
    // A pooled connection may end at the moment of use. Then a request that may be repeated is; another one goes only
    // where this client's last one went, as it would without us.
    bool may_reuse = idempotent(request_.head().method) || origin_name == last_origin_;
    last_origin_ = origin_name;
    if (const chosen_way way = admission_.way(); way.route) [[unlikely]] {
        const verdict answered = co_await forward_by(way, may_reuse);
        co_return answered;
    }
    for (;;) {
        net::tls::connection origin = may_reuse ? take_pooled(origin_name) : net::tls::connection{};
        const bool reused = origin.is_open();
        if (may_reuse) note_pooled(origin);
        if (!reused) {
            address_filter may = admitted();
            result<net::tls::connection> fresh = co_await reach(where, std::move(may));
            if (!fresh) {
                const verdict refused = co_await refuse_connect(fresh.error(), where);
                co_return refused;
            }
            note_decision();
            origin = std::move(*fresh);
        }
        exchange one(*this, std::move(origin), reused);
        const verdict next = co_await one.run();
        if (next == verdict::retry) {
            may_reuse = note_.pooled = false;
            continue;
        }
        if (one.origin_reusable()) server_.pool().give_back(origin_name, one.take_origin());
        if (next == verdict::become_tunnel) {
            tunnel_ = plan_tunnel(one.take_origin(), where, one.take_origin_input());
        }
        co_return next;
    }
}

}  // namespace co_wq::proxy
