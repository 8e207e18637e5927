// chan_rendezvous, chan_cap64: items from a producer task to a consumer task; on one thread or on two.
#include "support/loop_thread.hpp"
#include "support/measure.hpp"
#include "support/options.hpp"
#include "sync/channel.hpp"

namespace co_wq::bench {
namespace {

task<void> produce(channel<long>& items, long n) {
    for (long i = 0; i < n; ++i) {
        const result<void> sent = co_await items.send(i);
        require(sent.has_value(), "nobody closes the channel");
    }
}

task<void> consume(channel<long>& items, long n, long& sum) {
    for (long i = 0; i < n; ++i) {
        const result<long> got = co_await items.recv();
        require(got.has_value() && *got == i, "items come in order");
        sum += *got;
    }
}

task<void> both(io::event_loop& loop, channel<long>& items, long n, long& sum) {
    counting_scope scope(loop);
    scope.spawn(consume(items, n, sum), "consumer");
    scope.spawn(produce(items, n), "producer");
    co_await scope.join();
}

void measure_one_thread(io::event_loop& loop, const char* metric, std::size_t capacity, long n, bool warm) {
    channel<long> items(capacity);
    long sum = 0;
    const std::int64_t start = wall_ns();
    loop.run(both(loop, items, n, sum));
    if (warm) report(metric, wall_ns() - start, n);
    require(sum == n * (n - 1) / 2, metric);
}

void measure_two_threads(io::event_loop& home, io::event_loop& other, long n, bool warm) {
    channel<long> items(64);
    long sum = 0;
    std::atomic<bool> produced = false;
    auto produce_all = [](channel<long>& out, long count, std::atomic<bool>& ended,
                          io::event_loop& waiting) -> task<void> {
        co_await produce(out, count);
        ended = true;
        waiting.poke();
    };
    const std::int64_t start = wall_ns();
    other.post_message([&] { other.spawn(produce_all(items, n, produced, home), "producer"); });
    home.run(consume(items, n, sum));
    const std::int64_t taken = wall_ns() - start;
    home.run_until([&] { return produced.load(); });
    require(sum == n * (n - 1) / 2, "chan_cap64_2t");
    if (warm) report("chan_cap64_2t", taken, n);
}

void run_all(const options& given) {
    if (given.threads == 2) pin_to_core(0);
    io::event_loop home({.reactor = given.reactor});
    if (given.threads == 1) {
        for (const bool warm : {false, true}) {
            measure_one_thread(home, "chan_rendezvous", 0, warm ? given.count(1e6) : 5'000, warm);
            measure_one_thread(home, "chan_cap64", 64, warm ? given.count(2e6) : 5'000, warm);
        }
        return;
    }
    loop_thread other(given.reactor, 1);
    for (const bool warm : {false, true})
        measure_two_threads(home, other.loop(), warm ? given.count(1e6) : 5'000, warm);
}

}  // namespace
}  // namespace co_wq::bench

int main(int argc, char** argv) {
    const co_wq::bench::options given(argc, argv);
    if (given.threads > 2) co_wq::bench::usage_error(argv[0], "one or two threads, not", "more");
    co_wq::bench::run_all(given);
}
