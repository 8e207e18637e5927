// cancel_recv: a receive that has nothing to read is armed, then cancelled because the other branch of a when_any
// ended, and ends as stopped. cancel_recv_task: the same by a spawned task that is asked to stop and joined.
#include <array>

#include "support/loopback_pair.hpp"
#include "support/options.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::bench {
namespace {

task<void> receive(const io::socket& from, long& cancelled) {
    std::array<std::byte, 64> buffer;
    const result<std::size_t> got = co_await from.recv(buffer);
    if (!got && got.error() == errc::stopped) ++cancelled;
}

task<void> nothing() { co_return; }

task<void> run_all(io::event_loop& loop, const options& given) {
    socket_pair pair = co_await connect_loopback(loop);
    for (const bool warm : {false, true}) {
        const long n = warm ? given.count(1e6) : 5'000;
        long cancelled = 0;
        std::int64_t start = wall_ns();
        for (long i = 0; i < n; ++i) (void)co_await when_any(receive(pair.client, cancelled), nothing());
        if (warm) report("cancel_recv", wall_ns() - start, n);
        require(cancelled == n, "cancel_recv: every receive ends as stopped");

        cancelled = 0;
        start = wall_ns();
        for (long i = 0; i < n; ++i) {
            counting_scope scope(loop);
            scope.spawn(receive(pair.client, cancelled), "receiver");
            co_await yield();
            scope.request_stop();
            co_await scope.join();
        }
        if (warm) report("cancel_recv_task", wall_ns() - start, n);
        require(cancelled == n, "cancel_recv_task: every receive ends as stopped");
    }
}

}  // namespace
}  // namespace co_wq::bench

int main(int argc, char** argv) {
    const co_wq::bench::options given(argc, argv);
    co_wq::io::event_loop loop({.reactor = given.reactor});
    loop.run(co_wq::bench::run_all(loop, given));
}
