#include "proxy/limits/buckets.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace co_wq::proxy {
namespace {

using namespace std::chrono_literals;

time_point at(duration since) { return time_point(since); }

TEST(request_bucket, lets_a_burst_in_and_then_one_at_a_time) {
    request_bucket bucket;
    const rate by{.per_second = 10, .burst = 3};
    for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.take(by, at(1h)), 0ns);
    EXPECT_EQ(bucket.take(by, at(1h)), 100ms);
    EXPECT_EQ(bucket.take(by, at(1h)), 100ms) << "who is refused takes nothing";
    EXPECT_EQ(bucket.take(by, at(1h + 99ms)), 1ms);
    EXPECT_EQ(bucket.take(by, at(1h + 100ms)), 0ns);
    EXPECT_EQ(bucket.take(by, at(1h + 100ms)), 100ms);
    EXPECT_FALSE(bucket.rested(at(1h + 399ms)));
    EXPECT_TRUE(bucket.rested(at(1h + 400ms)));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.take(by, at(2h)), 0ns) << "and no more than a burst after a pause";
    EXPECT_NE(bucket.take(by, at(2h)), 0ns);
}

TEST(request_bucket, the_largest_burst_and_the_slowest_rate_do_not_overflow) {
    request_bucket bucket;
    const rate by{.per_second = 1, .burst = rate::most};
    for (std::uint32_t i = 0; i < rate::most; ++i) ASSERT_EQ(bucket.take(by, at(24h * 365 * 100)), 0ns);
    EXPECT_EQ(bucket.take(by, at(24h * 365 * 100)), 1s);
}

TEST(request_bucket, a_higher_rate_does_not_wait_for_what_a_lower_one_gave) {
    request_bucket bucket;
    const rate slow{.per_second = 1, .burst = 600}, fast{.per_second = 1000, .burst = 1};
    for (int i = 0; i < 600; ++i) ASSERT_EQ(bucket.take(slow, at(1h)), 0ns);
    EXPECT_EQ(bucket.take(fast, at(1h)), 1s + 1ms);
    EXPECT_EQ(bucket.take(fast, at(1h + 1s + 1ms)), 0ns);
}

TEST(request_bucket, an_older_time_than_before_does_no_harm) {
    request_bucket bucket;
    const rate by{.per_second = 10, .burst = 1};
    EXPECT_EQ(bucket.take(by, at(10s)), 0ns);
    EXPECT_EQ(bucket.take(by, at(9s)), 1100ms);
    EXPECT_EQ(bucket.take(by, at(10s + 100ms)), 0ns);
}

TEST(request_bucket, is_exact_over_threads) {
    request_bucket bucket;
    const rate by{.per_second = 1000, .burst = 100};
    std::atomic<int> taken{0};
    std::vector<std::thread> all;
    for (int thread = 0; thread < 4; ++thread)
        all.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i)
                if (bucket.take(by, at(1s + i * 10us)) == 0ns) ++taken;
        });
    for (std::thread& one : all) one.join();
    // 100 ms in all, as the last of them see it
    EXPECT_GE(taken, 100);
    EXPECT_LE(taken, 100 + 100);
}

TEST(shaper, what_is_taken_is_paid_for_in_time) {
    shaper one;
    const std::uint64_t per_second = 1'000'000;
    EXPECT_EQ(one.take(50'000, per_second, at(1h)), 0ns) << "a pause has earned 50 ms";
    EXPECT_EQ(one.take(100'000, per_second, at(1h)), 100ms);
    EXPECT_EQ(one.take(100'000, per_second, at(1h)), 200ms) << "whoever comes next waits behind";
    EXPECT_EQ(one.take(100'000, per_second, at(1h + 200ms)), 100ms);
    EXPECT_EQ(one.take(0, per_second, at(1h + 300ms)), 0ns);
    EXPECT_FALSE(one.rested(at(1h + 299ms)));
    EXPECT_TRUE(one.rested(at(1h + 300ms)));
    EXPECT_EQ(one.take(50'000, per_second, at(2h)), 0ns);
    EXPECT_EQ(one.take(1, per_second, at(2h)), 1us) << "and no more than 50 ms";
}

TEST(shaper, small_pieces_at_a_high_rate_are_not_free) {
    shaper one;
    duration owed{};
    for (int i = 0; i < 1'000'000; ++i) owed = one.take(1, bytes_per_second_most, at(1h));
    EXPECT_EQ(owed, 0ns) << "a million bytes are 58 us of it";
    for (int i = 0; i < 1'000; ++i) owed = one.take(1'000'000, bytes_per_second_most, at(1h));
    EXPECT_NEAR(static_cast<double>(owed.count()), 58.2e6 + 1e6 - 50e6, 0.2e6);
}

TEST(shaper, the_largest_piece_at_the_lowest_rate_does_not_overflow) {
    shaper one;
    EXPECT_EQ(one.take(shaper::size_max, bytes_per_second_least, at(24h * 365 * 100)), 1'048'576s - shaper::slack);
}

TEST(shaper, gives_its_rate_over_threads) {
    shaper one;
    std::vector<std::thread> all;
    for (int thread = 0; thread < 4; ++thread)
        all.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i) (void)one.take(100, 1'000'000, at(1h));
        });
    for (std::thread& each : all) each.join();
    EXPECT_EQ(one.take(0, 1'000'000, at(1h)), 4s - shaper::slack);
}

TEST(limits, rates_are_read_or_explained) {
    EXPECT_EQ(parse_rate("20"), (rate{20, 20}));
    EXPECT_EQ(parse_rate("20:100"), (rate{20, 100}));
    EXPECT_EQ(parse_rate("20:1"), (rate{20, 1}));
    EXPECT_EQ(parse_rate("none"), rate{});
    for (const char* wrong : {"", "0", "20:0", "-1", "20:", ":20", "20:1:1", "1.5", "1000001", "1:1000001", "20 ", "x",
                              "99999999999999999999"})
        EXPECT_FALSE(parse_rate(wrong).has_value()) << wrong;
}

TEST(limits, byte_rates_and_memory_are_read_or_explained) {
    EXPECT_EQ(parse_byte_rate("1024"), 1024u);
    EXPECT_EQ(parse_byte_rate("10MiB"), 10u << 20);
    EXPECT_EQ(parse_byte_rate("10 MiB"), 10u << 20);
    EXPECT_EQ(parse_byte_rate("none"), 0u);
    EXPECT_EQ(parse_byte_rate("16 GiB"), std::uint64_t{16} << 30);
    for (const char* wrong : {"", "1023", "17 GiB", "17179869185", "-1", "1MB", "x"})
        EXPECT_FALSE(parse_byte_rate(wrong).has_value()) << wrong;
    EXPECT_EQ(parse_memory("none"), 0u);
    EXPECT_EQ(parse_memory("16MiB"), 16u << 20);
    for (const char* wrong : {"", "0", "15 MiB", "x", "18446744073709551616"})
        EXPECT_FALSE(parse_memory(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace co_wq::proxy
