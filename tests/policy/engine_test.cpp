#include "proxy/policy/engine.hpp"

#include <gtest/gtest.h>

#include "proxy/policy/user_table.hpp"
#include "support/on_wine.hpp"

namespace co_wq::proxy::policy {
namespace {

constexpr auto alice_line = "alice:$2y$04$1uzmdfytfitHV62bzxuI3OR.aL0TrxN7cfFUqVmZb4juSszPjYxOq\n";

io::socket_address at(const char* host, std::uint16_t port) { return *io::socket_address::parse(host, port); }

rule about(std::string name, action then, std::vector<const char*> hosts, std::vector<const char*> addresses = {}) {
    rule made;
    made.name = std::move(name);
    made.where = {.file = "test.toml", .line = 7};
    made.then = then;
    for (const char* each : hosts) EXPECT_TRUE(made.hosts.add(each)) << each;
    for (const char* each : addresses) made.addresses.push_back(*parse_cidr(each));
    return made;
}

// One listener on this address with one policy, "default".
settings with(policy one, const char* host = "127.0.0.1", std::uint16_t port = 18100) {
    settings made;
    one.name = "default";
    one.where = {.file = "test.toml", .line = 3};
    made.policies.push_back(std::move(one));
    made.listeners.push_back({.name = "front", .where = at(host, port)});
    return made;
}

settings without_policy(const char* host, bool sandbox = false) {
    settings made;
    made.sandbox = sandbox;
    made.listeners.push_back({.name = "front", .where = at(host, 18100)});
    return made;
}

question ask(std::string_view host, std::uint16_t port = 443, std::string_view method = "CONNECT") {
    return {.client = ip_address::ipv4(192, 0, 2, 7), .method = method, .host = host, .port = port};
}

std::shared_ptr<const user_table> alice() {
    std::vector<user_problem> wrong;
    auto made = user_table::parse(alice_line, wrong);
    EXPECT_TRUE(wrong.empty());
    return made;
}

// "allowed", or the rule that decided.
std::string said(const decision& one) {
    if (one.result == outcome::wants_credentials) return "credentials";
    return one.allowed() ? "allowed" : std::string(one.rule);
}

TEST(engine, without_a_policy_a_loopback_listener_allows_everything_but_itself) {
    const engine rules(without_policy("127.0.0.1"));
    EXPECT_EQ(said(rules.admit(ask("example.com", 22))), "allowed");
    EXPECT_EQ(said(rules.admit(ask("127.0.0.1", 9))), "allowed");
    EXPECT_EQ(said(rules.admit_address(ask("x.example", 9), at("127.0.0.1", 9))), "allowed");
    EXPECT_EQ(said(rules.admit_address(ask("x.example", 18100), at("127.0.0.1", 18100))), "own address (built in)");
}

TEST(engine, without_a_policy_another_listener_has_its_guard_and_web_ports_only) {
    const engine rules(without_policy("192.0.2.1"));
    EXPECT_EQ(said(rules.admit(ask("example.com", 443))), "allowed");
    EXPECT_EQ(said(rules.admit(ask("example.com", 80))), "allowed");
    EXPECT_EQ(said(rules.admit(ask("example.com", 22))), "connect_ports of policy \"built in\"");
    EXPECT_EQ(said(rules.admit(ask("example.com", 8080, "GET"))), "allowed");
    EXPECT_EQ(said(rules.admit(ask("example.com", 8080, "SOCKS"))), "connect_ports of policy \"built in\"");
    EXPECT_EQ(said(rules.admit(ask("example.com", 53, "UDP"))), "connect_ports of policy \"built in\"");
    EXPECT_EQ(said(rules.admit(ask("169.254.169.254", 80, "GET"))), "address guard (built in)");
    EXPECT_EQ(said(rules.admit_address(ask("x.example"), at("10.0.0.1", 443))), "address guard (built in)");
    EXPECT_EQ(said(rules.admit_address(ask("x.example"), at("8.8.8.8", 443))), "allowed");
    EXPECT_TRUE(rules.checks_addresses(ask("x.example")));
    EXPECT_TRUE(rules.admit(ask("example.com")).by_address);
}

TEST(engine, ports_are_443_and_80_and_not_what_wraps_to_them) {
    const engine rules(without_policy("192.0.2.1"));
    for (const int port : {0, 1, 79, 81, 442, 444, 8443, 65535, 0x50 + 256, 443 ^ 0x8000})
        EXPECT_FALSE(rules.admit(ask("example.com", static_cast<std::uint16_t>(port))).allowed()) << port;
}

TEST(engine, hostile_hosts_are_denied_whatever_the_policy_says) {
    policy open;
    open.report = true;
    open.connect_ports = {{1, 65535}};
    ASSERT_TRUE(open.rules.empty());
    const engine rules(with(open, "192.0.2.1"));
    for (const char* bad : {"0177.0.0.1", "0x7f000001", "2130706433", "127.1", "fe80::1%eth0", "user@example.com",
                            "example.com:80", "", "0x50",
                            "b\xc3\xbc"
                            "cher.example"})
        EXPECT_EQ(said(rules.admit(ask(bad))), "destination (built in)") << bad;
}

TEST(engine, the_first_rule_that_matches_decides_and_is_named) {
    policy one;
    one.otherwise = action::deny;
    one.rules = {about("no uploads", action::deny, {"up.example.org"}), about("ours", action::allow, {"*.example.org"}),
                 about("late", action::deny, {"a.example.org"})};
    const engine rules(with(one));
    EXPECT_EQ(said(rules.admit(ask("a.example.org"))), "allowed");
    EXPECT_EQ(rules.admit(ask("a.example.org")).rule, "ours (test.toml:7)");
    EXPECT_EQ(said(rules.admit(ask("UP.example.org."))), "no uploads (test.toml:7)");
    EXPECT_EQ(said(rules.admit(ask("example.org"))), "default of policy \"default\" (test.toml:3)");
    EXPECT_NE(rules.admit(ask("example.org")).reason.find("example.org:443"), std::string::npos);
}

TEST(engine, every_condition_of_a_rule_must_hold) {
    policy one;
    one.otherwise = action::deny;
    one.require_user = false;
    rule narrow = about("narrow", action::allow, {"a.example"});
    narrow.ports = {{443, 443}, {8000, 8999}};
    narrow.methods = {"CONNECT", "GET"};
    narrow.clients = {*parse_cidr("192.0.2.0/24")};
    narrow.listeners = {"front"};
    one.rules = {narrow};
    one.connect_ports = {{1, 65535}};
    settings chosen = with(one);
    chosen.listeners.push_back({.name = "back", .where = at("127.0.0.1", 18101), .policy = "default"});
    const engine rules(chosen);
    EXPECT_TRUE(rules.admit(ask("a.example", 8000)).allowed());
    EXPECT_TRUE(rules.admit(ask("a.example", 8999, "GET")).allowed());
    EXPECT_FALSE(rules.admit(ask("a.example", 7999)).allowed());
    EXPECT_FALSE(rules.admit(ask("a.example", 9000)).allowed());
    EXPECT_FALSE(rules.admit(ask("a.example", 443, "POST")).allowed());
    EXPECT_FALSE(rules.admit(ask("a.example", 443, "get")).allowed());
    EXPECT_FALSE(rules.admit(ask("b.example")).allowed());
    question other = ask("a.example");
    other.client = ip_address::ipv4(192, 0, 3, 7);
    EXPECT_FALSE(rules.admit(other).allowed());
    other = ask("a.example");
    other.listener = 1;
    EXPECT_FALSE(rules.admit(other).allowed());
}

TEST(engine, a_rule_about_addresses_is_open_until_the_address_is_known) {
    policy one;
    one.otherwise = action::deny;
    one.guard = false;
    one.rules = {about("not there", action::deny, {}, {"198.51.100.0/24"}), about("ours", action::allow, {"*.example"}),
                 about("net", action::allow, {}, {"203.0.113.0/24"})};
    const engine rules(with(one));
    const decision first = rules.admit(ask("a.example"));
    EXPECT_TRUE(first.allowed() && first.by_address);
    EXPECT_TRUE(rules.checks_addresses(ask("a.example")));
    EXPECT_EQ(said(rules.admit_address(ask("a.example"), at("198.51.100.9", 443))), "not there (test.toml:7)");
    EXPECT_EQ(rules.admit_address(ask("a.example"), at("203.0.113.9", 443)).rule, "ours (test.toml:7)");
    // no rule knows the name, but its address may be allowed
    EXPECT_TRUE(rules.admit(ask("b.other")).by_address);
    EXPECT_EQ(rules.admit_address(ask("b.other"), at("203.0.113.9", 443)).rule, "net (test.toml:7)");
    EXPECT_FALSE(rules.admit_address(ask("b.other"), at("8.8.8.8", 443)).allowed());
    // a numeric host is decided at once
    EXPECT_EQ(said(rules.admit(ask("198.51.100.1"))), "not there (test.toml:7)");
    EXPECT_EQ(rules.admit(ask("203.0.113.1")).rule, "net (test.toml:7)");
    EXPECT_EQ(rules.admit(ask("::ffff:203.0.113.1")).rule, "net (test.toml:7)");
    EXPECT_FALSE(rules.admit(ask("203.0.113.1")).by_address);
}

TEST(engine, rules_about_names_never_match_numeric_hosts) {
    policy one;
    one.otherwise = action::deny;
    one.rules = {about("all names", action::allow, {"*"})};
    const engine rules(with(one));
    EXPECT_TRUE(rules.admit(ask("a.example")).allowed());
    EXPECT_FALSE(rules.admit(ask("8.8.8.8")).allowed());
}

TEST(engine, a_rule_that_allows_does_not_open_the_guard) {
    policy one;
    one.guard = true;
    one.rules = {about("all", action::allow, {"*"}, {"0.0.0.0/0"})};
    const engine closed(with(one));
    EXPECT_EQ(said(closed.admit_address(ask("a.example"), at("127.0.0.1", 443))), "address guard (built in)");
    one.allow_addresses = {*parse_cidr("127.0.0.2")};
    const engine opened(with(one));
    EXPECT_TRUE(opened.admit_address(ask("a.example"), at("127.0.0.2", 443)).allowed());
    EXPECT_FALSE(opened.admit_address(ask("a.example"), at("127.0.0.1", 443)).allowed());
    EXPECT_FALSE(opened.admit(ask("127.0.0.1")).allowed());
    EXPECT_TRUE(opened.admit(ask("127.0.0.2")).allowed());
}

TEST(engine, the_guard_is_on_for_other_listeners_and_off_when_the_policy_says_so) {
    policy one;
    EXPECT_TRUE(engine(with(one)).admit(ask("10.0.0.1")).allowed());
    EXPECT_FALSE(engine(with(one, "0.0.0.0")).admit(ask("10.0.0.1")).allowed());
    EXPECT_FALSE(engine(with(one, "::")).admit(ask("10.0.0.1")).allowed());
    one.guard = false;
    EXPECT_TRUE(engine(with(one, "192.0.2.1")).admit(ask("10.0.0.1")).allowed());
    one.guard = true;
    EXPECT_FALSE(engine(with(one)).admit(ask("10.0.0.1")).allowed());
}

TEST(engine, a_sandbox_denies_by_default_on_every_listener) {
    const engine bare(without_policy("127.0.0.1", true));
    EXPECT_FALSE(bare.admit(ask("github.com")).allowed());
    policy one;
    one.guard = false;
    one.rules = {about("github", action::allow, {"github.com", "localhost"})};
    settings chosen = with(one);
    chosen.sandbox = true;
    const engine rules(chosen);
    EXPECT_TRUE(rules.admit(ask("github.com")).allowed());
    EXPECT_FALSE(rules.admit(ask("github.com", 22)).allowed());
    EXPECT_FALSE(rules.admit(ask("gitlab.com")).allowed());
    EXPECT_TRUE(rules.admit(ask("localhost")).allowed());
    EXPECT_EQ(said(rules.admit_address(ask("localhost"), at("::1", 443))), "address guard (built in)");
}

TEST(engine, its_own_addresses_are_refused_as_bound) {
    policy one;
    one.guard = false;
    one.report = true;
    one.connect_ports = {{1, 65535}};
    const engine rules(with(one), {at("127.0.0.1", 4000), at("127.0.0.2", 4001), at("::1", 4002)});
    const auto own = [&](const char* host, std::uint16_t port) {
        return said(rules.admit_address(ask("x.example", port), at(host, port))) == "own address (built in)";
    };
    EXPECT_TRUE(own("127.0.0.1", 4000));
    EXPECT_TRUE(own("::ffff:127.0.0.1", 4000));
    EXPECT_TRUE(own("0.0.0.0", 4000));
    EXPECT_TRUE(own("127.0.0.2", 4001));
    EXPECT_TRUE(own("::1", 4002));
    EXPECT_TRUE(own("::", 4002));
    EXPECT_FALSE(own("127.0.0.1", 4001));
    EXPECT_FALSE(own("127.0.0.2", 4000));
    EXPECT_FALSE(own("127.0.0.1", 4003));
}

TEST(engine, a_listener_on_all_addresses_is_on_every_address_of_the_machine) {
    policy one;
    one.guard = false;
    const engine ipv4(with(one), {at("0.0.0.0", 4000)});
    const auto own = [](const engine& rules, const char* host, std::uint16_t port = 4000) {
        return !rules.admit_address(ask("x.example", port), at(host, port)).allowed();
    };
    for (const char* each : {"127.0.0.1", "127.1.2.3", "0.0.0.0", "::ffff:127.0.0.1"}) EXPECT_TRUE(own(ipv4, each));
    EXPECT_FALSE(own(ipv4, "127.0.0.1", 4001));
    // whether an address is this machine's is learnt by binding to it; Wine binds to any
    if (co_wq::test::on_wine()) return;
    EXPECT_FALSE(own(ipv4, "192.0.2.77"));
    const engine both(with(one), {at("::", 4000)});
    for (const char* each : {"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"}) EXPECT_TRUE(own(both, each)) << each;
    EXPECT_FALSE(own(both, "192.0.2.77"));
}

TEST(engine, report_mode_allows_and_says_what_it_would_have_denied) {
    policy one;
    one.report = true;
    one.otherwise = action::deny;
    one.guard = true;
    one.rules = {about("ours", action::allow, {"*.example"})};
    const engine rules(with(one));
    const decision would = rules.admit(ask("github.com"));
    EXPECT_TRUE(would.allowed() && would.reported);
    EXPECT_EQ(would.rule, "default of policy \"default\" (test.toml:3)");
    EXPECT_FALSE(rules.admit(ask("a.example")).reported);
    EXPECT_TRUE(rules.admit(ask("a.example", 22)).reported);
    const decision address = rules.admit_address(ask("a.example"), at("10.0.0.1", 443));
    EXPECT_TRUE(address.allowed() && address.reported);
    EXPECT_EQ(address.rule, "address guard (built in)");
}

TEST(engine, users_are_required_where_there_are_some_and_may_be_optional) {
    policy one;
    settings chosen = with(one);
    chosen.users.push_back({.table = alice()});
    EXPECT_EQ(said(engine(chosen).admit(ask("a.example"))), "credentials");
    question known = ask("a.example");
    known.user = "alice";
    EXPECT_TRUE(engine(chosen).admit(known).allowed());
    chosen.policies[0].require_user = false;
    EXPECT_TRUE(engine(chosen).admit(ask("a.example")).allowed());
    // a rule for users alone: whoever is not known is asked who it is
    chosen.policies[0].otherwise = action::deny;
    rule staff = about("staff", action::allow, {"*.example"});
    staff.users = {"*"};
    chosen.policies[0].rules = {staff};
    EXPECT_EQ(said(engine(chosen).admit(ask("a.example"))), "credentials");
    EXPECT_TRUE(engine(chosen).admit(known).allowed());
    chosen.policies[0].rules[0].users = {"bob"};
    EXPECT_EQ(said(engine(chosen).admit(known)), "default of policy \"default\" (test.toml:3)");
}

TEST(engine, a_user_brings_a_policy_of_its_own) {
    policy closed;
    closed.otherwise = action::deny;
    settings chosen = with(closed);
    chosen.policies.push_back({.name = "staff"});
    chosen.users.push_back({.table = alice(), .policy = "staff"});
    const engine rules(chosen);
    question known = ask("a.example");
    known.user = "alice";
    EXPECT_TRUE(rules.admit(known).allowed());
    EXPECT_EQ(said(rules.admit(ask("a.example"))), "credentials");
}

TEST(engine, listeners_have_policies_of_their_own) {
    policy closed;
    closed.otherwise = action::deny;
    settings chosen = with(closed);
    chosen.policies.push_back({.name = "open"});
    chosen.listeners.push_back({.name = "inner", .where = at("127.0.0.1", 18101), .policy = "open"});
    const engine rules(chosen);
    question inner = ask("a.example");
    EXPECT_FALSE(rules.admit(inner).allowed());
    inner.listener = 1;
    EXPECT_TRUE(rules.admit(inner).allowed());
    inner.listener = 2;  // there is none: nothing of what loopback may do
    inner.host = "10.0.0.1";
    EXPECT_FALSE(rules.admit(inner).allowed());
}

TEST(engine, who_would_serve_everybody_is_told) {
    const auto everybody = [](const settings& chosen) { return serves_everybody(chosen, chosen.listeners[0]); };
    EXPECT_TRUE(everybody(without_policy("0.0.0.0")));
    EXPECT_TRUE(everybody(without_policy("::")));
    EXPECT_FALSE(everybody(without_policy("127.0.0.1")));
    EXPECT_FALSE(everybody(without_policy("0.0.0.0", true)));
    settings open = without_policy("0.0.0.0");
    open.listeners[0].open = true;
    EXPECT_FALSE(everybody(open));
    settings users = without_policy("0.0.0.0");
    users.users.push_back({.table = alice()});
    EXPECT_FALSE(everybody(users));
    EXPECT_TRUE(everybody(with({}, "0.0.0.0")));
    policy closed;
    closed.otherwise = action::deny;
    EXPECT_FALSE(everybody(with(closed, "0.0.0.0")));
    closed.report = true;  // denies nothing
    EXPECT_TRUE(everybody(with(closed, "0.0.0.0")));
    settings reported = with(closed, "0.0.0.0");
    reported.sandbox = true;
    EXPECT_TRUE(everybody(reported));
    policy where;
    where.rules = {about("a", action::deny, {"a.example"})};
    EXPECT_TRUE(everybody(with(where, "0.0.0.0"))) << "a rule about destinations says nothing about who is served";
    policy who;
    who.rules = {about("others", action::deny, {})};
    who.rules[0].clients = {*parse_cidr("192.0.2.0/24")};
    EXPECT_FALSE(everybody(with(who, "0.0.0.0")));
    settings optional = with({}, "0.0.0.0");
    optional.users.push_back({.table = alice()});
    EXPECT_FALSE(everybody(optional));
    optional.policies[0].require_user = false;
    EXPECT_TRUE(everybody(optional));
}

}  // namespace
}  // namespace co_wq::proxy::policy
