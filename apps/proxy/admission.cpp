#include "proxy/admission.hpp"

#include "proxy/policy/credentials.hpp"
#include "proxy/server.hpp"

namespace co_wq::proxy {

using policy::outcome;

admission::admission(proxy_server& server, const io::socket_address& client, std::uint32_t listener)
    : server_(server), version_(server.group().rules_version()), rules_(server.group().rules()) {
    what_.listener = listener;
    set_client(client);
}

void admission::set_client(const io::socket_address& client) noexcept {
    what_.client = policy::ip_address::from(client);
}

task<refusal> admission::ask(std::string_view method, const http::authority& where,
                             std::optional<std::string_view> credentials) {
    denied_ = {};
    rule_ = {};  // they look into the rules
    reported_.clear();
    route_ = nullptr;
    if (const unsigned now = server_.group().rules_version(); now != version_) {
        version_ = now;
        rules_ = server_.group().rules();
    }
    user_ = certified_;
    what_.user = {};
    what_.method = method;
    what_.host = where.host;
    what_.port = where.port;
    if (rules_->has_users() && credentials) {
        refusal unknown = co_await identify(*credentials);
        if (unknown) co_return unknown;
    }
    what_.user = user_;
    const policy::decision made = rules_->admit(what_);
    route_ = made.way;
    by_address_ = made.by_address;
    needs_address_ = made.needs_address;
    refusal no = say(made);
    co_return no;
}

task<refusal> admission::identify(std::string_view credentials) {
    const std::optional<policy::login> who = policy::parse_basic(credentials);
    if (!who) co_return refusal(407, "the credentials are not of the form Basic, or broken");
    const result<bool> right = co_await server_.group().passwords().check(rules_, what_.client, who->user,
                                                                          who->password, server_.loop().now());
    if (!right) co_return refusal(503, "too many credentials are being checked");
    if (!*right) {
        log::info("{} is not the user it says it is: {}", what_.client.text(), on_one_line(who->user));
        co_return refusal(407, "user or password is wrong");
    }
    user_ = who->user;
    co_return refusal();
}

bool let_through::add(const policy::decision& one) {
    if (any_ && one.rule == last_) return false;
    if (!std::exchange(any_, true)) rule_ = one.rule;
    last_ = one.rule;
    return true;
}

refusal told(const policy::question& what, const policy::decision& one, let_through& before) {
    if (one.allowed() && !one.reported) return {};
    if (!one.allowed()) before.clear();
    if (one.reported && !before.add(one)) return {};
    if (one.result == outcome::wants_credentials) {
        log::debug("{} {} {}:{} needs credentials", what.client.text(), what.method, on_one_line(what.host), what.port);
        return {407, one.text()};
    }
    log::info("{}{}{} {} {}:{} {} by rule {}: {}", what.client.text(), what.user.empty() ? "" : " ",
              on_one_line(what.user), on_one_line(what.method), on_one_line(what.host), what.port,
              one.reported ? "would be denied" : "denied", on_one_line(one.rule), on_one_line(one.reason));
    if (one.reported) return {};
    return {403, one.text()};
}

refusal admission::say(const policy::decision& one) {
    rule_ = one.rule;
    return told(what_, one, reported_);
}

bool admission::may_dial(const io::socket_address& peer) {
    policy::decision one = rules_->admit_address(what_, peer);
    if (one.allowed()) return !say(one);
    denied_ = std::move(one);
    return false;
}

refusal admission::denial() {
    if (denied_.allowed()) return {};
    return say(denied_);
}

bool admission::may_reuse(const net::tls::connection& origin) {
    if (!rules_->checks_addresses(what_)) return true;
    const result<io::socket_address> peer = origin.peer_address();
    if (!peer) return false;
    const policy::decision one = rules_->admit_address(what_, *peer);
    if (one.reported) (void)say(one);
    return one.allowed();
}

}  // namespace co_wq::proxy
