// Counts heap allocations per operation in steady state; more than none is a failure.
//
// Every operator new of the program goes through a counter. Each workload runs once to reach its steady state (pools,
// slabs and tables filled), then a measured number of times.
#include <array>
#include <cstdio>

#include "support/counted_heap.hpp"
#include "support/loopback_pair.hpp"
#include "support/options.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::bench {
namespace {

constexpr long round_trips = 100'000;
constexpr std::size_t message_bytes = 64;

task<void> echo_leased(const io::socket& peer, long n) {
    for (long left = n * static_cast<long>(message_bytes); left > 0;) {
        result<io::lease> got = co_await peer.recv_lease(4096);
        require(got.has_value() && !got->empty(), "the echo receives");
        left -= static_cast<long>(got->size());
        const result<void> sent = co_await peer.send_all(got->data());
        require(sent.has_value(), "the echo sends");
    }
}

task<void> echo_borrowed(const io::socket& peer, long n) {
    std::array<std::byte, 1024> buffer;  // a frame above pool_max_bytes would come from the heap
    for (long left = n * static_cast<long>(message_bytes); left > 0;) {
        const result<std::size_t> got = co_await peer.recv(buffer);
        require(got.has_value() && *got > 0, "the echo receives");
        left -= static_cast<long>(*got);
        const result<void> sent = co_await peer.send_all(const_bytes(buffer).first(*got));
        require(sent.has_value(), "the echo sends");
    }
}

task<void> ask(const io::socket& server, long n) {
    std::array<std::byte, message_bytes> buffer{};
    for (long i = 0; i < n; ++i) {
        const result<void> sent = co_await server.send_all(const_bytes(buffer));
        require(sent.has_value(), "the client sends");
        for (std::size_t have = 0; have < message_bytes;) {
            const result<std::size_t> got = co_await server.recv(bytes(buffer).subspan(have));
            require(got.has_value() && *got > 0, "the client receives");
            have += *got;
        }
    }
}

task<void> leased_round_trips(socket_pair& pair, io::event_loop&, long n) {
    (void)co_await when_all(ask(pair.client, n), echo_leased(pair.server, n));
}
task<void> borrowed_round_trips(socket_pair& pair, io::event_loop&, long n) {
    (void)co_await when_all(ask(pair.client, n), echo_borrowed(pair.server, n));
}

task<void> yield_once() { co_await yield(); }
task<void> spawn_and_join(socket_pair&, io::event_loop& loop, long n) {
    counting_scope scope(loop);
    for (long i = 0; i < n; ++i) {
        scope.spawn(yield_once(), "child");
        co_await scope.join();
    }
}

task<void> receive_nothing(const io::socket& from) {
    std::array<std::byte, 16> buffer;
    const result<std::size_t> got = co_await from.recv(buffer);
    require(!got, "nothing arrives");
}
task<void> timeouts_that_do_not_fire(socket_pair&, io::event_loop&, long n) {
    for (long i = 0; i < n; ++i) co_await with_timeout(std::chrono::seconds(10), yield_once());
}
task<void> cancelled_receives(socket_pair& pair, io::event_loop&, long n) {
    for (long i = 0; i < n; ++i) (void)co_await when_any(receive_nothing(pair.client), yield_once());
}

using workload = task<void> (*)(socket_pair&, io::event_loop&, long);

task<bool> measure(io::event_loop& loop, socket_pair& pair, const char* name, workload work) {
    co_await work(pair, loop, round_trips / 10);
    const std::size_t before = heap_allocations();
    co_await work(pair, loop, round_trips);
    const std::size_t counted = heap_allocations() - before;
    std::printf("%-6s %-28s %ld operations, %zu allocations, %.6f per operation\n", loop.reactor().name(), name,
                round_trips, counted, static_cast<double>(counted) / static_cast<double>(round_trips));
    co_return counted == 0;
}

task<bool> measure_all(io::event_loop& loop) {
    socket_pair pair = co_await connect_loopback(loop);
    bool none = co_await measure(loop, pair, "echo, borrowed buffer", &borrowed_round_trips);
    none &= co_await measure(loop, pair, "timeout armed, cancelled", &timeouts_that_do_not_fire);
    none &= co_await measure(loop, pair, "receive armed, cancelled", &cancelled_receives);
    none &= co_await measure(loop, pair, "task spawned, joined", &spawn_and_join);
    // a socket of its own, so that the backend may choose how to receive into leases from the start
    socket_pair leasing = co_await connect_loopback(loop);
    none &= co_await measure(loop, leasing, "echo, leased buffer", &leased_round_trips);
    co_return none;
}

}  // namespace
}  // namespace co_wq::bench

int main() {
    using namespace co_wq;
    bool none = true;
    for (const io::reactor_kind kind : {io::reactor_kind::epoll, io::reactor_kind::uring}) {
        try {
            io::event_loop loop({.reactor = kind});
            none &= loop.run(bench::measure_all(loop));
        } catch (const std::runtime_error& missing) {
            std::printf("%-6s not measured: %s\n", io::name_of(kind), missing.what());
        }
    }
    return none ? 0 : 1;
}
