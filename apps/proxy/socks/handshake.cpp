#include "proxy/socks/handshake.hpp"

#include "proxy/server.hpp"
#include "proxy/socks/association.hpp"
#include "sync/with_scope.hpp"

namespace co_wq::proxy::socks {
namespace {

// As HTTP would say it: one scale for the log and the figures.
std::uint16_t status_of(reply code) noexcept {
    switch (code) {
        case reply::not_allowed: return 403;
        case reply::command_not_supported: return 501;
        case reply::address_type_not_supported: return 400;
        case reply::ttl_expired: return 504;
        case reply::general_failure: return 503;
        default: return 502;
    }
}

}  // namespace

task<std::unique_ptr<tunnel_plan>> handshake::run() {
    ++server_.count().requests;
    deadline_ = server_.loop().now() + session_.header_wait();
    const bool asked = co_await negotiate();
    if (!asked) co_return nullptr;
    begin_note();
    if (const denial no = over_limit()) {
        co_await deny(no);
    } else if (request_.what == command::bind) {
        co_await refuse(reply::command_not_supported, "BIND is not served");
    } else if (request_.what == command::udp_associate) {
        std::unique_ptr<tunnel_plan> plan = co_await associate();
        co_return plan;
    } else if (const decision made = judged(); !made.allowed) {
        co_await refuse(reply::not_allowed, made.why);
    } else {
        std::unique_ptr<tunnel_plan> plan = co_await connect();
        co_return plan;
    }
    co_return nullptr;
}

void handshake::begin_note() {
    std::string target;
    if (heard_ && !request_.where.host.empty())
        target = request_.where.host + ':' + std::to_string(request_.where.port);
    const std::string_view method = !heard_                             ? ""
                                    : request_.what == command::connect ? "CONNECT"
                                    : request_.what == command::bind    ? "BIND"
                                                                        : "UDP";
    session_.begin_other(request_.version == 4 ? "socks4" : "socks5", method, std::move(target));
    if (server_.seeing().detailed()) session_.note().user = who_.user;
}

decision handshake::judged() {
    decision made = admit(about());
    way_ = {who_.rules.get(), made.route, made.by_address, made.needs_address};
    note_decision(made.rule);
    return made;
}

// What would have denied it says more than what decides in its place.
void handshake::note_decision(std::string_view rule) {
    if (!server_.seeing().detailed()) return;
    session_.note().rule = reported_ ? reported_.rule() : rule;
    if (reported_) session_.note().decision = decided::report;
}

question handshake::about() noexcept {
    return {.who = who_,
            .method = "SOCKS",
            .host = request_.where.host,
            .port = request_.where.port,
            .reported = reported_};
}

// Up to the request; false: there is none, and what was to be said was said.
task<bool> handshake::negotiate() {
    who_ = {session_.admission().rules(), session_.admission().listener(), unmapped(session_.client_address()),
            session_.admission().certified()};
    const bool version4 = as_text(session_.input().data()).front() == 4;
    if (!version4) {
        const bool agreed = co_await agree_on_method();
        if (!agreed) co_return false;
    } else {
        request_.version = 4;
    }
    const bool there = co_await read_request();
    co_return there;
}

task<bool> handshake::agree_on_method() {
    greeting offered;
    const auto parse = [&offered](const_bytes have) { return parse_greeting(have, offered); };
    const progress come = co_await read(parse, write_method(method_unacceptable));
    if (come != progress::done) co_return false;
    // who shows no password is nobody that is known: whether that is enough, the rules say
    const bool certified = !who_.user.empty() && offered.no_authentication;
    const bool with_password = !certified && who_.rules->has_users() && offered.user_password;
    if (!with_password && !offered.no_authentication) {
        log::debug("SOCKS 5: the client offers no method of ours");
        note_refusal(407, "no method of authentication in common");
        co_await session_.say_last(write_method(method_unacceptable));
        session_.end_note(ended::eof);
        co_return false;
    }
    const std::uint8_t method = with_password ? method_user_password : method_none;
    const bool said = co_await say(write_method(method));
    if (!said || !with_password) co_return said;
    const bool known = co_await log_in();
    co_return known;
}

task<bool> handshake::log_in() {
    login given;
    const auto parse = [&given](const_bytes have) { return parse_login(have, given); };
    const progress come = co_await read(parse, write_login_status(false));
    if (come == progress::need_more) co_return false;
    bool known = false, busy = false;
    if (come == progress::done) {
        who_.user = given.user;
        const policy::ip_address client = policy::ip_address::from(who_.client);
        const result<bool> right = co_await server_.group().passwords().check(
            who_.rules, client, std::move(given.user), std::move(given.password), server_.loop().now());
        known = right && *right;
        busy = !right;
    }
    if (known) {
        const bool said = co_await say(write_login_status(true));
        co_return said;
    }
    if (!busy) log::info("{} is not the user it says it is: {}", who_.client.host(), on_one_line(who_.user));
    if (busy) note_refusal(503, "too many credentials are being checked");
    if (!busy) note_refusal(407, "user or password is wrong");
    co_await session_.say_last(write_login_status(false));
    session_.end_note(ended::eof);
    co_return false;
}

task<bool> handshake::read_request() {
    const bool version4 = request_.version == 4;
    const auto parse = [this, version4](const_bytes have) {
        return version4 ? parse_request4(have, request_) : parse_request5(have, request_);
    };
    const progress come = co_await read(parse, write_reply(request_.version, reply::general_failure));
    heard_ = come != progress::need_more;
    if (come == progress::wrong) co_await refuse(request_.refusal, request_.why);
    co_return come == progress::done;
}

// A message; need_more: the client ended, or its time was over, and it was told so.
template <class Parse>
task<progress> handshake::read(Parse parse, std::string late) {
    std::string have;
    for (;;) {
        const_bytes left = session_.input().data();
        const step now = gather(have, left, parse);
        session_.input().consume(session_.input().size() - left.size());
        if (now.what != progress::need_more) co_return now.what;
        const bool more = co_await session_.fill_input_idly(deadline_);
        if (more) continue;
        if (server_.loop().now() < deadline_) co_return progress::need_more;
        note_refusal(408, "the handshake did not come in time");
        co_await session_.say_last(std::move(late));
        session_.end_note(ended::eof);
        co_return progress::need_more;
    }
}

task<bool> handshake::say(std::string text) {
    const result<void> sent = co_await session_.client().send_all(as_bytes(text));
    co_return sent.has_value();
}

void handshake::log_answer(reply code, std::string_view why) const {
    if (!log::enabled(log::level::debug)) return;
    log::debug("SOCKS {} {} {}:{} -> {} {}", request_.version, name_of(request_.what), request_.where.host,
               request_.where.port, name_of(code), why);
}

void handshake::note_refusal(std::uint16_t status, std::string_view why) {
    if (!session_.note().open) begin_note();
    request_note& note = session_.note();
    note.refused(status);
    if (server_.seeing().detailed()) note.detail = why;
    ++server_.count().refused;
    ++server_.count().refused_by[static_cast<std::size_t>(refusal_reason_of(status))];
}

task<void> handshake::refuse(reply code, std::string_view why) {
    note_refusal(status_of(code), why);
    log_answer(code, why);
    co_await session_.say_last(write_reply(request_.version, code));
    session_.end_note(ended::eof);
}

denial handshake::over_limit() {
    const denial no = session_.visitor().ask();
    return no ? no : session_.visitor().ask_as(who_.user);
}

// "Not allowed" is for what may be asked again later; connections too many and memory too little are failures.
task<void> handshake::deny(const denial& no) {
    const bool too_often = no.which == limit_kind::requests_per_client || no.which == limit_kind::requests_per_user;
    const reply code = too_often ? reply::not_allowed : reply::general_failure;
    const std::string why = no.text();
    note_refusal(no.status(), why);
    session_.note_denial(no);
    log_answer(code, why);
    co_await session_.say_last(write_reply(request_.version, code));
    session_.end_note(ended::eof);
}

// Ends the dialling of a client that is gone. One that has ended its direction may still want what comes.
task<void> handshake::watch_client(cancel_scope& dialling) {
    const result<void> gone = co_await session_.client().tcp().socket().ready(io::direction::hang_up);
    if (gone) dialling.cancel();
}

task<result<net::tls::connection>> handshake::dial() {
    cancel_scope dialling;
    counting_scope watching(server_.loop());
    // the socket beneath TLS is TLS's own
    if (!session_.client().secured()) watching.spawn(watch_client(dialling), "client watch");
    address_filter may = [this](const io::socket_address& peer) {
        judged_ = judge_address(about(), peer);
        if (judged_.reported) (void)tell(about(), judged_);
        if (judged_.allowed()) note_decision(judged_.rule);
        return judged_.allowed();
    };
    result<net::tls::connection> made =
        co_await with_scope(dialling, session_.reach_for_tunnel(request_.where, way_, std::move(may)));
    co_return made;
}

void handshake::note_granted() {
    session_.note().status = 200;
    server_.seeing().first_byte(session_.note());
}

task<std::unique_ptr<tunnel_plan>> handshake::connect() {
    result<net::tls::connection> origin = co_await dial();
    if (!origin && origin.error() == errc::stopped) {
        session_.end_note(server_.draining() ? ended::shutdown : ended::reset);
        co_return nullptr;
    }
    if (!origin) {
        std::string why = session_.why_not().empty() ? origin.error().message() : session_.why_not();
        if (session_.why_not().empty() && origin.error() == errc::permission_denied && !judged_.allowed())
            why = tell(about(), judged_).why;
        if (!judged_.allowed()) note_decision(judged_.rule);
        co_await refuse(reply_of(origin.error()), why);
        co_return nullptr;
    }
    log_answer(reply::granted, {});
    const io::socket_address bound = origin->local_address().value_or(io::socket_address{});
    const bool said = co_await say(write_reply(request_.version, reply::granted, bound));
    if (!said) {
        session_.end_note(ended::reset);
        co_return nullptr;
    }
    note_granted();
    std::unique_ptr<tunnel_plan> plan =
        session_.plan_tunnel(std::move(*origin), request_.where, session_.take_behind(), session_.take_parent());
    plan->live = session_.begin_live();
    co_return plan;
}

task<std::unique_ptr<tunnel_plan>> handshake::associate() {
    if (server_.group().chosen().udp_per_client == 0) {
        co_await refuse(reply::command_not_supported, "UDP is not relayed here");
        co_return nullptr;
    }
    if (const decision made = admit_client(who_, "UDP"); !made.allowed) {
        if (server_.seeing().detailed()) session_.note().rule = made.rule;
        co_await refuse(reply::not_allowed, made.why);
        co_return nullptr;
    }
    auto relay = std::make_unique<association>(server_, who_);
    const result<io::socket_address> opened = relay->open(session_.client(), request_.where);
    if (!opened) {
        const std::string why = opened.error().message();
        co_await refuse(reply::general_failure, why);
        co_return nullptr;
    }
    log_answer(reply::granted, {});
    const bool said = co_await say(write_reply(request_.version, reply::granted, *opened));
    if (!said) {
        session_.end_note(ended::reset);
        co_return nullptr;
    }
    note_granted();
    auto plan = std::make_unique<tunnel_plan>();
    plan->relay = std::move(relay);
    plan->live = session_.begin_live();
    co_return plan;
}

}  // namespace co_wq::proxy::socks
