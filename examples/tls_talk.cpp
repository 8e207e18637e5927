// Client over TLS: tls_talk PORT NAME CA.pem TEXT [CHAIN.pem KEY.pem]. Connects to a port of this machine, sends the
// text if the certificate is for that name, and prints what comes back until the server's end. Shows client contexts.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "net/tcp.hpp"
#include "net/tls/errors.hpp"
#include "net/tls/stream.hpp"
#include "sync/deadline.hpp"

using namespace co_wq;
namespace tls = net::tls;

task<result<void>> talk(io::event_loop& loop, std::uint16_t port, std::string name, tls::client_context context,
                        std::string text) {
    result<net::tcp_stream> raw = co_await net::tcp_stream::connect(loop, io::socket_address::loopback(port));
    if (!raw) co_return fail(raw.error());
    result<tls::stream> server = co_await tls::connect(std::move(*raw), std::move(context), std::move(name));
    if (!server) co_return fail(server.error());
    std::fprintf(stderr, "%s, %s\n", std::string(server->cipher()).c_str(),
                 server->peer_certificate()->subject().c_str());
    const result<void> sent = co_await server->send_all(as_bytes(text));
    if (!sent) co_return sent;
    (void)server->shutdown_send();  // receiving goes on
    for (;;) {
        const result<io::lease> got = co_await server->recv_lease(16 * 1024);
        if (!got) co_return fail(got.error());
        if (got->empty()) co_return result<void>();
        std::fwrite(got->data().data(), 1, got->size(), stdout);
    }
}

task<result<void>> talk_in_time(io::event_loop& loop, std::uint16_t port, std::string name, tls::client_context context,
                                std::string text) {
    co_return co_await with_timeout(std::chrono::seconds(30),
                                    talk(loop, port, std::move(name), std::move(context), std::move(text)));
}

int main(int count, char** arguments) {
    if (count < 5) return std::fprintf(stderr, "usage: tls_talk PORT NAME CA.pem TEXT [CHAIN.pem KEY.pem]\n"), 2;
    tls::client_options options;
    result<tls::trust> believed = tls::trust::from_file(arguments[3]);
    if (!believed) return std::fprintf(stderr, "%s\n", tls::explain(believed.error()).c_str()), 1;
    options.trusted = *believed;
    if (count > 6) {
        result<tls::identity> own = tls::identity::from_files(arguments[5], arguments[6]);
        if (!own) return std::fprintf(stderr, "%s\n", tls::explain(own.error()).c_str()), 1;
        options.own = *own;
    }
    result<tls::client_context> context = tls::client_context::make(std::move(options));
    if (!context) return std::fprintf(stderr, "%s\n", tls::explain(context.error()).c_str()), 1;
    io::event_loop loop;
    const auto port = static_cast<std::uint16_t>(std::atoi(arguments[1]));
    const result<void> done = loop.run(talk_in_time(loop, port, arguments[2], *context, arguments[4]));
    if (done) return 0;
    std::fprintf(stderr, "%s\n", tls::explain(done.error()).c_str());
    return 1;
}
