// TLS: what a connection does is said by its first byte: e sends back every byte, s sends without end, k takes without
// end. The raw loop of floor/tls_server.cpp does the same by hand.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "contestants/server.hpp"
#include "net/tls/stream.hpp"
#include "support/certificates.hpp"

namespace {

using namespace co_wq;
namespace tls = net::tls;

const tls::server_context& context() {
    static const tls::server_context made = [] {
        const test::made shown = test::self_signed({.dns_names = {"localhost"}});
        result<tls::identity> own = tls::identity::from_pem(shown.certificate, shown.key);
        if (!own) std::abort();
        return *tls::server_context::make({.identities = {*own}});
    }();
    return made;
}

task<void> echo(const tls::stream& peer) {
    for (;;) {
        const result<io::lease> got = co_await peer.recv_lease(16 * 1024);
        if (!got || got->empty()) co_return;
        const result<void> sent = co_await peer.send_all(got->data());
        if (!sent) co_return;
    }
}

task<void> sink(const tls::stream& peer) {
    std::vector<std::byte> room(64 * 1024);
    for (;;) {
        const result<std::size_t> got = co_await peer.recv(room);
        if (!got || *got == 0) co_return;
    }
}

task<void> source(const tls::stream& peer) {
    const std::vector<std::byte> block(64 * 1024);
    for (;;) {
        const result<void> sent = co_await peer.send_all(block);
        if (!sent) co_return;
    }
}

task<void> serve(io::socket raw) {
    result<tls::stream> peer = co_await tls::accept(net::socket_stream(std::move(raw)), context());
    if (!peer) co_return;
    std::byte what[1];
    const result<std::size_t> got = co_await peer->recv(what);
    if (!got || *got == 0) co_return;
    switch (static_cast<char>(what[0])) {
        case 'e': co_await echo(*peer); break;
        case 'k': co_await sink(*peer); break;
        default: co_await source(*peer); break;
    }
}

}  // namespace

int main(int argc, char** argv) {
    (void)context();
    return bench::run_server(argc, argv, &serve);
}
