// Echo server over TLS: tls_echo CHAIN.pem KEY.pem [CLIENT_CA.pem]. With the third, clients need a certificate. Shows
// server contexts, a deadline for the handshake, an end in good order. Ends with the process.
#include <cstdio>

#include "net/tcp.hpp"
#include "net/tls/errors.hpp"
#include "net/tls/stream.hpp"
#include "sync/deadline.hpp"

using namespace co_wq;
namespace tls = net::tls;

task<void> echo(net::tcp_stream raw, tls::server_context context) {
    result<tls::stream> client =
        co_await with_timeout(std::chrono::seconds(10), tls::accept(std::move(raw), std::move(context)));
    if (!client) {
        std::fprintf(stderr, "refused: %s\n", tls::explain(client.error()).c_str());
        co_return;
    }
    for (;;) {
        result<io::lease> got = co_await client->recv_lease(16 * 1024);
        if (!got) std::fprintf(stderr, "recv: %s\n", tls::explain(got.error()).c_str());
        if (!got) co_return;  // destroyed without a word: what was cut does not look whole
        if (got->empty()) break;
        const result<void> sent = co_await client->send_all(got->data());
        if (!sent) co_return;
    }
    client->close();
}

task<void> serve(io::event_loop& loop, net::tcp_listener listener, tls::server_context context) {
    for (;;) {
        result<net::tcp_stream> client = co_await listener.accept();
        if (client) loop.spawn(echo(std::move(*client), context), "echo");
    }
}

result<tls::server_context> context_of(int count, char** arguments) {
    tls::server_options options;
    result<tls::identity> own = tls::identity::from_files(arguments[1], arguments[2]);
    if (!own) return fail(own.error());
    options.identities = {*own};
    options.alpn = {"echo"};
    if (count > 3) {
        result<tls::trust> clients = tls::trust::from_file(arguments[3]);
        if (!clients) return fail(clients.error());
        options.ask = tls::client_certificates::required;
        options.client_trust = *clients;
    }
    return tls::server_context::make(std::move(options));
}

int main(int count, char** arguments) {
    if (count < 3) return std::fprintf(stderr, "usage: tls_echo CHAIN.pem KEY.pem [CLIENT_CA.pem]\n"), 2;
    result<tls::server_context> context = context_of(count, arguments);
    if (!context) return std::fprintf(stderr, "%s\n", tls::explain(context.error()).c_str()), 1;
    io::event_loop loop;
    auto listener = net::tcp_listener::bind(loop, io::socket_address::loopback(0));
    std::printf("echo on %s\n", listener->local_address()->text().c_str());
    std::fflush(stdout);
    loop.run(serve(loop, std::move(*listener), std::move(*context)));
}
