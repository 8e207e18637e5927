// Sends every datagram back to its sender, as many with one system call as are there.
#include <array>
#include <vector>

#include "contestants/server.hpp"

namespace {

using namespace co_wq;

constexpr std::size_t batch = io::datagram_batch_max, longest = 2048;

task<void> echo(io::socket at) {
    std::vector<std::byte> memory(batch * longest);
    std::vector<io::incoming> came(batch);
    std::vector<io::outgoing> back(batch);
    for (std::size_t i = 0; i < batch; ++i) came[i].into = bytes(memory).subspan(i * longest, longest);
    for (;;) {
        const result<std::size_t> got = co_await at.recv_batch(came);
        if (!got) continue;  // nobody was there for an earlier answer
        for (std::size_t i = 0; i < *got; ++i) back[i] = {.data = came[i].into.first(came[i].size), .to = came[i].from};
        for (std::span<const io::outgoing> left = std::span(back).first(*got); !left.empty();) {
            const result<std::size_t> sent = co_await at.send_batch(left);
            left = left.subspan(sent ? *sent : 1);
        }
    }
}

}  // namespace

int main(int argc, char** argv) { return bench::run_datagram_server(argc, argv, &echo); }
