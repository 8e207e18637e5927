// Reads until the end of the stream in chunks of up to 64 KiB, then sends their sum as 8 bytes, little endian.
#include <array>
#include <cstdint>

#include "contestants/server.hpp"

namespace {

co_wq::task<void> sink(co_wq::io::socket peer) {
    std::uint64_t total = 0;
    for (;;) {
        co_wq::result<co_wq::io::lease> got = co_await peer.recv_lease(64 * 1024);
        if (!got) co_return;
        if (got->empty()) break;
        total += got->size();
    }
    std::array<std::byte, 8> answer;
    for (std::size_t i = 0; i < answer.size(); ++i) answer[i] = static_cast<std::byte>(total >> (8 * i));
    (void)co_await peer.send_all(co_wq::const_bytes(answer));
}

}  // namespace

int main(int argc, char** argv) { return co_wq::bench::run_server(argc, argv, &sink); }
