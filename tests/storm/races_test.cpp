// The short form of the races; co_wq_races is the long one.
#include <gtest/gtest.h>

#include "arena.hpp"

namespace co_wq::storm {
namespace {

class races : public testing::TestWithParam<std::tuple<race, io::reactor_kind>> {};

TEST_P(races, lose_nothing) {
    const auto [which, kind] = GetParam();
    const std::size_t before = open_descriptors();
    const report seen = which.run(kind, rounds(2000));
    EXPECT_EQ(seen.lost, 0) << seen.first_loss;
    EXPECT_EQ(seen.races, rounds(2000));
    EXPECT_EQ(open_descriptors(), before);
    std::printf("  %ld completed, %ld cancelled, %ld destroyed\n", seen.completed, seen.cancelled, seen.destroyed);
}

std::string name_of_case(const testing::TestParamInfo<races::ParamType>& info) {
    const auto [which, kind] = info.param;
    return std::string(which.name) + "_" + io::name_of(kind);
}

INSTANTIATE_TEST_SUITE_P(awaiters, races,
                         testing::Combine(testing::ValuesIn(every_race()),
                                          testing::Values(io::reactor_kind::epoll, io::reactor_kind::uring)),
                         name_of_case);

}  // namespace
}  // namespace co_wq::storm
