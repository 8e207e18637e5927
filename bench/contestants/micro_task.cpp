// task_depth1, task_depth10: create, await and destroy one task, or a chain of ten. spawn_join: start a task on the
// loop and wait for its result.
#include "support/measure.hpp"
#include "support/options.hpp"

namespace co_wq::bench {
namespace {

[[gnu::noinline]] task<long> leaf(long x) { co_return x + 1; }

[[gnu::noinline]] task<long> nest(int depth, long x) {
    if (depth == 1) co_return x + 1;
    co_return co_await nest(depth - 1, x) + 1;
}

[[gnu::noinline]] task<void> leaf_into(long x, long& out) {
    out = x + 1;
    co_return;
}

task<void> measure_depth1(long n, bool warm) {
    long sum = 0;
    const std::int64_t start = wall_ns();
    for (long i = 0; i < n; ++i) sum += co_await leaf(i);
    if (warm) report("task_depth1", wall_ns() - start, n);
    require(sum == n * (n + 1) / 2, "task_depth1: the sum");
}

task<void> measure_depth10(long n, bool warm) {
    long sum = 0;
    const std::int64_t start = wall_ns();
    for (long i = 0; i < n; ++i) sum += co_await nest(10, i);
    if (warm) report("task_depth10", wall_ns() - start, n);
    require(sum == n * (n - 1) / 2 + 10 * n, "task_depth10: the sum");
}

task<void> measure_spawn_join(io::event_loop& loop, long n, bool warm) {
    long sum = 0;
    counting_scope scope(loop);
    const std::int64_t start = wall_ns();
    for (long i = 0; i < n; ++i) {
        long out = 0;
        scope.spawn(leaf_into(i, out), "leaf");
        co_await scope.join();
        sum += out;
    }
    if (warm) report("spawn_join", wall_ns() - start, n);
    require(sum == n * (n + 1) / 2, "spawn_join: the sum");
}

task<void> run_all(io::event_loop& loop, const options& given) {
    co_await measure_depth1(50'000, false);
    co_await measure_depth10(5'000, false);
    co_await measure_spawn_join(loop, 5'000, false);
    co_await measure_depth1(given.count(5e6), true);
    co_await measure_depth10(given.count(5e5), true);
    co_await measure_spawn_join(loop, given.count(1e6), true);
}

}  // namespace
}  // namespace co_wq::bench

int main(int argc, char** argv) {
    const co_wq::bench::options given(argc, argv);
    co_wq::io::event_loop loop({.reactor = given.reactor});
    loop.run(co_wq::bench::run_all(loop, given));
}
