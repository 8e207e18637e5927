// When a parent is up, and when it is down.
#include "proxy/upstream/live_parent.hpp"

#include <gtest/gtest.h>

namespace co_wq::proxy::upstream {
namespace {

using namespace std::chrono_literals;

constexpr time_point start{1h};

policy::parent checked(policy::parent_check how = policy::parent_check::tcp) {
    policy::parent made;
    made.name = "a";
    made.host = "a.example";
    made.port = 3128;
    made.check = how;
    made.check_interval = 10s;
    made.rise = 2;
    made.fall = 3;
    return made;
}

TEST(live_parent, so_many_failures_in_a_row_take_it_down_and_so_many_successes_up) {
    live_parent one(checked());
    EXPECT_TRUE(one.is_up(start));
    for (int i = 0; i < 10; ++i) {  // never three in a row
        one.failed("x", start);
        one.failed("x", start);
        one.succeeded();
        EXPECT_TRUE(one.is_up(start));
    }
    for (int i = 0; i < 3; ++i) one.failed("x", start);
    EXPECT_FALSE(one.is_up(start));
    EXPECT_FALSE(one.is_up(start + 1h)) << "its checks take it up, not time";
    one.succeeded();
    EXPECT_FALSE(one.is_up(start));
    one.failed("x", start);
    one.succeeded();
    EXPECT_FALSE(one.is_up(start)) << "not two in a row";
    one.succeeded();
    EXPECT_TRUE(one.is_up(start));
    one.failed("x", start);
    one.failed("x", start);
    EXPECT_TRUE(one.is_up(start)) << "counting begins again";
    EXPECT_EQ(one.count().changes, 2u);
}

TEST(live_parent, one_that_is_not_checked_is_tried_again_after_a_while) {
    live_parent one(checked(policy::parent_check::none));
    for (int i = 0; i < 3; ++i) one.failed("x", start);
    EXPECT_FALSE(one.is_up(start));
    EXPECT_FALSE(one.is_up(start + 9s));
    EXPECT_TRUE(one.is_up(start + 10s));
    one.failed("x", start + 10s);
    EXPECT_FALSE(one.is_up(start + 11s)) << "one failure is enough then";
    EXPECT_TRUE(one.is_up(start + 20s));
    one.succeeded();
    EXPECT_TRUE(one.up()) << "and one success";
}

TEST(live_parent, holds_are_counted_and_keep_it) {
    auto one = std::make_shared<live_parent>(checked());
    {
        hold first(one), second(one);
        hold moved(std::move(first));
        EXPECT_EQ(one->connections(), 2u);
        second = std::move(moved);
        EXPECT_EQ(one->connections(), 1u);
        EXPECT_EQ(second.get(), one.get());
        second = hold();
        EXPECT_EQ(one->connections(), 0u);
    }
    hold last(one);
    one.reset();
    EXPECT_EQ(last.get()->name(), "a");
}

TEST(live_parent, what_it_sends_as_credentials) {
    policy::parent chosen = checked();
    EXPECT_EQ(live_parent(chosen).authorization(), "");
    // RFC 7617 section 2
    chosen.user = "Aladdin";
    chosen.password = "open sesame";
    EXPECT_EQ(live_parent(chosen).authorization(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    for (const auto& [password, encoded] :
         {std::pair{"", "Basic dTo="}, std::pair{"p", "Basic dTpw"}, std::pair{"pp", "Basic dTpwcA=="}}) {
        chosen.user = "u";
        chosen.password = password;
        EXPECT_EQ(live_parent(chosen).authorization(), encoded);
    }
    chosen.kind = policy::parent_kind::socks5;
    EXPECT_EQ(live_parent(chosen).authorization(), "") << "SOCKS has another way";
    EXPECT_EQ(chosen.text(), "socks5://a.example:3128");
}

}  // namespace
}  // namespace co_wq::proxy::upstream
