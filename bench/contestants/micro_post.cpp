// post_chain: a callback on the loop's queue that queues the next. yield_1, yield_64: tasks that give way to the loop.
#include "support/measure.hpp"
#include "support/options.hpp"
#include "task/yield.hpp"

namespace co_wq::bench {
namespace {

class alignas(64) chain : public worknode {  // on one cache line wherever it stands
public:
    chain(workqueue& queue, long links) noexcept : worknode(&step), queue_(queue), left_(links) {}
    bool ended() const noexcept { return left_ == 0; }

private:
    static void step(worknode& self) noexcept {
        auto& me = static_cast<chain&>(self);
        if (--me.left_ > 0) me.queue_.post(me);
    }
    workqueue& queue_;
    long left_;
};

task<void> yielder(long n, long& done) {
    for (long i = 0; i < n; ++i) {
        co_await yield();
        ++done;
    }
}

task<void> yield_all(io::event_loop& loop, int tasks, long n, long& done) {
    counting_scope scope(loop);
    for (int i = 0; i < tasks; ++i) scope.spawn(yielder(n, done), "yielder");
    co_await scope.join();
}

void measure_yields(io::event_loop& loop, const char* metric, int tasks, long n, bool warm) {
    long done = 0;
    const std::int64_t start = wall_ns();
    loop.run(yield_all(loop, tasks, n, done));
    if (warm) report(metric, wall_ns() - start, n * tasks);
    require(done == n * tasks, metric);
}

void run_all(io::event_loop& loop, const options& given) {
    for (const bool warm : {false, true}) {
        const long n = warm ? given.count(2e7) : 50'000;
        chain links(loop, n);
        const std::int64_t start = wall_ns();
        loop.post(links);
        loop.run_until([&] { return links.ended(); });
        if (warm) report("post_chain", wall_ns() - start, n);

        measure_yields(loop, "yield_1", 1, warm ? given.count(1e7) : 50'000, warm);
        measure_yields(loop, "yield_64", 64, warm ? given.count(2e5) : 1'000, warm);
    }
}

}  // namespace
}  // namespace co_wq::bench

int main(int argc, char** argv) {
    const co_wq::bench::options given(argc, argv);
    co_wq::io::event_loop loop({.reactor = given.reactor});
    co_wq::bench::run_all(loop, given);
}
