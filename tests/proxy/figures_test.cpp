#include "proxy/seeing/figures.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace co_wq::proxy {
namespace {

using namespace std::chrono_literals;

TEST(figures, a_figure_counts_up_and_down) {
    figure one;
    ++one;
    one.add(41);
    EXPECT_EQ(one.get(), 42u);
    --one;
    EXPECT_EQ(one.get(), 41u);
    one.set(7);
    EXPECT_EQ(one.get(), 7u);
}

TEST(figures, a_span_on_a_bound_belongs_below_it) {
    span_histogram spans;
    spans.add(0ns);
    spans.add(100us);  // the first bound
    spans.add(100us + 1ns);
    spans.add(30s);
    spans.add(30s + 1ns);
    spans.add(24h);
    EXPECT_EQ(spans.in_bucket(0), 2u);
    EXPECT_EQ(spans.in_bucket(1), 1u);
    EXPECT_EQ(spans.in_bucket(span_histogram::bounds_s.size() - 1), 1u);
    EXPECT_EQ(spans.in_bucket(span_histogram::bounds_s.size()), 2u);
    EXPECT_EQ(spans.sum_ns(), static_cast<std::uint64_t>((200us + 1ns + 60s + 1ns + 24h) / 1ns));
    EXPECT_TRUE(std::is_sorted(span_histogram::bounds_s.begin(), span_histogram::bounds_s.end()));
}

TEST(figures, a_clock_that_goes_back_does_not_spoil_the_sum) {
    span_histogram spans;
    spans.add(-5ms);
    EXPECT_EQ(spans.in_bucket(0), 1u);
    EXPECT_EQ(spans.sum_ns(), 0u);
}

TEST(figures, every_reason_has_a_name_of_its_own) {
    std::set<std::string_view> names;
    for (unsigned one = 0; one < static_cast<unsigned>(refusal_reason::count); ++one)
        names.insert(name_of(static_cast<refusal_reason>(one)));
    EXPECT_EQ(names.size(), static_cast<std::size_t>(refusal_reason::count));
    names.clear();
    for (unsigned one = 0; one < static_cast<unsigned>(connect_failure::count); ++one)
        names.insert(name_of(static_cast<connect_failure>(one)));
    EXPECT_EQ(names.size(), static_cast<std::size_t>(connect_failure::count));
    EXPECT_FALSE(names.contains(""));
}

TEST(figures, statuses_and_errors_find_their_reason) {
    EXPECT_EQ(refusal_reason_of(431), refusal_reason::too_large);
    EXPECT_EQ(refusal_reason_of(403), refusal_reason::denied);
    EXPECT_EQ(refusal_reason_of(504), refusal_reason::upstream_timeout);
    EXPECT_EQ(refusal_reason_of(299), refusal_reason::other);
    EXPECT_EQ(connect_failure_of(error(errc::name_not_found)), connect_failure::name);
    EXPECT_EQ(connect_failure_of(error(errc::too_many_files)), connect_failure::resources);
    EXPECT_EQ(connect_failure_of(error(errc::stalled)), connect_failure::other);
}

}  // namespace
}  // namespace co_wq::proxy
