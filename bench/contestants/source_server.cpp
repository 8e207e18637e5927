// Writes 64 KiB buffers to every connection until it fails.
#include <cstddef>
#include <vector>

#include "contestants/server.hpp"

namespace {

co_wq::task<void> source(co_wq::io::socket peer) {
    static const std::vector<std::byte> chunk(64 * 1024, std::byte{'s'});
    for (;;) {
        const co_wq::result<void> sent = co_await peer.send_all(co_wq::const_bytes(chunk));
        if (!sent) co_return;
    }
}

}  // namespace

int main(int argc, char** argv) { return co_wq::bench::run_server(argc, argv, &source); }
