// Sends back every byte in order until the client closes. An idle connection holds no buffer: up to 4 KiB are taken
// from the loop when bytes are there and given back when they are sent.
#include "contestants/server.hpp"

namespace {

co_wq::task<void> echo(co_wq::io::socket peer) {
    for (;;) {
        co_wq::result<co_wq::io::lease> got = co_await peer.recv_lease(4096);
        if (!got || got->empty()) co_return;
        const co_wq::result<void> sent = co_await peer.send_all(got->data());
        if (!sent) co_return;
    }
}

}  // namespace

int main(int argc, char** argv) { return co_wq::bench::run_server(argc, argv, &echo); }
