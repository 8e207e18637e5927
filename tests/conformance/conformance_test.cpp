// Every scenario on epoll, io_uring and many seeds of the simulation: the logs must be the same, line by line.
#include <cctype>
#include <filesystem>

#include "stage.hpp"

namespace co_wq::conformance {
namespace {

#if defined(CO_WQ_SANITIZED)
constexpr std::uint64_t seeds = 16;
#else
constexpr std::uint64_t seeds = 64;
#endif

const std::vector<scenario>& scenarios() {
    static const std::vector<scenario> all = [] {
        std::vector<scenario> made;
        for (auto* part : {&connection_scenarios, &ending_scenarios, &stream_scenarios, &waiting_scenarios})
            for (const scenario& one : part()) made.push_back(one);
        return made;
    }();
    return all;
}

std::size_t open_files() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

task<void> play(stage& on, const scenario& what) {
    co_await what.play(on);
    on.others.request_stop();
    co_await on.others.join();
}

std::string log_of(const scenario& what, const io::test::backend& on) {
    io::test::loop_under_test loop(on);
    if (on.kind == io::reactor_kind::sim) {
        // an accept that is hard to cancel may take a connection meant for the next one: no fact, and not scripted
        auto& network = static_cast<io::reactor_sim&>(loop->reactor()).network();
        io::sim_options options = network.options();
        options.cancel_refused = 0;
        network.set_options(options);
    }
    std::string seen;
    {
        stage here(*loop);
        loop->run(play(here, what));
        seen = here.seen;
    }
    return seen;
}

// epoll, io_uring, the simulation.
using of_each = testing::TestWithParam<std::tuple<std::size_t, io::reactor_kind>>;

TEST_P(of_each, is_seen_the_same) {
    const scenario& what = scenarios()[std::get<0>(GetParam())];
    const io::reactor_kind kind = std::get<1>(GetParam());
    const std::uint64_t runs = kind == io::reactor_kind::sim ? seeds : 1;
    const std::size_t files = open_files();
    for (std::uint64_t seed = 1; seed <= runs; ++seed)
        ASSERT_EQ(log_of(what, {kind, seed}), what.seen) << name_of(kind) << " seed " << seed;
    EXPECT_EQ(open_files(), files);
}

std::string name_of_case(const testing::TestParamInfo<of_each::ParamType>& info) {
    std::string text = scenarios()[std::get<0>(info.param)].name;
    for (char& one : text)
        if (!std::isalnum(static_cast<unsigned char>(one))) one = '_';
    return text + "_" + io::name_of(std::get<1>(info.param));
}
INSTANTIATE_TEST_SUITE_P(conformance, of_each,
                         testing::Combine(testing::Range(std::size_t{0}, scenarios().size()),
                                          testing::Values(io::reactor_kind::epoll, io::reactor_kind::uring,
                                                          io::reactor_kind::sim)),
                         name_of_case);

}  // namespace
}  // namespace co_wq::conformance
