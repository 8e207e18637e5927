// In steady state an operation allocates nothing.
#include <vector>

#include "io/reactors.hpp"
#include "net/pump.hpp"
#include "support/counted_heap.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::net {
namespace {

using namespace std::chrono_literals;

class steady_state : public io::test::on_every_reactor {};

task<void> bounce(tcp_stream& stream, int rounds, bool begins, bool leased) {
    std::vector<std::byte> block(64);
    for (int i = 0; i < rounds; ++i) {
        if (begins || i > 0) {
            const result<void> sent = co_await stream.send_all(block);
            EXPECT_TRUE(sent.has_value());
        }
        std::size_t total = 0;
        while (total < block.size()) {
            if (leased) {
                result<io::lease> got = co_await stream.recv_lease(4096);
                if (!got || got->empty()) co_return;
                total += got->size();
            } else {
                const result<std::size_t> got = co_await stream.recv(bytes(block).subspan(total));
                if (!got || *got == 0) co_return;
                total += *got;
            }
        }
    }
    if (!begins) (void)co_await stream.send_all(block);
}

task<result<void>> short_sleep() { co_return co_await sleep_for(1us); }

TEST_P(steady_state, echoes_tasks_timers_and_fan_outs_do_not_touch_the_heap) {
    if (GetParam().kind == io::reactor_kind::sim) return;  // the simulated network itself allocates
    loop->run([](io::event_loop& here) -> task<void> {
        for (bool leased : {false, true}) {
            io::test::connection pair = co_await io::test::make_connection(here);
            tcp_stream near(std::move(pair.near)), far(std::move(pair.far));
            co_await when_all(bounce(near, 200, true, leased), bounce(far, 200, false, leased));
            const std::size_t before = heap_allocations();
            // two blocks of the test itself
            co_await when_all(bounce(near, 500, true, leased), bounce(far, 500, false, leased));
            EXPECT_LE(heap_allocations() - before, 2u);
        }
        co_await with_timeout(1s, short_sleep());
        const std::size_t before = heap_allocations();
        for (int i = 0; i < 100; ++i) {
            co_await with_timeout(1s, short_sleep());
            co_await when_all(short_sleep(), short_sleep());
            co_await yield();
        }
        EXPECT_EQ(heap_allocations(), before);
    }(*loop));
}

INSTANTIATE_TEST_SUITE_P(reactors, steady_state, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net
