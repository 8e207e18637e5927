// Sends every datagram back to its sender, up to 32 with one system call. Shows batches. Ends with the process.
#include <cstdio>
#include <vector>

#include "io/event_loop.hpp"
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

}  // namespace

int main() {
    io::event_loop loop;
    const result<net::udp_socket> made = net::udp_socket::bind(loop, io::socket_address::loopback(0));
    if (!made) {
        std::fprintf(stderr, "bind: %s\n", made.error().message().c_str());
        return 1;
    }
    std::printf("echo on %s\n", made->local_address()->text().c_str());
    std::fflush(stdout);
    loop.run(echo(*made));
}
