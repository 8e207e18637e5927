// Which way the rules send a request, and what has none.
#include <gtest/gtest.h>

#include "proxy/config/config_file.hpp"
#include "proxy/policy/engine.hpp"

namespace co_wq::proxy::policy {
namespace {

constexpr const char* parents = R"(
[[parents]]
name = "a"
url = "http://a.example:1"
[[parents]]
name = "b"
url = "socks5://b.example"
[[parent_groups]]
name = "both"
parents = ["a", "b"]
)";

// Parts of a file; keys: more of their lines.
std::string policy_text(std::string keys) { return "[[policies]]\nname = 'default'\n" + keys + "\n"; }
std::string rule_text(std::string action, std::string to, std::string keys = {}) {
    return "[[policies.rules]]\naction = '" + action + "'\nto = [" + to + "]\n" + keys + "\n";
}

settings read(std::string text, bool with_parents = true) {
    options made;
    config::problems wrong;
    if (with_parents) text += parents;
    config::load_text(text, "test.toml", "", made, wrong);
    for (const config::problem& each : wrong) ADD_FAILURE() << each.text();
    if (made.rules.listeners.empty())
        made.rules.listeners.push_back({.name = "main", .where = io::socket_address::loopback(18100)});
    return made.rules;
}

question ask(std::string_view host, std::string_view method = "CONNECT", std::uint16_t port = 443) {
    return {.client = ip_address::ipv4(127, 0, 0, 1), .method = method, .host = host, .port = port};
}

// "via" and where from; "-": plainly.
std::string way_of(const decision& one) {
    if (!one.allowed()) return "denied";
    if (!one.way) return "-";
    std::string text = one.way->via.empty() ? "direct" : one.way->via;
    for (const io::socket_address* each : {&one.way->egress_ipv4, &one.way->egress_ipv6})
        if (each->family() != io::address_family::none) text += " " + each->host();
    return text;
}

TEST(ways, without_any_everything_goes_plainly) {
    const engine rules(read("", false));
    EXPECT_EQ(way_of(rules.admit(ask("x.example"))), "-");
    EXPECT_EQ(way_of(rules.admit(ask("192.0.2.1", "UDP"))), "-");
}

TEST(ways, the_files_own_holds_without_a_policy) {
    const engine rules(read("via = 'both'\n"));
    EXPECT_EQ(way_of(rules.admit(ask("x.example"))), "both");
    EXPECT_EQ(way_of(rules.admit(ask("x.example", "GET", 80))), "both");
    EXPECT_EQ(way_of(rules.admit(ask("192.0.2.1", "SOCKS"))), "both");
}

TEST(ways, a_rule_comes_before_its_policy_and_that_before_the_file) {
    const engine rules(read("via = 'a'\negress = ['192.0.2.1', '2001:db8::1']\n" + policy_text("via = 'b'") +
                            rule_text("allow", "'direct.example'", "via = 'direct'") +
                            rule_text("allow", "'both.example'", "via = 'both'\negress = '192.0.2.2'") +
                            rule_text("allow", "'as-the-policy.example'") + rule_text("deny", "'denied.example'")));
    EXPECT_EQ(way_of(rules.admit(ask("x.example"))), "b 192.0.2.1 2001:db8::1");
    EXPECT_EQ(way_of(rules.admit(ask("direct.example"))), "direct 192.0.2.1 2001:db8::1");
    EXPECT_EQ(way_of(rules.admit(ask("both.example"))), "both 192.0.2.2") << "addresses are one thing";
    EXPECT_EQ(way_of(rules.admit(ask("as-the-policy.example"))), "b 192.0.2.1 2001:db8::1");
    EXPECT_EQ(way_of(rules.admit(ask("denied.example"))), "denied");
}

TEST(ways, direct_without_egress_is_plain) {
    const engine rules(read("via = 'a'\n" + policy_text("via = 'direct'")));
    EXPECT_EQ(way_of(rules.admit(ask("x.example"))), "-");
}

TEST(ways, what_is_only_reported_has_the_policys_way) {
    const engine rules(read(policy_text("default = 'deny'\nreport = true\nvia = 'a'")));
    const decision made = rules.admit(ask("x.example"));
    EXPECT_TRUE(made.reported);
    EXPECT_EQ(way_of(made), "a");
    EXPECT_FALSE(rules.admit(ask("x.example", "UDP")).allowed()) << "it would leave by another way";
}

TEST(ways, datagrams_have_the_direct_one_only) {
    const engine through(read("via = 'a'\n"));
    const question what = ask("192.0.2.1", "UDP");
    const decision made = through.admit(what);
    EXPECT_FALSE(made.allowed());
    EXPECT_NE(made.reason.find("datagrams"), std::string::npos) << made.reason;
    EXPECT_FALSE(through.admit_address(what, io::socket_address::ipv4({192, 0, 2, 1}, 443)).allowed());
    EXPECT_FALSE(through.admit_client(what).allowed());
    EXPECT_TRUE(through.admit_client(ask("", "SOCKS")).allowed());
    EXPECT_FALSE(engine(read("egress = '127.0.0.2'\n")).admit(what).allowed());
    const engine some(read(policy_text("via = 'a'") + rule_text("allow", "'192.0.2.0/24'", "via = 'direct'")));
    EXPECT_TRUE(some.admit_client(what).allowed());
    EXPECT_TRUE(some.admit(what).allowed());
    EXPECT_FALSE(some.admit(ask("198.51.100.1", "UDP")).allowed());
}

TEST(ways, where_only_an_address_may_allow_that_is_said) {
    const engine rules(
        read(policy_text("default = 'deny'\nvia = 'a'") + rule_text("allow", "'192.0.2.0/24', 'named.example'")));
    EXPECT_TRUE(rules.admit(ask("x.example")).needs_address);
    EXPECT_FALSE(rules.admit(ask("named.example")).needs_address);
    EXPECT_FALSE(rules.admit(ask("192.0.2.1")).needs_address);
    const engine guarded(read(policy_text("guard = true\nvia = 'a'")));
    EXPECT_TRUE(guarded.admit(ask("x.example")).by_address);
    EXPECT_FALSE(guarded.admit(ask("x.example")).needs_address);
}

}  // namespace
}  // namespace co_wq::proxy::policy
