// Whoever only waits for an end takes nothing, and what comes meanwhile stays with the system: memory is bounded.
#include <vector>

#include "io/reactors.hpp"
#include "net/tcp.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"

namespace co_wq::net {
namespace {

using namespace std::chrono_literals;

class backpressure : public io::test::on_every_reactor {};

task<void> send_without_end(tcp_stream& to, std::size_t& sent) {
    const std::vector<std::byte> block(64 * 1024);
    for (;;) {
        const result<void> done = co_await to.send_all(block);
        if (!done) co_return;
        sent += block.size();
    }
}

task<result<io::lease>> receive(const tcp_stream& from) {
    result<io::lease> got = co_await from.recv_lease(4096);
    co_return got;
}

task<void> wait_for_end(const tcp_stream& of, io::direction which) { (void)co_await of.socket().ready(which); }

task<void> flood(tcp_stream& from, tcp_stream& to, io::direction which, std::size_t& sent) {
    const result<void> first = co_await from.send_all(as_bytes("x"));
    EXPECT_TRUE(first.has_value());
    const result<io::lease> got = co_await receive(to);  // io_uring receives on its own from here on
    EXPECT_TRUE(got.has_value());
    counting_scope waiting(to.socket().loop());
    waiting.spawn(wait_for_end(to, which), "wait");
    (void)co_await with_timeout(1s, send_without_end(from, sent));
    waiting.destroy_all();
}

TEST_P(backpressure, reaches_the_sender_while_only_an_end_is_waited_for) {
    for (const io::direction which : {io::direction::read_end, io::direction::hang_up}) {
        io::test::connection both = loop->run(io::test::make_connection(*loop));
        tcp_stream near(std::move(both.near)), far(std::move(both.far));
        std::size_t sent = 0;
        loop->run(flood(near, far, which, sent));
        EXPECT_LT(sent, 32u << 20);  // what the system's own buffers hold
    }
    expect_quiet();
}

INSTANTIATE_TEST_SUITE_P(reactors, backpressure, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net
