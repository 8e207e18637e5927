// xthread_roundtrip: a message to another loop and one back, both asleep in between. xthread_hop: a task runs a part
// of itself on the other loop. xthread_post: messages without waiting.
#include <thread>

#include "support/loop_thread.hpp"
#include "support/measure.hpp"
#include "support/options.hpp"
#include "task/run_on.hpp"

namespace co_wq::bench {
namespace {

task<std::thread::id> here() { co_return std::this_thread::get_id(); }

task<void> hop(workqueue& other, long n) {
    const auto home = std::this_thread::get_id();
    for (long i = 0; i < n; ++i) {
        const std::thread::id there = co_await run_on(other, here());
        require(there != home && std::this_thread::get_id() == home, "a hop changes the thread and comes back");
    }
}

struct ping {
    io::event_loop& home;
    io::event_loop& other;
    long left;

    void go() {
        other.post_message([this] {
            home.post_message([this] {
                if (--left > 0) go();
            });
        });
    }
};

void measure_posts(io::event_loop& home, io::event_loop& other, long n, bool warm) {
    long seen = 0;  // the other thread's
    std::atomic<bool> ended = false;
    const std::int64_t start = wall_ns();
    for (long i = 0; i < n; ++i)
        other.post_message([&, n] {
            if (++seen != n) return;
            ended = true;
            home.poke();
        });
    home.run_until([&] { return ended.load(); });
    const std::int64_t taken = wall_ns() - start;
    if (warm) report("xthread_post", taken, n);
    require(seen == n, "xthread_post: every message ran");
}

void run_all(const options& given) {
    pin_to_core(0);
    io::event_loop home({.reactor = given.reactor});
    loop_thread thread(given.reactor, 1);
    io::event_loop& other = thread.loop();
    for (const bool warm : {false, true}) {
        const long n = warm ? given.count(1e4) : 100;
        std::int64_t start = wall_ns();
        home.run(hop(other, n));
        if (warm) report("xthread_hop", wall_ns() - start, n);

        ping turns{home, other, n};
        start = wall_ns();
        turns.go();
        home.run_until([&] { return turns.left == 0; });
        if (warm) report("xthread_roundtrip", wall_ns() - start, n);

        measure_posts(home, other, warm ? given.count(1e6) : 10'000, warm);
    }
}

}  // namespace
}  // namespace co_wq::bench

int main(int argc, char** argv) {
    const co_wq::bench::options given(argc, argv);
    co_wq::bench::run_all(given);
}
