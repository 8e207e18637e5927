// mutex_*, sem_*: lock and unlock, acquire and release; one task alone, or two tasks on two threads.
#include <vector>

#include "support/loop_thread.hpp"
#include "support/measure.hpp"
#include "support/options.hpp"
#include "sync/mutex.hpp"
#include "sync/semaphore.hpp"

namespace co_wq::bench {
namespace {

struct shared_state {
    mutex lock;
    semaphore permit{1};
    long counter = 0;  // guarded by one of them
    std::atomic<int> running = 0;
};

task<void> by_mutex(shared_state& state, long n) {
    for (long i = 0; i < n; ++i) {
        const result<mutex::guard> held = co_await state.lock.lock();
        require(held.has_value(), "nobody cancels the lock");
        state.counter = state.counter + 1;
    }
}

task<void> by_semaphore(shared_state& state, long n) {
    for (long i = 0; i < n; ++i) {
        const result<void> held = co_await state.permit.acquire();
        require(held.has_value(), "nobody cancels the acquire");
        state.counter = state.counter + 1;
        state.permit.release();
    }
}

using worker = task<void> (*)(shared_state&, long);

// The last of the workers wakes the measuring loop.
task<void> count_out(task<void> work, shared_state& state, io::event_loop& home) {
    co_await std::move(work);
    if (state.running.fetch_sub(1) == 1) home.poke();
}

void measure(const char* metric, std::vector<io::event_loop*> loops, worker work, long n, bool warm) {
    shared_state state;
    io::event_loop& home = *loops.front();
    state.running = static_cast<int>(loops.size());
    const std::int64_t start = wall_ns();
    for (io::event_loop* loop : loops)
        loop->post_message([&, loop] { loop->spawn(count_out(work(state, n), state, home), "worker"); });
    home.run_until([&] { return state.running.load() == 0; });
    const std::int64_t taken = wall_ns() - start;
    const long operations = n * static_cast<long>(loops.size());
    require(state.counter == operations, metric);
    if (warm) report(metric, taken, operations);
}

void run_all(const options& given) {
    if (given.threads == 2) pin_to_core(0);
    io::event_loop home({.reactor = given.reactor});
    if (given.threads == 1) {
        for (const bool warm : {false, true}) {
            measure("mutex_uncontended", {&home}, &by_mutex, warm ? given.count(1e7) : 50'000, warm);
            measure("sem_uncontended", {&home}, &by_semaphore, warm ? given.count(1e7) : 50'000, warm);
        }
        return;
    }
    loop_thread other(given.reactor, 1);
    for (const bool warm : {false, true}) {
        measure("mutex_contended_2t", {&home, &other.loop()}, &by_mutex, warm ? given.count(1e6) : 5'000, warm);
        measure("sem_contended_2t", {&home, &other.loop()}, &by_semaphore, warm ? given.count(1e6) : 5'000, warm);
    }
}

}  // namespace
}  // namespace co_wq::bench

int main(int argc, char** argv) {
    const co_wq::bench::options given(argc, argv);
    if (given.threads > 2) co_wq::bench::usage_error(argv[0], "one or two threads, not", "more");
    co_wq::bench::run_all(given);
}
