#include "proxy/limits/parties.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace co_wq::proxy {
namespace {

using namespace std::chrono_literals;

constexpr time_point now{1h};

TEST(party_table, counts_up_to_the_limit_and_forgets_who_has_left) {
    party_table table;
    party* const first = table.enter("a", 2, now);
    party* const second = table.enter("a", 2, now);
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(second, first);
    EXPECT_EQ(table.enter("a", 2, now), nullptr);
    party* const other = table.enter("b", 2, now);
    EXPECT_NE(other, nullptr);
    EXPECT_EQ(table.size(), 2u);
    table.leave(*first, now);
    EXPECT_EQ(table.enter("a", 2, now), first);
    EXPECT_EQ(table.enter("a", 1, now), nullptr) << "the limit is that of the call";
    EXPECT_EQ(table.enter("a", 0, now), first) << "0 is no limit";
    for (int i = 0; i < 3; ++i) table.leave(*first, now);
    table.leave(*other, now);
    EXPECT_EQ(table.size(), 0u);
}

TEST(party_table, a_limit_of_nothing_at_all_leaves_nothing_behind_for_long) {
    party_table table;
    party* const here = table.enter("a", 1, now);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(table.enter("a", 1, now), nullptr);
    EXPECT_EQ(table.size(), 1u);
    table.leave(*here, now);
    EXPECT_EQ(table.size(), 0u);
}

TEST(party_table, leaving_and_coming_back_gains_nothing) {
    party_table table;
    const rate by{.per_second = 1, .burst = 2};
    party* one = table.enter("a", 0, now);
    EXPECT_EQ(one->requests.take(by, now), 0ns);
    EXPECT_EQ(one->requests.take(by, now), 0ns);
    table.leave(*one, now);
    EXPECT_EQ(table.size(), 1u) << "it owes two seconds";
    one = table.enter("a", 0, now + 100ms);
    EXPECT_EQ(one->requests.take(by, now + 100ms), 900ms);
    table.leave(*one, now + 2s);
    EXPECT_EQ(table.size(), 0u);
}

TEST(party_table, those_that_owe_nothing_any_more_are_swept_out) {
    party_table table;
    const rate by{.per_second = 1, .burst = 1};
    for (int i = 0; i < 100'000; ++i) {
        const time_point then = now + i * 1ms;
        party* const one = table.enter("client " + std::to_string(i), 0, then);
        EXPECT_EQ(one->requests.take(by, then), 0ns);
        table.leave(*one, then);
    }
    EXPECT_LE(table.size(), 3'100u) << "a thousand owe something at any time";
    EXPECT_GE(table.size(), 900u);
}

TEST(party_table, is_exact_over_threads) {
    party_table table;
    constexpr std::uint32_t most = 3;
    std::atomic<std::uint32_t> here{0}, worst{0};
    std::vector<std::thread> all;
    for (int thread = 0; thread < 4; ++thread)
        all.emplace_back([&] {
            for (int i = 0; i < 20'000; ++i) {
                party* const one = table.enter("a", most, now);
                if (!one) continue;
                std::uint32_t seen = here.fetch_add(1) + 1, before = worst.load();
                while (seen > before && !worst.compare_exchange_weak(before, seen)) {
                }
                here.fetch_sub(1);
                table.leave(*one, now);
            }
        });
    for (std::thread& one : all) one.join();
    EXPECT_LE(worst, most);
    EXPECT_EQ(table.size(), 0u);
}

TEST(party_table, a_key_is_an_ipv4_address_or_half_of_an_ipv6_one) {
    const auto key = [](const char* text) { return key_of(*policy::ip_address::parse(text)); };
    EXPECT_NE(key("192.0.2.1"), key("192.0.2.2"));
    EXPECT_EQ(key("2001:db8::1"), key("2001:db8::ffff:1:2"));
    EXPECT_NE(key("2001:db8::1"), key("2001:db8:0:1::1"));
    EXPECT_EQ(key_of(policy::ip_address::from(*io::socket_address::parse("::ffff:192.0.2.1", 1))), key("192.0.2.1"));
}

}  // namespace
}  // namespace co_wq::proxy
