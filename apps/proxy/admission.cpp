#include "proxy/admission.hpp"

#include "proxy/policy/credentials.hpp"
#include "proxy/server.hpp"

namespace co_wq::proxy {

using policy::outcome;

admission::admission(proxy_server& server, const io::socket_address& client, std::uint32_t listener)
    : server_(server), rules_(server.group().rules()) {
    what_.listener = listener;
    set_client(client);
}

void admission::set_client(const io::socket_address& client) noexcept {
    what_.client = policy::ip_address::from(client);
}

task<refusal> admission::ask(std::string_view method, const http::authority& where,
                             std::optional<std::string_view> credentials) {
    denial_ = {};
    user_.clear();
    what_.user = {};
    what_.method = method;
    what_.host = where.host;
    what_.port = where.port;
    if (rules_->has_users() && credentials) {
        refusal unknown = co_await identify(*credentials);
        if (unknown) co_return unknown;
    }
    what_.user = user_;
    refusal no = told(rules_->admit(what_));
    co_return no;
}

task<refusal> admission::identify(std::string_view credentials) {
    const std::optional<policy::login> who = policy::parse_basic(credentials);
    if (!who) co_return refusal(407, "the credentials are not of the form Basic, or broken");
    const result<bool> right =
        co_await server_.group().passwords().check(rules_, who->user, who->password, server_.loop().now());
    if (!right) co_return refusal(503, "too many credentials are being checked");
    if (!*right) {
        log::info("{} is not the user it says it is: {}", what_.client.text(), on_one_line(who->user));
        co_return refusal(407, "user or password is wrong");
    }
    user_ = who->user;
    co_return refusal();
}

// The denial as an answer, and as a line of the log.
refusal admission::told(const policy::decision& one) {
    rule_ = one.rule;
    if (one.allowed() && !one.reported) return {};
    const auto log_line = [&](const char* what) {
        log::info("{}{}{} {} {}:{} {} by rule {}: {}", what_.client.text(), what_.user.empty() ? "" : " ",
                  on_one_line(what_.user), on_one_line(what_.method), on_one_line(what_.host), what_.port, what,
                  on_one_line(one.rule), on_one_line(one.reason));
    };
    if (one.reported) {
        log_line("would be denied");
        return {};
    }
    if (one.result == outcome::wants_credentials) {
        log::debug("{} {} {}:{} needs credentials", what_.client.text(), what_.method, what_.host, what_.port);
        return {407, one.text()};
    }
    log_line("denied");
    return {403, one.text()};
}

bool admission::may_dial(const io::socket_address& peer) {
    denial_ = told(rules_->admit_address(what_, peer));
    return !denial_;
}

bool admission::may_reuse(const net::tcp_stream& origin) {
    if (!rules_->checks_addresses(what_)) return true;
    const result<io::socket_address> peer = origin.peer_address();
    return peer && rules_->admit_address(what_, *peer).allowed();
}

}  // namespace co_wq::proxy
