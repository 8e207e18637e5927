#include "proxy/policy/credentials.hpp"

#include <gtest/gtest.h>

#include "proxy/policy/user_table.hpp"
#include "sync/sleep.hpp"
#include "task/sync_wait.hpp"

namespace co_wq::proxy::policy {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view lines =
    "alice:$2y$04$1uzmdfytfitHV62bzxuI3OR.aL0TrxN7cfFUqVmZb4juSszPjYxOq\n"
    "carol:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA\n";

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
    EXPECT_TRUE(*sync_wait(checker.check(rules, "alice", "secret", now)));
    EXPECT_EQ(checker.remembered(), 1u);
    EXPECT_TRUE(*sync_wait(checker.check(rules, "alice", "secret", now + 299s)));
    EXPECT_FALSE(*sync_wait(checker.check(rules, "alice", "Secret", now)));
    EXPECT_FALSE(*sync_wait(checker.check(rules, "carol", "", now)));
    EXPECT_FALSE(*sync_wait(checker.check(rules, "mallory", "secret", now)));
    EXPECT_EQ(checker.remembered(), 1u) << "wrong ones are not";
    EXPECT_TRUE(*sync_wait(checker.check(rules, "alice", "secret", now + 301s)));
    EXPECT_EQ(checker.remembered(), 1u);
}

TEST(credential_checker, a_changed_file_forgets) {
    credential_checker checker;
    EXPECT_TRUE(*sync_wait(checker.check(rules_with(lines), "alice", "secret", {})));
    const auto changed = rules_with("alice:$2y$05$85Tk6J5aQ7hCc9PDZ/P4neA/UIoXJiLPCsS4YD/jSCk851PnCVEiq\n");
    EXPECT_FALSE(*sync_wait(checker.check(changed, "alice", "secret", {})));
    EXPECT_TRUE(*sync_wait(checker.check(changed, "alice", "p\xc3\xa4ss:w\xc3\xb6rd", {})));
    EXPECT_FALSE(*sync_wait(checker.check(rules_with(""), "alice", "secret", {})));
}

TEST(credential_checker, as_many_are_remembered_as_allowed_and_the_oldest_goes_first) {
    credential_checker checker({.remembered_max = 1});
    const auto rules = rules_with(lines);
    EXPECT_TRUE(*sync_wait(checker.check(rules, "alice", "secret", {})));
    EXPECT_TRUE(*sync_wait(checker.check(rules, "carol", "secret", {})));
    EXPECT_EQ(checker.remembered(), 1u);
    EXPECT_TRUE(*sync_wait(checker.check(rules, "alice", "secret", {})));
}

TEST(credential_checker, more_than_allowed_do_not_wait) {
    credential_checker checker({.waiting_max = 0});
    const auto rules = rules_with(lines);
    const result<bool> asked = sync_wait(checker.check(rules, "alice", "secret", {}));
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error(), errc::limit_exceeded);
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
                (void)co_await by.check(std::move(all), "carol", "wrong", {});
            };
            scope.spawn(ask(checker, rules), "check");
        }
        queue.run_ready();
        scope.destroy_all();
        queue.run_ready();
    }
    EXPECT_TRUE(*sync_wait(checker.check(rules, "alice", "secret", {})));
}

}  // namespace
}  // namespace co_wq::proxy::policy
