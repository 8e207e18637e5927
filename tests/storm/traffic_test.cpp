// The short form of the storms; co_wq_storm is the long one.
#include "traffic.hpp"

#include <gtest/gtest.h>

#include "arena.hpp"

namespace co_wq::storm {
namespace {

class storm : public testing::TestWithParam<io::reactor_kind> {
protected:
    void run(traffic_options options) {
        options.reactor = GetParam();
        const std::size_t before = open_descriptors();
        const traffic_figures seen = run_traffic(options);
        EXPECT_TRUE(seen.good()) << seen.first_fault;
        EXPECT_EQ(seen.started, seen.finished);
        EXPECT_EQ(open_descriptors(), before);
        EXPECT_GT(seen.cancelled + seen.destroyed, 0);
    }
};

TEST_P(storm, of_cancelled_operations) { run({.cancelled = 10, .destroyed = 0}); }
TEST_P(storm, of_destroyed_frames) { run({.cancelled = 0, .destroyed = 10}); }
TEST_P(storm, of_both_at_once) { run({.loops = 3, .cancelled = 20, .destroyed = 20}); }

INSTANTIATE_TEST_SUITE_P(reactors, storm, testing::Values(io::reactor_kind::epoll, io::reactor_kind::uring),
                         [](const auto& info) { return std::string(io::name_of(info.param)); });

}  // namespace
}  // namespace co_wq::storm
