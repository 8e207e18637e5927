#include <gtest/gtest.h>

#include "proxy/server.hpp"

namespace co_wq::proxy {
namespace {

policy::question ask(std::uint32_t listener) {
    return {.listener = listener, .method = "GET", .host = "a.example", .port = 80};
}

options two_listeners() {
    options made;
    made.threads = 1;
    made.rules.listeners = {{.name = "a", .where = io::socket_address::loopback(18100)},
                            {.name = "b", .where = io::socket_address::loopback(18101)}};
    return made;
}

TEST(set_rules, whoever_comes_later_gets_the_new_rules_and_others_keep_theirs) {
    server_group group(two_listeners());
    const auto before = group.rules();
    policy::settings changed = two_listeners().rules;
    std::swap(changed.listeners[0], changed.listeners[1]);  // names count, not places
    changed.policies.push_back({.name = "closed", .otherwise = policy::action::deny});
    changed.listeners[0].policy = "closed";
    EXPECT_EQ(group.set_rules(changed), "");
    EXPECT_TRUE(before->admit(ask(1)).allowed());
    EXPECT_TRUE(group.rules()->admit(ask(0)).allowed());
    EXPECT_FALSE(group.rules()->admit(ask(1)).allowed());
}

TEST(set_rules, what_does_not_fit_the_open_listeners_changes_nothing) {
    server_group group(two_listeners());
    const auto before = group.rules();
    policy::settings without_b = two_listeners().rules;
    without_b.listeners.pop_back();
    EXPECT_NE(group.set_rules(without_b).find("\"b\""), std::string::npos);
    EXPECT_EQ(group.rules(), before);
}

TEST(set_rules, a_listener_that_others_reach_is_not_opened_to_everybody) {
    options chosen = two_listeners();
    chosen.rules.listeners[0].where = *io::socket_address::parse("192.0.2.1", 18100);
    chosen.rules.sandbox = true;
    server_group group(chosen);
    EXPECT_NE(group.set_rules(two_listeners().rules).find("everybody"), std::string::npos);
}

TEST(set_rules, options_made_by_hand_listen_on_their_host_and_port) {
    options chosen;
    chosen.threads = 1;
    server_group group(chosen);
    EXPECT_TRUE(group.rules()->admit(ask(0)).allowed());
    const policy::question own{.method = "GET", .host = "a.example", .port = 18100};
    EXPECT_FALSE(group.rules()->admit_address(own, io::socket_address::loopback(18100)).allowed());
}

}  // namespace
}  // namespace co_wq::proxy
