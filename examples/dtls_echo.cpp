// Echo over DTLS: `server CHAIN KEY` answers every message; `client PORT CA NAME WORD...` sends words, prints answers.
#include <cstdio>
#include <cstdlib>

#include "net/tls/dtls_listener.hpp"
#include "net/tls/errors.hpp"
#include "sync/deadline.hpp"

namespace {

using namespace co_wq;
using namespace co_wq::net;
using namespace std::chrono_literals;

task<void> echo(tls::dtls_session with) {
    std::byte room[16 * 1024];
    for (;;) {
        const result<tls::dtls_message> got = co_await with_timeout(60s, with.recv(room));
        if (!got || got->ended) co_return;
        const result<void> sent = co_await with.send(const_bytes(room).first(got->size));
        if (!sent) std::fprintf(stderr, "send: %s\n", tls::explain(sent.error()).c_str());
    }
}

task<int> serve(io::event_loop& loop, const char* chain, const char* key) {
    const auto own = tls::identity::from_files(chain, key);
    if (!own) co_return std::fprintf(stderr, "identity: %s\n", tls::explain(own.error()).c_str());
    const auto context = tls::server_context::make({.identities = {*own}, .over = tls::transport::datagrams});
    const auto here = tls::dtls_listener::bind(loop, io::socket_address::loopback(0), context.value());
    if (!here) co_return std::fprintf(stderr, "bind: %s\n", tls::explain(here.error()).c_str());
    std::printf("echo on %s\n", here->local_address()->text().c_str());
    std::fflush(stdout);
    counting_scope scope(loop);
    for (;;) {
        result<tls::dtls_session> came = co_await here->accept();
        if (!came) co_return 0;
        scope.spawn(echo(std::move(*came)), "echo");
    }
}

task<int> visit(io::event_loop& loop, std::uint16_t port, const char* authority, const char* name,
                std::span<char*> words) {
    const auto trusted = tls::trust::from_file(authority);
    if (!trusted) co_return std::fprintf(stderr, "trust: %s\n", tls::explain(trusted.error()).c_str());
    const auto context = tls::client_context::make({.trusted = *trusted, .over = tls::transport::datagrams});
    const auto made =
        co_await with_timeout(20s, tls::dtls_connect(loop, io::socket_address::loopback(port), context.value(), name));
    if (!made) co_return std::fprintf(stderr, "connect: %s\n", tls::explain(made.error()).c_str());
    for (const std::string_view word : words) {
        std::byte room[16 * 1024];
        (void)co_await made->send(as_bytes(word));
        const auto got = co_await with_timeout(5s, made->recv(room));
        if (got) std::printf("%.*s\n", static_cast<int>(got->size), reinterpret_cast<const char*>(room));
    }
    co_return 0;
}

}  // namespace

int main(int count, char** values) {
    io::event_loop loop;
    const std::string_view what = count > 1 ? values[1] : "";
    if (what == "server" && count == 4) return loop.run(serve(loop, values[2], values[3]));
    if (what != "client" || count < 6)
        return std::fprintf(stderr, "server CHAIN KEY, or client PORT CA NAME WORD...\n");
    const auto port = static_cast<std::uint16_t>(std::atoi(values[2]));
    return loop.run(visit(loop, port, values[3], values[4], std::span(values + 5, values + count)));
}
