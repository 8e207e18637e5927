// Sends every datagram back to its sender, up to 32 with one system call. Ends on SIGINT or SIGTERM.
//   udp_echo [PORT]
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "io/event_loop.hpp"
#include "io/signal.hpp"
#include "net/udp.hpp"

namespace {

using namespace co_wq;

task<void> echo(const net::udp_socket& at) {
    constexpr std::size_t batch = 32, longest = 2048;
    std::vector<std::byte> memory(batch * longest);
    std::vector<io::incoming> came(batch);
    std::vector<io::outgoing> back;
    for (std::size_t i = 0; i < batch; ++i) came[i].into = bytes(memory).subspan(i * longest, longest);
    for (;;) {
        const result<std::size_t> got = co_await at.recv_batch(came);
        if (!got) {
            if (got.error() == errc::stopped) co_return;
            std::fprintf(stderr, "recv: %s\n", got.error().message().c_str());
            continue;
        }
        back.clear();
        for (std::size_t i = 0; i < *got; ++i)
            back.push_back({.data = came[i].into.first(came[i].size), .to = came[i].from});
        for (std::span<const io::outgoing> left(back); !left.empty();) {
            const result<std::size_t> sent = co_await at.send_batch(left);
            left = left.subspan(sent ? *sent : 1);  // one that cannot be sent is left out
        }
    }
}

task<int> serve(io::event_loop& loop, std::uint16_t port) {
    const result<net::udp_socket> made = net::udp_socket::bind(loop, io::socket_address::loopback(port));
    if (!made) {
        std::fprintf(stderr, "bind: %s\n", made.error().message().c_str());
        co_return 1;
    }
    std::printf("echo on %s\n", made->local_address()->text().c_str());
    std::fflush(stdout);
    counting_scope work(loop);
    work.spawn(echo(*made), "echo");
    io::signal_set signals(loop, {SIGINT, SIGTERM});
    (void)co_await signals.next();
    work.request_stop();
    co_await work.join();
    co_return 0;
}

}  // namespace

int main(int count, char** words) {
    io::block_signals({SIGINT, SIGTERM});
    io::event_loop loop;
    return loop.run(serve(loop, count > 1 ? static_cast<std::uint16_t>(std::atoi(words[1])) : 7007));
}
