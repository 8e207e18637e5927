#include "proxy/upstream/conversation.hpp"

#include "http/h1/forward_head.hpp"
#include "http/h1/response_parser.hpp"
#include "net/tls/errors.hpp"
#include "proxy/upstream/socks_client.hpp"

namespace co_wq::proxy::upstream {
namespace {

using fault = outcome::fault;

constexpr std::size_t block_bytes = 4 * 1024;

outcome made(fault what, errc code, std::string why) { return {what, error(code), std::move(why)}; }

outcome outcome_of_status(std::uint16_t status) {
    const std::string said = "answers " + std::to_string(status);
    if (status >= 200 && status < 300) return {};
    if (status == 407)
        return made(fault::parent, errc::connection_refused, said + ": it does not take our credentials");
    if (status == 403) return made(fault::denied, errc::permission_denied, said);
    if (status == 503 || status == 429) return made(fault::busy, errc::no_buffers, said);
    if (status == 504) return made(fault::destination, errc::timed_out, said);
    return made(fault::destination, errc::host_unreachable, said);
}

outcome outcome_of_reply(std::uint8_t code) {
    if (code == 0) return {};
    const std::string said = code <= 8 ? "answers " + std::string(name_of(static_cast<socks::reply>(code)))
                                       : "answers with the unknown code " + std::to_string(code);
    switch (code) {
        case 2: return made(fault::denied, errc::permission_denied, said);
        case 3: return made(fault::destination, errc::network_unreachable, said);
        case 5: return made(fault::destination, errc::connection_refused, said);
        case 6: return made(fault::destination, errc::timed_out, said);
        default: return made(fault::destination, errc::host_unreachable, said);
    }
}

outcome broken(std::string_view how) { return made(fault::parent, errc::bad_message, std::string(how)); }

task<outcome> open_by_http(net::tls::connection& to, const live_parent& parent, const http::authority& target,
                           io::lease& behind) {
    http::byte_buffer out;
    http::h1::request_rules rules;
    rules.proxy_authorization = parent.authorization();
    http::h1::write_connect_request(out, target, rules);
    const result<void> sent = co_await to.send_all(out.data());
    if (!sent) co_return outcome_of(sent.error());
    http::h1::response_parser answer;
    answer.begin(http::method::connect);
    for (;;) {
        const http::h1::step step = answer.parse(behind.data());
        behind.consume(step.consumed);
        if (step.what == http::h1::event::error)
            co_return broken("answers no HTTP: " + std::string(answer.error().reason));
        if (step.what == http::h1::event::head_complete && !answer.head().interim()) {
            const std::uint16_t status = answer.head().status;
            if (status < 200 || status >= 300) co_return outcome_of_status(status);
            const http::h1::step end = answer.parse(behind.data());  // a 2xx to CONNECT has no body
            behind.consume(end.consumed);
            if (end.what != http::h1::event::body_end) co_return broken("answers no HTTP");
            co_return outcome{};
        }
        if (step.what != http::h1::event::need_more) continue;
        behind.reset();
        result<io::lease> got = co_await to.recv_lease(block_bytes);
        if (!got) co_return outcome_of(got.error());
        if (got->empty()) co_return made(fault::parent, errc::unexpected_eof, "ends without an answer");
        behind = std::move(*got);
    }
}

// One exchange of SOCKS.
class socks_talk {
public:
    socks_talk(net::tls::connection& to, io::lease& input) noexcept : to_(to), input_(input) {}

    // False: failure() says why.
    template <class Parse>
    task<bool> ask(std::string text, Parse parse) {
        const result<void> sent = co_await to_.send_all(as_bytes(text));
        if (!sent) {
            failure_ = outcome_of(sent.error());
            co_return false;
        }
        std::string have;
        for (;;) {
            const_bytes left = input_.data();
            const socks::step now = socks::gather(have, left, parse);
            input_.consume(input_.size() - left.size());
            if (now.what == socks::progress::done) co_return true;
            if (now.what == socks::progress::wrong) {
                failure_ = broken("answers no SOCKS 5");
                co_return false;
            }
            input_.reset();
            result<io::lease> got = co_await to_.recv_lease(block_bytes);
            if (!got) failure_ = outcome_of(got.error());
            if (got && got->empty()) failure_ = made(fault::parent, errc::unexpected_eof, "ends without an answer");
            if (!got || got->empty()) co_return false;
            input_ = std::move(*got);
        }
    }
    outcome failure() { return std::move(failure_); }

private:
    net::tls::connection& to_;
    io::lease& input_;
    outcome failure_{};
};

task<outcome> open_by_socks(net::tls::connection& to, const live_parent& parent, const http::authority& target,
                            io::lease& behind) {
    if (target.host.size() > 255) co_return made(fault::destination, errc::invalid_argument, "takes no name so long");
    const policy::parent& chosen = parent.chosen();
    const bool with_password = !chosen.user.empty();
    socks_talk talk(to, behind);
    chosen_method method;
    const auto read_method = [&method](const_bytes have) { return parse_method(have, method); };
    std::string text = write_greeting(with_password);
    bool said = co_await talk.ask(std::move(text), read_method);
    if (!said) co_return talk.failure();
    if (method.method == socks::method_user_password && with_password) {
        login_status status;
        const auto read_status = [&status](const_bytes have) { return parse_login_status(have, status); };
        text = write_login(chosen.user, chosen.password);
        said = co_await talk.ask(std::move(text), read_status);
        if (!said) co_return talk.failure();
        if (!status.accepted) co_return made(fault::parent, errc::connection_refused, "does not take our credentials");
    } else if (method.method != socks::method_none) {
        co_return made(fault::parent, errc::connection_refused, "takes no method of authentication that we have");
    }
    connect_reply reply;
    const auto read_reply = [&reply](const_bytes have) { return parse_connect_reply(have, reply); };
    text = write_connect(target);
    said = co_await talk.ask(std::move(text), read_reply);
    if (!said) co_return talk.failure();
    co_return outcome_of_reply(reply.code);
}

}  // namespace

task<result<net::tls::connection>> secure(net::tcp_stream plain, const live_parent& parent) {
    const policy::parent& chosen = parent.chosen();
    std::string name = chosen.server_name.empty() ? chosen.host : chosen.server_name;
    net::tls::client_context context = *parent.tls();
    result<net::tls::stream> made = co_await net::tls::connect(std::move(plain), std::move(context), std::move(name));
    if (!made) co_return std::unexpected(made.error());
    co_return net::tls::connection(std::move(*made));
}

outcome outcome_of(error why) {
    switch (why.code()) {
        case errc::stopped:
        case errc::closed: return {fault::stopped, why, why.message()};
        // ours, not the parent's
        case errc::too_many_files:
        case errc::no_buffers:
        case errc::limit_exceeded:
        case errc::busy:
        case errc::out_of_memory: return {fault::busy, error(errc::no_buffers), why.message()};
        case errc::permission_denied:
        case errc::address_not_available: return {fault::denied, error(errc::address_not_available), why.message()};
        default: return {fault::parent, why, net::tls::explain(why)};
    }
}

task<outcome> open_through(net::tls::connection& to, const live_parent& parent, const http::authority& target,
                           io::lease& behind) {
    if (parent.speaks_http()) {
        outcome done = co_await open_by_http(to, parent, target, behind);
        co_return done;
    }
    outcome done = co_await open_by_socks(to, parent, target, behind);
    co_return done;
}

}  // namespace co_wq::proxy::upstream
