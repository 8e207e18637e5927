// Echo server: accepts on any free port of this machine and sends every byte back. Shows listeners, leased receives,
// scopes. Ends with the process.
#include <cstdio>

#include "net/tcp.hpp"

using namespace co_wq;

task<void> echo(net::tcp_stream client) {
    for (;;) {
        result<io::lease> got = co_await client.recv_lease(16 * 1024);  // no memory is held while it waits
        if (!got || got->empty()) co_return;
        const result<void> sent = co_await client.send_all(got->data());
        if (!sent) co_return;
    }
}

task<void> serve(io::event_loop& loop, net::tcp_listener listener) {
    for (;;) {
        result<net::tcp_stream> client = co_await listener.accept();
        if (client) loop.spawn(echo(std::move(*client)), "echo");
    }
}

int main() {
    io::event_loop loop;
    auto listener = net::tcp_listener::bind(loop, io::socket_address::loopback(0));
    std::printf("echo on %s\n", listener->local_address()->text().c_str());
    loop.run(serve(loop, std::move(*listener)));
}
