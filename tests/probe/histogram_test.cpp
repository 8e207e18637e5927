// The histogram against exact sorting.
#include "probe/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/random.hpp"

namespace co_wq::probe {
namespace {

using values = std::vector<std::uint64_t>;

// What at() is defined to be, from all values.
std::uint64_t exact(const values& sorted, double percent) {
    const double wanted = std::ceil(static_cast<double>(sorted.size()) * percent / 100.0 - 1e-9);
    const auto rank = static_cast<std::size_t>(std::max(wanted, 1.0));
    return sorted[std::min(rank, sorted.size()) - 1];
}

void expect_right(values all, const histogram& made) {
    std::ranges::sort(all);
    ASSERT_EQ(made.count(), all.size());
    EXPECT_EQ(made.min(), all.front());
    EXPECT_EQ(made.max(), all.back());
    for (const double percent : {0.0, 0.1, 1.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0}) {
        const std::uint64_t right = exact(all, percent), got = made.at(percent);
        EXPECT_GE(got, right) << percent;
        EXPECT_LE(got - right, right / 1024) << percent << ": " << got << " for " << right;
    }
}

void check(std::size_t count, const std::function<std::uint64_t()>& next) {
    values all;
    histogram made;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(next());
        made.add(all.back());
    }
    expect_right(std::move(all), made);
}

TEST(Histogram, AgreesWithSorting) {
    seeded_random random(1);
    check(1, [&] { return random.below(1'000'000'000); });
    check(2, [&] { return random.below(1'000'000'000); });
    check(10'000, [&] { return random.below(2'048); });
    check(100'000, [&] { return random.below(5'000'000'000); });
    // a long tail, as latencies have it
    check(100'000, [&] { return static_cast<std::uint64_t>(50'000 * std::pow(random.fraction() + 1e-9, -0.7)); });
    // over all orders of size
    check(100'000, [&] { return random.next() >> (21 + random.below(43)); });
}

TEST(Histogram, EveryBucketHoldsItsEndAndNextBeginsBehindIt) {
    const std::size_t last = histogram::bucket_of(histogram::value_max);
    for (std::size_t bucket = 0; bucket <= last; ++bucket) {
        const std::uint64_t end = histogram::bucket_end(bucket);
        ASSERT_EQ(histogram::bucket_of(end), bucket);
        if (bucket < last) ASSERT_EQ(histogram::bucket_of(end + 1), bucket + 1);
    }
    EXPECT_EQ(histogram::bucket_end(last), histogram::value_max);
}

TEST(Histogram, MergedIsAsIfAddedToOne) {
    seeded_random random(2);
    histogram parts[3], together, whole;
    values all;
    for (int i = 0; i < 30'000; ++i) {
        const std::uint64_t value = random.next() >> (30 + random.below(30));
        all.push_back(value);
        parts[i % 3].add(value);
        whole.add(value);
    }
    for (const histogram& part : parts) together.merge(part);
    together.merge(histogram());
    expect_right(all, together);
    EXPECT_DOUBLE_EQ(together.mean(), whole.mean());
    for (double percent = 0; percent <= 100; percent += 0.5) EXPECT_EQ(together.at(percent), whole.at(percent));
}

TEST(Histogram, EmptyAndClearedSayNothing) {
    histogram made;
    EXPECT_EQ(made.at(50), 0u);
    EXPECT_EQ(made.min(), 0u);
    EXPECT_EQ(made.mean(), 0);
    made.add(7);
    made.clear();
    EXPECT_EQ(made.count(), 0u);
    EXPECT_EQ(made.max(), 0u);
    made.add(9);
    EXPECT_EQ(made.min(), 9u);
    EXPECT_EQ(made.at(99), 9u);
}

TEST(Histogram, WhatIsTooLargeIsStillTheMaximum) {
    histogram made;
    made.add(1);
    made.add(~std::uint64_t{0});
    EXPECT_EQ(made.max(), ~std::uint64_t{0});
    EXPECT_EQ(made.at(100), ~std::uint64_t{0});
    EXPECT_EQ(made.at(50), 1u);
}

}  // namespace
}  // namespace co_wq::probe
