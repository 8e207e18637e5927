// Every scenario on the system's reactors and many seeds of the simulation: the logs must be the same, line by line.
#include <cctype>

#include "stage.hpp"
#include "support/system.hpp"

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

// Why a scenario is not played there; null: it is.
const char* not_played(std::string_view name, io::reactor_kind kind) {
    if (kind != io::reactor_kind::iocp) return nullptr;
    if (name == "unconnected") return "Windows tells a stream that never was connected from one that has ended";
    if (!test::on_wine()) return nullptr;
    if (name == "end behind bytes") return "Wine does not report an end while bytes before it are unread";
    for (const char* early :
         {"reset before accept", "listener closed with pending connection", "listener closed, a connection not taken"})
        if (name == early) return "Wine forgets a reset that came before anybody waited";
    return nullptr;
}

// One backend, and how many seeds of it.
struct column {
    io::reactor_kind kind;
    std::uint64_t first_seed, last_seed;
};
std::vector<column> columns() {
    std::vector<column> all;
    for (const io::reactor_kind kind : io::test::kernel_reactors) all.push_back({kind, 0, 0});
    for (const io::test::backend& one : io::test::unruly_kernels) all.push_back({one.kind, one.seed, one.seed});
    all.push_back({io::reactor_kind::sim, 1, seeds});
    return all;
}

using of_each = testing::TestWithParam<std::tuple<std::size_t, column>>;

TEST_P(of_each, is_seen_the_same) {
    const scenario& what = scenarios()[std::get<0>(GetParam())];
    const column& on = std::get<1>(GetParam());
    if (const char* reason = not_played(what.name, on.kind)) GTEST_SKIP() << reason;
    const std::size_t files = test::open_files();
    for (std::uint64_t seed = on.first_seed; seed <= on.last_seed; ++seed)
        ASSERT_EQ(log_of(what, {on.kind, seed}), what.seen) << name_of(on.kind) << " seed " << seed;
    EXPECT_EQ(test::open_files(), files);
}

std::string name_of_case(const testing::TestParamInfo<of_each::ParamType>& info) {
    std::string text = scenarios()[std::get<0>(info.param)].name;
    for (char& one : text)
        if (!std::isalnum(static_cast<unsigned char>(one))) one = '_';
    const column& on = std::get<1>(info.param);
    text += std::string("_") + io::name_of(on.kind);
    return on.first_seed == on.last_seed && on.first_seed != 0 ? text + "_seed_" + std::to_string(on.first_seed) : text;
}
INSTANTIATE_TEST_SUITE_P(conformance, of_each,
                         testing::Combine(testing::Range(std::size_t{0}, scenarios().size()),
                                          testing::ValuesIn(columns())),
                         name_of_case);

}  // namespace
}  // namespace co_wq::conformance
