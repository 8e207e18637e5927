// What a loop does besides operations: spinning, exceptions, a kernel that does not let go.
#include "io/event_loop.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "base/log.hpp"
#include "io/runtime.hpp"
#include "sync/event.hpp"
#include "sync/sleep.hpp"

namespace co_wq::io::test {
namespace {

task<void> wait_for(event& one) { (void)co_await one.wait(); }

task<void> throw_after_a_turn() {
    (void)co_await sleep_for(std::chrono::milliseconds(1));
    throw std::runtime_error("on purpose");
}

[[noreturn]] void end_well() {
#if defined(CO_WQ_SANITIZED)
    std::_Exit(0);  // what is leaked on purpose would be reported
#else
    std::exit(0);
#endif
}

task<int> number_of(int value) { co_return value; }

TEST(event_loop, one_that_spins_hears_of_other_threads) {
    event_loop loop({.name = "spinning", .busy_poll_us = 200});
    event told;
    std::thread other([&] { loop.post_message([&] { told.set(); }); });
    loop.run(wait_for(told));
    other.join();
    EXPECT_TRUE(told.is_set());
}

TEST(event_loop, is_the_current_one_inside_and_none_outside) {
    event_loop loop;
    event_loop* seen = nullptr;
    auto look = [](event_loop*& out) -> task<void> {
        out = &event_loop::current();
        co_return;
    };
    loop.run(look(seen));
    EXPECT_EQ(seen, &loop);
    EXPECT_EQ(loop.run(number_of(7)), 7);
    EXPECT_DEATH((void)event_loop::current(), "no loop runs on this thread");
}

TEST(event_loop, an_exception_of_its_main_task_reaches_the_caller) {
    event_loop loop;
    EXPECT_THROW(loop.run(throw_after_a_turn()), std::runtime_error);
    EXPECT_EQ(loop.run(number_of(3)), 3);  // it goes on working
}

TEST(event_loop, an_exception_nobody_handles_ends_the_process_loudly) {
    EXPECT_DEATH(
        {
            event_loop loop;
            loop.spawn(throw_after_a_turn(), "thrower");
            loop.run_until([] { return false; });
        },
        "no exception leaves a task of the loop");
}

// The process says what is still held, and goes on; the memory stays.
TEST(event_loop, what_the_kernel_never_ends_is_left_to_it) {
    EXPECT_EXIT(
        {
            {
                event_loop loop({.name = "stuck", .shutdown_limit = std::chrono::milliseconds(5)});
                loop.slots().arm(loop.slots().fill(op_kind::wait, nullptr));
            }
            log::flush();
            end_well();
        },
        testing::ExitedWithCode(0), "still holds a wait in state armed");
}

TEST(event_loop, a_recorder_keeps_the_last_transitions) {
    event_loop loop;
    event told;
    const std::uint64_t before = loop.slots().recorder().recorded();
    auto tell = [](event& one) -> task<void> {
        (void)co_await sleep_for(std::chrono::milliseconds(1));
        one.set();
    };
    loop.spawn(tell(told), "tell");
    loop.run(wait_for(told));
    const std::vector<flight_record> all = loop.slots().recorder().snapshot();
    ASSERT_EQ(all.size(), loop.slots().recorder().recorded());
    ASSERT_GT(all.size(), before + 2);
    EXPECT_EQ(all[before].state, op_state::armed);
    EXPECT_EQ(all.back().state, op_state::fired);
    EXPECT_EQ(all.back().kind, op_kind::wait);
}

TEST(runtime, the_first_exception_stops_all_loops_and_is_thrown) {
    runtime cores({.threads = 2});
    std::atomic<int> ended = 0;
    EXPECT_THROW(cores.run([&](event_loop&, unsigned index) -> task<void> {
        if (index == 1) return throw_after_a_turn();
        auto stay = [](std::atomic<int>& count) -> task<void> {
            const result<void> slept = co_await sleep_for(std::chrono::hours(1));
            if (!slept) ++count;
        };
        return stay(ended);
    }),
                 std::runtime_error);
    EXPECT_LE(ended, 1);  // the other one may not have begun
}

}  // namespace
}  // namespace co_wq::io::test
