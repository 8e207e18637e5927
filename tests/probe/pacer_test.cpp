// When requests are to start, and that a server that stalls is seen for what it is: in virtual time.
#include "probe/pacer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "io/backend/reactor_sim.hpp"
#include "io/event_loop.hpp"
#include "probe/histogram.hpp"
#include "sync/mutex.hpp"
#include "sync/sleep.hpp"

namespace co_wq::probe {
namespace {

using namespace std::chrono_literals;
constexpr time_point start = time_point(1'000s);

pace open_loop(double rate, duration length, std::uint64_t loops = 1, std::uint64_t index = 0) {
    pace made;
    made.start = start;
    made.end = start + length;
    made.rate = rate;
    made.loops = loops;
    made.index = index;
    return made;
}

TEST(Pacer, OpenLoopHasNoDrift) {
    pacer made(open_loop(3, 1'000'000s));
    for (std::uint64_t i = 0; i < 2'999'999; ++i) ASSERT_TRUE(made.take(start));
    EXPECT_EQ(*made.take(start), start + duration(999'999'666'666'667));
    EXPECT_FALSE(made.take(start));  // the next would be at the end
    EXPECT_FALSE(made.take(start + 1'000'000s));
}

TEST(Pacer, LoopsShareTheRateEvenly) {
    std::vector<time_point> all;
    for (std::uint64_t index = 0; index < 3; ++index) {
        pacer made(open_loop(1'000, 1s, 3, index));
        while (const std::optional<time_point> due = made.take(start)) all.push_back(*due);
    }
    std::ranges::sort(all);
    ASSERT_EQ(all.size(), 1'000u);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], start + i * 1ms);
}

TEST(Pacer, BacklogIsWhatWasDueAndNotTaken) {
    pacer made(open_loop(100, 10s));
    EXPECT_EQ(made.backlog(start - 1s), 0u);
    EXPECT_EQ(made.backlog(start), 1u);
    EXPECT_EQ(made.backlog(start + 1s), 101u);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(made.take(start + 1s));
    EXPECT_EQ(made.backlog(start + 1s), 51u);
    EXPECT_EQ(made.oldest(start + 1s), 500ms);
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(made.take(start + 1s));  // ahead of time
    EXPECT_EQ(made.backlog(start + 1s), 0u);
    EXPECT_EQ(made.oldest(start + 1s), 0ms);
    EXPECT_EQ(made.backlog(start + 3600s), 1'000u - 110u);  // none is due from the end on
    EXPECT_EQ(made.taken(), 110u);
}

TEST(Pacer, BacklogCountsWhatEveryRateIsDue) {
    for (const double rate : {0.3, 7.0, 999.0, 33'333.0, 1e6}) {
        for (const std::uint64_t loops : {1u, 3u}) {
            for (std::uint64_t index = 0; index < loops; ++index) {
                pacer made(open_loop(rate, 1h, loops, index));
                const time_point now = start + 17'123'457us;
                const std::uint64_t due = made.backlog(now);
                std::uint64_t taken = 0;
                while (*made.take(now) <= now) ++taken;
                EXPECT_EQ(due, taken) << rate << " " << loops << " " << index;
            }
        }
    }
}

TEST(Pacer, ClosedLoopIsNowUntilTheEnd) {
    pacer made(open_loop(0, 1s));
    EXPECT_FALSE(made.open());
    EXPECT_EQ(*made.take(start + 5ms), start + 5ms);
    EXPECT_EQ(made.backlog(start + 900ms), 0u);
    EXPECT_FALSE(made.take(start + 1s));
}

// ---- a server that takes 1 ms for each request, one after the other, and once stands still

struct world {
    world()
        : loop(
              {.name = "test"},
              +[](void*, op_slab& slots) -> std::unique_ptr<io::reactor> {
                  return std::make_unique<io::reactor_sim>(slots, io::sim_options());
              },
              nullptr) {}
    io::event_loop loop;
    mutex server;
    time_point stall_from{}, stall_until{};
    histogram latency, service;
    std::uint64_t done = 0;
};

task<void> serve(world& here) {
    const result<mutex::guard> turn = co_await here.server.lock();
    const time_point now = here.loop.now();
    if (now >= here.stall_from && now < here.stall_until) co_await sleep_until(here.stall_until);
    co_await sleep_for(1ms);
}

task<void> worker(world& here, pacer& pace) {
    for (;;) {
        const std::optional<time_point> due = pace.take(here.loop.now());
        if (!due) co_return;
        if (*due > here.loop.now()) co_await sleep_until(*due);
        const time_point began = here.loop.now();
        co_await serve(here);
        here.latency.add(static_cast<std::uint64_t>((here.loop.now() - *due).count()));
        here.service.add(static_cast<std::uint64_t>((here.loop.now() - began).count()));
        ++here.done;
    }
}

task<void> all_workers(world& here, pacer& pace, int many) {
    counting_scope workers(here.loop);
    for (int i = 0; i < many; ++i) workers.spawn(worker(here, pace), "worker");
    co_await workers.join();
}

TEST(Pacer, NoCoordinatedOmission) {
    world here;
    const time_point now = here.loop.now();
    pace plan;
    plan.start = now;
    plan.end = now + 10s;
    plan.rate = 100;
    pacer pace(plan);
    here.stall_from = now + 4s;
    here.stall_until = now + 6s;
    here.loop.run(all_workers(here, pace, 2));
    EXPECT_EQ(here.done, 1'000u);
    EXPECT_EQ(pace.backlog(now + 10s), 0u);
    // 200 of 1,000 were to start in the two seconds and waited for their end: 1 s on average
    EXPECT_GT(here.latency.at(80 + 10), 850'000'000u);
    EXPECT_LT(here.latency.at(80 + 10), 1'300'000'000u);
    EXPECT_GT(here.latency.max(), 1'990'000'000u);
    EXPECT_LT(here.latency.at(70), 10'000'000u);
    // who only looks at the requests that were sent sees two slow ones
    EXPECT_LT(here.service.at(99), 10'000'000u);
}

TEST(Pacer, AServerThatIsTooSlowLeavesABacklog) {
    world here;
    const time_point now = here.loop.now();
    pace plan;
    plan.start = now;
    plan.end = now + 2s;
    plan.rate = 5'000;
    pacer pace(plan);
    here.loop.run(all_workers(here, pace, 4));
    EXPECT_LE(here.done, 2'010u);
    EXPECT_EQ(pace.backlog(now + 2s), 10'000u - here.done);
    EXPECT_GT(pace.oldest(now + 2s), 1s);
    EXPECT_GT(here.latency.max(), 1'000'000'000u);
}

}  // namespace
}  // namespace co_wq::probe
