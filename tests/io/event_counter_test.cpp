// Counters that threads and processes add to, on the real kernels.
#include "io/event_counter.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <thread>
#include <vector>

#include "io/reactors.hpp"
#include "support/refusing_system.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class counters : public testing::TestWithParam<backend> {
protected:
    counters() : loop(GetParam()) {}
    event_counter opened(event_counter::mode how = event_counter::mode::all, std::uint32_t initial = 0) {
        result<event_counter> made = event_counter::open(*loop, how, initial);
        EXPECT_TRUE(made.has_value());
        return std::move(*made);
    }
    loop_under_test loop;
};

task<result<std::uint64_t>> take_one(const event_counter& from) {
    const result<std::uint64_t> got = co_await from.take();
    co_return got;
}
task<result<std::uint64_t>> take_soon(const event_counter& from) {
    auto taking = take_one(from);
    const result<std::uint64_t> got = co_await with_timeout(1ms, std::move(taking));
    co_return got;
}

TEST_P(counters, give_the_sum_once) {
    const event_counter count = opened(event_counter::mode::all, 2);
    EXPECT_TRUE(count.add(3).has_value());
    EXPECT_TRUE(count.add().has_value());
    EXPECT_EQ(loop->run(take_one(count)).value(), 6u);
    EXPECT_EQ(loop->run(take_soon(count)).error(), errc::timed_out);
}

TEST_P(counters, give_one_at_a_time_as_semaphores) {
    const event_counter count = opened(event_counter::mode::semaphore, 2);
    EXPECT_TRUE(count.add(1).has_value());
    for (int i = 0; i < 3; ++i) EXPECT_EQ(loop->run(take_one(count)).value(), 1u);
    EXPECT_EQ(loop->run(take_soon(count)).error(), errc::timed_out);
}

TEST_P(counters, do_not_overflow) {
    const event_counter count = opened();
    EXPECT_EQ(count.add(~std::uint64_t{0}).error(), errc::invalid_argument);
    EXPECT_TRUE(count.add(~std::uint64_t{0} - 1).has_value());
    EXPECT_EQ(count.add(1).error(), errc::limit_exceeded);
    EXPECT_EQ(loop->run(take_one(count)).value(), ~std::uint64_t{0} - 1);
}

TEST_P(counters, count_what_many_threads_add) {
    event_counter count = opened();
    constexpr std::uint64_t threads = 4, each = 5000;
    std::vector<std::jthread> adding;
    for (std::uint64_t i = 0; i < threads; ++i)
        adding.emplace_back([to = *count.adder()] {
            for (std::uint64_t n = 0; n < each; ++n) EXPECT_TRUE(to.add().has_value());
        });
    auto collect = [](const event_counter& from) -> task<std::uint64_t> {
        std::uint64_t sum = 0;
        while (sum < threads * each) {
            const result<std::uint64_t> got = co_await from.take();
            if (!got) co_return 0;
            sum += *got;
        }
        co_return sum;
    };
    EXPECT_EQ(loop->run(collect(count)), threads * each);
}

TEST_P(counters, may_be_added_to_when_they_are_gone) {
    std::optional<event_counter> count(opened());
    const event_adder to = *count->adder();
    count.reset();
    EXPECT_TRUE(to.add().has_value());
    EXPECT_EQ(event_adder().add().error(), errc::closed);
    EXPECT_EQ(event_counter().adder().error(), errc::closed);
}

TEST_P(counters, end_a_take_when_they_are_destroyed) {
    auto run = [](event_loop& here) -> task<void> {
        std::optional<event_counter> count(*event_counter::open(here));
        errc outcome = errc::other;
        auto waits = [](const event_counter& from, errc& into) -> task<void> {
            const result<std::uint64_t> got = co_await from.take();
            if (!got) into = got.error().code();
        };
        counting_scope scope(here);
        scope.spawn(waits(*count, outcome));
        for (int i = 0; i < 5; ++i) co_await yield();
        count.reset();
        co_await scope.join();
        EXPECT_EQ(outcome, errc::closed);
    };
    loop->run(run(*loop));
}

TEST_P(counters, are_shared_between_processes) {
    const event_counter count = opened();
    const pid_t child = ::fork();
    if (child == 0) ::_exit(count.add(7).has_value() ? 0 : 1);
    EXPECT_EQ(loop->run(take_one(count)).value(), 7u);
    ::waitpid(child, nullptr, 0);
    const result<event_counter> again = event_counter::adopt(*loop, *duplicate(count.handle()));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(count.add(8).has_value());
    EXPECT_EQ(loop->run(take_one(*again)).value(), 8u);
}

TEST_P(counters, refuse_what_is_none) {
    EXPECT_EQ(event_counter::adopt(*loop, file_handle(::open("/dev/null", O_RDWR | O_CLOEXEC))).error(),
              errc::not_supported);
    EXPECT_EQ(event_counter::adopt(*loop, file_handle()).error(), errc::closed);
    event_loop& here = *loop;
    EXPECT_TRUE(event_counter::open(here).has_value());  // a sanitizer needs descriptors for what it has not seen
    const co_wq::test::few_files few(0);
    EXPECT_EQ(event_counter::open(here).error(), errc::too_many_files);
}

INSTANTIATE_TEST_SUITE_P(kernels, counters,
                         testing::Values(backend{reactor_kind::epoll, 0}, backend{reactor_kind::uring, 0}),
                         name_of_case);

TEST(simulated, there_are_no_counters) {
    loop_under_test loop(backend{reactor_kind::sim, 1});
    EXPECT_EQ(event_counter::open(*loop).error(), errc::not_supported);
}

}  // namespace
}  // namespace co_wq::io::test
