// Loops that are made and destroyed on several threads at once: what one of them gives back to the system another gets.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "io/event_loop.hpp"
#include "reactors.hpp"

namespace co_wq::io::test {
namespace {

class short_lived_loops : public testing::TestWithParam<backend> {};

task<void> talk(event_loop& loop) {
    connection pair = co_await make_connection(loop);
    const std::byte sent[3]{};
    std::byte got[3];
    (void)co_await pair.near.send_all(sent);
    result<std::size_t> size = co_await pair.far.recv(got);
    EXPECT_EQ(size.value_or(0), 3u);
}

// Nothing else orders these threads, so a sanitizer that misses how memory passes from one loop to the next one on
// another thread takes it for a race.
TEST_P(short_lived_loops, pass_memory_through_the_system_from_thread_to_thread) {
    std::atomic<int> done = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&done] {
            for (int round = 0; round < 25; ++round) {
                loop_under_test loop(GetParam());
                loop->run(talk(*loop));
            }
            done.fetch_add(1, std::memory_order_relaxed);
        });
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(done.load(), 4);
}

INSTANTIATE_TEST_SUITE_P(io, short_lived_loops, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
