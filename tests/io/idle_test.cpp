// A loop without work sleeps, and other threads can reach it.
#include <thread>

#include "reactors.hpp"
#include "sync/sleep.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class idle : public testing::TestWithParam<backend> {};

TEST_P(idle, a_loop_that_waits_for_one_timer_wakes_up_for_nothing_else) {
    loop_under_test loop(GetParam());
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        co_await sleep_for(1ms);
        const std::uint64_t before = here.turns();
        co_await sleep_for(400ms);
        // the wheel sorts far timers a few times on the way; nothing else may turn the loop, least of all a tick
        EXPECT_LE(here.turns() - before, 10u);
    }(*loop));
}

TEST_P(idle, another_thread_wakes_a_sleeping_loop) {
    loop_under_test loop(GetParam());
    int received = 0;
    std::thread sender([&] {
        for (int i = 0; i < 1000; ++i) loop->post_message([&received] { ++received; });
    });
    loop->run_until([&] { return received == 1000; });
    sender.join();
    EXPECT_EQ(received, 1000);
}

INSTANTIATE_TEST_SUITE_P(reactors, idle, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
