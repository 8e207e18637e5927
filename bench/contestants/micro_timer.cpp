// timer_arm_cancel, timer_arm_fire: a million timers; timer_sleep_tasks: a million sleeping tasks. CPU time.
#include <memory>

#include "support/measure.hpp"
#include "support/options.hpp"
#include "sync/sleep.hpp"

namespace co_wq::bench {
namespace {

long fired = 0;

struct counting_timer : timer {
    counting_timer() noexcept : timer([](timer&) noexcept { ++fired; }) {}
};

void arm_and_cancel(io::event_loop& loop) {
    deadline_generator deadlines;
    fired = 0;
    const std::int64_t start = cpu_ns();
    const auto timers = std::make_unique<counting_timer[]>(timer_count);
    const time_point now = loop.now();
    for (long i = 0; i < timer_count; ++i) loop.timers()->arm(timers[i], now + duration(deadlines.far_ns()));
    require(timers[0].armed() && timers[timer_count - 1].armed(), "timers are armed");
    for (long i = 0; i < timer_count; ++i) timers[i].cancel();
    const std::int64_t taken = cpu_ns() - start;
    require(fired == 0 && loop.timers()->next() == no_deadline, "all timers are cancelled");
    report("timer_arm_cancel", taken, timer_count);
}

void arm_and_fire(io::event_loop& loop) {
    deadline_generator deadlines;
    fired = 0;
    const std::int64_t start = cpu_ns();
    const auto timers = std::make_unique<counting_timer[]>(timer_count);
    const time_point now = loop.now();
    for (long i = 0; i < timer_count; ++i) loop.timers()->arm(timers[i], now + duration(deadlines.near_ns()));
    loop.run_until([] { return fired == timer_count; });
    const std::int64_t taken = cpu_ns() - start;
    report("timer_arm_fire", taken, timer_count);
}

task<void> sleeper(duration wait) {
    const result<void> slept = co_await sleep_for(wait);
    if (slept) ++fired;
}

task<void> sleep_all(io::event_loop& loop) {
    deadline_generator deadlines;
    counting_scope scope(loop);
    for (long i = 0; i < timer_count; ++i) scope.spawn(sleeper(duration(deadlines.near_ns())), "sleeper");
    co_await scope.join();
}

void sleep_tasks(io::event_loop& loop) {
    fired = 0;
    const std::int64_t start = cpu_ns();
    loop.run(sleep_all(loop));
    const std::int64_t taken = cpu_ns() - start;
    require(fired == timer_count, "every task slept to its end");
    report("timer_sleep_tasks", taken, timer_count);
}

}  // namespace
}  // namespace co_wq::bench

int main(int argc, char** argv) {
    const co_wq::bench::options given(argc, argv);
    co_wq::io::event_loop loop({.reactor = given.reactor});
    co_wq::bench::arm_and_cancel(loop);
    co_wq::bench::arm_and_fire(loop);
    co_wq::bench::sleep_tasks(loop);
}
