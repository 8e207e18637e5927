#include "proxy/config/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "http/target.hpp"
#include "io/event_loop.hpp"
#include "net/dns/resolver.hpp"
#include "proxy/policy/engine.hpp"
#include "proxy/policy/user_table.hpp"
#include "sync/deadline.hpp"

namespace co_wq::proxy::config {
namespace {

constexpr duration patience = std::chrono::seconds(10);

struct asked {
    std::string method;
    http::authority where;
};

int wrong(std::string_view what) {
    std::fprintf(stderr, "co_http_proxy: explain: %s\n", on_one_line(what).c_str());
    return 2;
}

// What a client would ask us for this URL; an error in words.
std::expected<asked, std::string> read_target(const explain_request& given) {
    std::string_view text = given.target;
    std::optional<std::uint16_t> port;
    asked made{given.method, {}};
    const bool tunnel = !text.starts_with("http://");
    if (!tunnel) {
        text.remove_prefix(7);
        port = http::http_port;
    } else if (text.starts_with("https://")) {
        text.remove_prefix(8);
        port = std::uint16_t{443};
    }
    if (made.method.empty()) made.method = tunnel ? "CONNECT" : "GET";
    if (tunnel && made.method != "CONNECT" && made.method != "SOCKS" && made.method != "UDP")
        return std::unexpected("--method: a proxy sees CONNECT, SOCKS or UDP only, unless the URL begins with http://");
    text = text.substr(0, text.find_first_of("/?#"));
    if (const http::checked ok = http::parse_authority(text, port, made.where); !ok)
        return std::unexpected(given.target + ": " + std::string(ok.error().reason));
    return made;
}

void say(const policy::decision& one, std::string_view what) {
    const char* word = one.result == policy::outcome::wants_credentials ? "asked for credentials (407)"
                       : one.reported                                   ? "allowed, but only reported: denied by"
                       : one.allowed()                                  ? "allowed by"
                                                                        : "denied by";
    std::printf("%-9s %s %s\n", std::string(what).c_str(), word, on_one_line(one.rule).c_str());
    if (!one.reason.empty()) std::printf("%-9s %s\n", "why", on_one_line(one.reason).c_str());
}

// Those that may be asked, in the order of the file.
std::vector<const policy::parent*> parents_of(const policy::settings& all, std::string_view via) {
    std::vector<const policy::parent*> found;
    for (const policy::parent& one : all.parents) {
        bool meant = one.name == via;
        for (const policy::parent_group& each : all.parent_groups)
            meant |=
                each.name == via && std::find(each.parents.begin(), each.parents.end(), one.name) != each.parents.end();
        if (meant) found.push_back(&one);
    }
    return found;
}

bool is_name(const policy::question& what) {
    return policy::destination::from(what.host).what == policy::destination::kind::name;
}

bool resolves_here(const policy::parent& one, const policy::decision& by) noexcept {
    return one.resolve == policy::resolving::here || (one.resolve == policy::resolving::automatic && by.by_address);
}

// Why a name that the rules allow goes nowhere all the same; "": it does not come to that.
std::string lost_on_its_way(const policy::engine& rules, const policy::decision& by, const policy::question& what) {
    if (!by.allowed() || !by.needs_address || !by.way || by.way->via.empty() || !is_name(what)) return {};
    std::string names;
    for (const policy::parent* one : parents_of(rules.chosen(), by.way->via)) {
        if (resolves_here(*one, by)) return {};
        names += (names.empty() ? "" : ", ") + one->name;
    }
    const auto directly = [&by](const policy::parent_group& one) {
        return one.name == by.way->via && one.direct_when_down;
    };
    if (std::ranges::any_of(rules.chosen().parent_groups, directly)) names += "; directly while none is up";
    return "only an address could be allowed, and names are resolved by the parent: " + names;
}

void say_way(const policy::engine& rules, const policy::decision& by, const policy::question& what) {
    if (!by.way) return;
    std::string egress;
    for (const io::socket_address* each : {&by.way->egress_ipv4, &by.way->egress_ipv6})
        if (each->family() != io::address_family::none) egress += (egress.empty() ? ", from " : " and ") + each->host();
    if (by.way->via.empty()) {
        std::printf("%-9s direct%s\n", "way", egress.c_str());
        return;
    }
    std::printf("%-9s via %s%s\n", "way", by.way->via.c_str(), egress.c_str());
    for (const policy::parent* one : parents_of(rules.chosen(), by.way->via))
        std::printf("%-9s %s, %s%s\n", "", one->name.c_str(), one->text().c_str(),
                    !is_name(what)            ? ""
                    : resolves_here(*one, by) ? ", which gets an address that is resolved and checked here"
                    : by.needs_address ? ", which resolves the name: denied, since only an address could be allowed"
                                       : ", which resolves the name");
}

task<result<net::dns::address_list>> resolve(io::event_loop& loop, const options& chosen, std::string host,
                                             std::uint16_t port) {
    net::dns::resolver names(loop, chosen.names);
    result<net::dns::address_list> found = co_await with_timeout(patience, names.resolve(std::move(host), port));
    co_return found;
}

int judge_addresses(const options& chosen, const policy::engine& rules, const policy::question& what) {
    io::event_loop loop;
    const result<net::dns::address_list> found = loop.run(resolve(loop, chosen, std::string(what.host), what.port));
    if (!found) {
        std::printf("%-9s %s\n", "addresses", found.error().message().c_str());
        return 1;
    }
    bool any = false;
    for (io::socket_address each : *found) {
        each.set_port(what.port);
        const policy::decision one = rules.admit_address(what, each);
        any |= one.allowed();
        say(one, each.host());
    }
    return any ? 0 : 1;
}

}  // namespace

int explain(const options& chosen) {
    const explain_request& given = chosen.explain;
    const auto target = read_target(given);
    if (!target) return wrong(target.error());
    const auto client = policy::ip_address::parse(given.client);
    if (!client) return wrong("--client " + given.client + ": not a numeric address");
    const auto& listeners = chosen.rules.listeners;
    const auto through = std::find_if(listeners.begin(), listeners.end(), [&](const policy::listener& each) {
        return given.listener.empty() || each.name == given.listener;
    });
    if (through == listeners.end()) return wrong("--listener " + given.listener + ": there is no such listener");
    const policy::engine rules(chosen.rules);
    policy::question what{.listener = static_cast<std::uint32_t>(through - listeners.begin()),
                          .client = *client,
                          .user = given.user,
                          .method = target->method,
                          .host = target->where.host,
                          .port = target->where.port};
    if (!given.user.empty() && !rules.table_of(given.user))
        return wrong("--user " + given.user + ": no users file knows this user");
    std::printf("%-9s %s %s:%u from %s%s, listener \"%s\" on %s\n", "request", target->method.c_str(), what.host.data(),
                what.port, client->text().c_str(), given.user.empty() ? "" : (" as " + on_one_line(given.user)).c_str(),
                on_one_line(through->name).c_str(), through->where.text().c_str());
    policy::decision first = rules.admit(what);
    if (std::string lost = lost_on_its_way(rules, first, what); !lost.empty()) {
        first.result = policy::outcome::denied;
        first.reason = std::move(lost);
        say(first, "decision");
        say_way(rules, first, what);
        return 1;
    }
    if (first.allowed() && first.by_address && !given.resolve) {
        say(first, "name");
        say_way(rules, first, what);
        std::printf("%-9s %s\n", "addresses", "decide further, each before it is dialled: add --resolve to see them");
        return 0;
    }
    say(first, "decision");
    if (!first.allowed()) return 1;
    say_way(rules, first, what);
    if (given.resolve) return judge_addresses(chosen, rules, what);
    return 0;
}

}  // namespace co_wq::proxy::config
