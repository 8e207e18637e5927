#include "proxy/policy/credentials.hpp"

#include <gtest/gtest.h>

#include <array>

#include "proxy/policy/user_table.hpp"
#include "sync/sleep.hpp"
#include "task/sync_wait.hpp"

namespace co_wq::proxy::policy {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view lines =
    "alice:$2y$04$1uzmdfytfitHV62bzxuI3OR.aL0TrxN7cfFUqVmZb4juSszPjYxOq\n"
    "carol:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA\n";

constexpr ip_address here = ip_address::ipv4(127, 0, 0, 1);

std::shared_ptr<const engine> rules_with(std::string_view text) {
    std::vector<user_problem> wrong;
    settings chosen;
    chosen.users.push_back({.table = user_table::parse(text, wrong)});
    EXPECT_TRUE(wrong.empty());
    return std::make_shared<engine>(chosen);
}

TEST(basic, user_and_password_are_read) {
    const auto who = parse_basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617 section 2
    ASSERT_TRUE(who);
    EXPECT_EQ(who->user, "Aladdin");
    EXPECT_EQ(who->password, "open sesame");
    EXPECT_EQ(parse_basic("bASIC   YTo=")->user, "a");
    EXPECT_EQ(parse_basic("Basic YTo=")->password, "");
    EXPECT_EQ(parse_basic("Basic YTpiOmM=")->password, "b:c");
    EXPECT_EQ(parse_basic("Basic dGVzdDoxMjPCow==")->password, "123\xc2\xa3");
}

TEST(basic, what_is_broken_is_nobody) {
    for (const char* bad : {"",
                            "Basic",
                            "Basic ",
                            "Basic  ",
                            "Bearer abc",
                            "BasicQWxhZGRpbjpvcGVu",
                            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
                            "Basic YTo",
                            "Basic YTo=x",
                            "Basic =YTo",
                            "Basic Y===",
                            "Basic ====",
                            "Basic YTp=",
                            "Basic YQ==",
                            "Basic OmI=",
                            "Basic YTo= ",
                            "Basic YT o=",
                            "Basic YTpi-_==",
                            "Basic AGE6Yg==",
                            "Basic YQA6Yg==",
                            "Basic YToA"})
        EXPECT_FALSE(parse_basic(bad)) << bad;
    EXPECT_FALSE(parse_basic("Basic " + std::string(1 << 20, 'A')));
    EXPECT_FALSE(parse_basic(std::string("Basic YTo=\0", 11)));
}

TEST(credential_checker, what_was_right_is_remembered_until_it_runs_out) {
    credential_checker checker;
    const auto rules = rules_with(lines);
    const time_point now{};
    EXPECT_TRUE(*sync_wait(checker.check(rules, here, "alice", "secret", now)));
    EXPECT_EQ(checker.remembered(), 1u);
    EXPECT_TRUE(*sync_wait(checker.check(rules, here, "alice", "secret", now + 299s)));
    EXPECT_FALSE(*sync_wait(checker.check(rules, here, "alice", "Secret", now)));
    EXPECT_FALSE(*sync_wait(checker.check(rules, here, "carol", "", now)));
    EXPECT_FALSE(*sync_wait(checker.check(rules, here, "mallory", "secret", now)));
    EXPECT_EQ(checker.remembered(), 1u) << "wrong ones are not";
    EXPECT_TRUE(*sync_wait(checker.check(rules, here, "alice", "secret", now + 301s)));
    EXPECT_EQ(checker.remembered(), 1u);
}

TEST(credential_checker, a_changed_file_forgets) {
    credential_checker checker;
    EXPECT_TRUE(*sync_wait(checker.check(rules_with(lines), here, "alice", "secret", {})));
    const auto changed = rules_with("alice:$2y$05$85Tk6J5aQ7hCc9PDZ/P4neA/UIoXJiLPCsS4YD/jSCk851PnCVEiq\n");
    EXPECT_FALSE(*sync_wait(checker.check(changed, here, "alice", "secret", {})));
    EXPECT_TRUE(*sync_wait(checker.check(changed, here, "alice", "p\xc3\xa4ss:w\xc3\xb6rd", {})));
    EXPECT_FALSE(*sync_wait(checker.check(rules_with(""), here, "alice", "secret", {})));
}

TEST(credential_checker, as_many_are_remembered_as_allowed_and_the_oldest_goes_first) {
    credential_checker checker({.remembered_max = 1});
    const auto rules = rules_with(lines);
    EXPECT_TRUE(*sync_wait(checker.check(rules, here, "alice", "secret", {})));
    EXPECT_TRUE(*sync_wait(checker.check(rules, here, "carol", "secret", {})));
    EXPECT_EQ(checker.remembered(), 1u);
    EXPECT_TRUE(*sync_wait(checker.check(rules, here, "alice", "secret", {})));
}

TEST(credential_checker, more_than_allowed_do_not_wait) {
    credential_checker checker({.waiting_max = 0});
    const auto rules = rules_with(lines);
    const result<bool> asked = sync_wait(checker.check(rules, here, "alice", "secret", {}));
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error(), errc::limit_exceeded);
}

// Asks without waiting; the answer is there when the queue has run.
task<void> ask(credential_checker& by, std::shared_ptr<const engine> rules, ip_address client,
               std::optional<result<bool>>& said) {
    said = co_await by.check(std::move(rules), client, "alice", "wrong", {});
}

TEST(credential_checker, one_client_takes_its_share_and_leaves_the_rest_to_others) {
    credential_checker checker({.threads = 1, .waiting_max = 4, .waiting_per_client_max = 2});
    const auto rules = rules_with(lines);
    const auto prefix_of = [](std::uint8_t network, std::uint8_t host) {
        return ip_address::from_octets({0x20, 1, 0xd, 0xb8, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, host});
    };
    const ip_address v4 = ip_address::ipv4(192, 0, 2, 1);
    bare_workqueue queue;
    queue.adopt();
    counting_scope scope(queue);
    std::array<std::optional<result<bool>>, 7> said;
    const std::array clients{v4, v4, v4, prefix_of(1, 1), prefix_of(1, 2), prefix_of(1, 3), prefix_of(2, 1)};
    for (std::size_t at = 0; at < clients.size(); ++at) scope.spawn(ask(checker, rules, clients[at], said[at]), "ask");
    queue.run_ready();
    const auto too_many = [&](std::size_t at) {
        return said[at] && !*said[at] && said[at]->error() == errc::limit_exceeded;
    };
    EXPECT_TRUE(too_many(2)) << "the third of one address";
    EXPECT_TRUE(too_many(5)) << "the third of one network";
    EXPECT_TRUE(too_many(6)) << "the fifth of all";
    for (const std::size_t at : {0u, 1u, 3u, 4u}) EXPECT_FALSE(too_many(at)) << at;
    scope.destroy_all();
    queue.run_ready();
    EXPECT_FALSE(*sync_wait(checker.check(rules, v4, "alice", "wrong", {}))) << "their places are free again";
    EXPECT_TRUE(*sync_wait(checker.check(rules, prefix_of(1, 1), "alice", "secret", {})));
}

TEST(credential_checker, who_is_gone_while_a_password_is_checked_harms_nobody) {
    credential_checker checker({.threads = 1});
    const auto rules = rules_with(lines);
    bare_workqueue queue;
    for (int count = 0; count < 20; ++count) {
        queue.adopt();
        counting_scope scope(queue);
        for (int each = 0; each < 5; ++each) {
            static constexpr auto ask = [](credential_checker& by, std::shared_ptr<const engine> all) -> task<void> {
                (void)co_await by.check(std::move(all), here, "carol", "wrong", {});
            };
            scope.spawn(ask(checker, rules), "check");
        }
        queue.run_ready();
        scope.destroy_all();
        queue.run_ready();
    }
    EXPECT_TRUE(*sync_wait(checker.check(rules, here, "alice", "secret", {})));
}

}  // namespace
}  // namespace co_wq::proxy::policy
