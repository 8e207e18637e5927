// when_all_2, when_all_16: child tasks that return at once, awaited together; when_all_16_yield: each yields once.
#include <vector>

#include "support/measure.hpp"
#include "support/options.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::bench {
namespace {

[[gnu::noinline]] task<long> leaf(long x) { co_return x + 1; }

[[gnu::noinline]] task<long> yielding(long x) {
    co_await yield();
    co_return x + 1;
}

constexpr long children = 16;
constexpr long sum_of_children = children * (children + 1) / 2;

std::vector<task<long>> make_children(task<long> (*make)(long)) {
    std::vector<task<long>> tasks;
    tasks.reserve(children);
    for (long i = 0; i < children; ++i) tasks.push_back(make(i));
    return tasks;
}

task<void> measure_16(const char* metric, task<long> (*make)(long), long n, bool warm) {
    long sum = 0;
    const std::int64_t start = wall_ns();
    for (long i = 0; i < n; ++i) {
        const std::vector<long> results = co_await when_all(make_children(make));
        for (const long one : results) sum += one;
    }
    if (warm) report(metric, wall_ns() - start, n);
    require(sum == n * sum_of_children, metric);
}

task<void> run_all(const options& given) {
    for (const bool warm : {false, true}) {
        const long n = warm ? given.count(2e6) : 5'000;
        long sum = 0;
        const std::int64_t start = wall_ns();
        for (long i = 0; i < n; ++i) {
            const auto [first, second] = co_await when_all(leaf(i), leaf(i));
            sum += first + second;
        }
        if (warm) report("when_all_2", wall_ns() - start, n);
        require(sum == n * (n + 1), "when_all_2");
        co_await measure_16("when_all_16", &leaf, n / 8, warm);
        co_await measure_16("when_all_16_yield", &yielding, n / 16, warm);
    }
}

}  // namespace
}  // namespace co_wq::bench

int main(int argc, char** argv) {
    const co_wq::bench::options given(argc, argv);
    co_wq::io::event_loop loop({.reactor = given.reactor});
    loop.run(co_wq::bench::run_all(given));
}
