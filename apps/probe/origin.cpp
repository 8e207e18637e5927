#include "probe/origin.hpp"

#include <array>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <fstream>

#include "base/log.hpp"
#include "io/signal.hpp"
#include "probe/certificates.hpp"
#include "probe/origin_session.hpp"
#include "probe/pattern.hpp"
#include "sync/deadline.hpp"
#include "sync/event.hpp"
#include "sync/sleep.hpp"

namespace co_wq::probe {
namespace {

using namespace std::chrono_literals;

enum class role : std::uint8_t { http, echo, sink, source };
constexpr std::array<role, 4> roles{role::http, role::echo, role::sink, role::source};

class origin {
public:
    explicit origin(const origin_options& chosen)
        : chosen_(chosen), runtime_({.threads = chosen.threads, .reactor = chosen.reactor}) {}

    int run();

private:
    bool make_secure();
    bool listen();
    task<void> run_loop(io::event_loop& loop, unsigned index);
    task<void> watch_signals(io::event_loop& loop);
    task<void> accept_all(counting_scope& clients, net::tcp_listener& listener, role what);
    task<void> serve(net::tcp_stream client, role what);
    task<void> serve_http(net::tcp_stream client);
    static task<void> serve_echo(net::tcp_stream client);
    static task<void> serve_sink(net::tcp_stream client);
    static task<void> serve_source(net::tcp_stream client);

    const origin_options& chosen_;
    io::runtime runtime_;
    std::optional<net::tls::server_context> secure_;
    std::atomic<bool> stopping_{false};
    std::array<std::vector<io::native_handle>, roles.size()> listeners_;  // by role, one per loop
};

bool origin::make_secure() {
    const made_certificates made = make_certificates(chosen_.host);
    auto own = net::tls::identity::from_pem(made.certificate, made.key);
    if (!own) return false;
    net::tls::server_options wanted;
    wanted.identities.push_back(std::move(*own));
    auto context = net::tls::server_context::make(std::move(wanted));
    if (!context) return false;
    secure_ = std::move(*context);
    if (chosen_.ca_out.empty()) return true;
    std::ofstream file(chosen_.ca_out, std::ios::trunc);
    file << made.authority;
    file.close();
    if (!file) std::fprintf(stderr, "co_probe: --ca-out: the file cannot be written\n");
    return static_cast<bool>(file);
}

// Several loops share a port; that nobody else has it is asked first.
bool origin::listen() {
    io::socket_calls& calls = io::system_calls();
    const std::uint16_t ports[] = {chosen_.port, chosen_.echo_port, chosen_.sink_port, chosen_.source_port};
    for (std::size_t i = 0; i < roles.size(); ++i) {
        io::socket_address where = *io::socket_address::parse(chosen_.host, ports[i]);
        result<io::native_handle> first = calls.open_listener(where, 4096, false);
        if (!first) {
            std::fprintf(stderr, "co_probe: cannot listen on %s: %s\n", where.text().c_str(),
                         first.error().message().c_str());
            return false;
        }
        if (const result<io::socket_address> bound = calls.local_address(*first)) where = *bound;
        if (chosen_.threads == 1) {
            listeners_[i].push_back(*first);
        } else {
            calls.close(*first);
            for (unsigned index = 0; index < chosen_.threads; ++index) {
                const result<io::native_handle> one = calls.open_listener(where, 4096, true);
                if (!one) return false;
                listeners_[i].push_back(*one);
            }
        }
        static constexpr const char* raw_names[] = {"", "echo", "sink", "source"};
        const char* name = i > 0 ? raw_names[i] : chosen_.secure ? "https" : "http";
        std::printf("%s %s\n", name, where.text().c_str());
    }
    std::fflush(stdout);
    return true;
}

int origin::run() {
    if (chosen_.secure && !make_secure()) {
        std::fprintf(stderr, "co_probe: no certificate for --host %s\n", on_one_line(chosen_.host).c_str());
        return 1;
    }
    if (!listen()) return 1;
    runtime_.run([this](io::event_loop& loop, unsigned index) { return run_loop(loop, index); });
    return 0;
}

task<void> origin::watch_signals(io::event_loop& loop) {
    io::signal_set signals(loop, {io::signals::interrupt, io::signals::terminate});
    const result<io::signal_info> which = co_await signals.next();
    if (!which) co_return;
    stopping_.store(true);
    runtime_.each([](io::event_loop& each) { each.request_stop(); });
}

task<void> origin::run_loop(io::event_loop& loop, unsigned index) {
    std::array<net::tcp_listener, roles.size()> listeners;
    counting_scope clients(loop, [](std::exception_ptr, const char* name) { log::warn("{} ended badly", name); });
    for (std::size_t i = 0; i < roles.size(); ++i) {
        listeners[i] = net::tcp_listener::adopt(loop, listeners_[i][index]);
        clients.spawn(accept_all(clients, listeners[i], roles[i]), "accept");
    }
    if (index == 0) clients.spawn(watch_signals(loop), "signals");
    event never;
    if (!stopping_.load()) co_await never.wait();  // a loop that starts late is not among those that are told
    clients.destroy_all();
}

task<void> origin::accept_all(counting_scope& clients, net::tcp_listener& listener, role what) {
    for (;;) {
        result<net::tcp_stream> client = co_await listener.accept();
        if (client) {
            clients.spawn(serve(std::move(*client), what), "client");
            continue;
        }
        if (client.error() == errc::stopped || client.error() == errc::closed) co_return;
        co_await sleep_for(20ms);  // no descriptors: some will be free
    }
}

task<void> origin::serve(net::tcp_stream client, role what) {
    switch (what) {
        case role::http: co_await serve_http(std::move(client)); break;
        case role::echo: co_await serve_echo(std::move(client)); break;
        case role::sink: co_await serve_sink(std::move(client)); break;
        case role::source: co_await serve_source(std::move(client)); break;
    }
}

task<void> origin::serve_http(net::tcp_stream client) {
    channel over;
    if (secure_) {
        result<net::tls::stream> made = co_await with_timeout(30s, net::tls::accept(std::move(client), *secure_));
        if (!made) co_return;
        over.secure = std::move(*made);
    } else {
        over.plain = std::move(client);
    }
    origin_session session(over);
    co_await session.run();
}

task<void> origin::serve_echo(net::tcp_stream client) {
    for (;;) {
        result<io::lease> got = co_await client.recv_lease(channel::block_bytes);
        if (!got) co_return;
        if (got->empty()) break;
        const result<void> sent = co_await client.send_all(got->data());
        if (!sent) co_return;
    }
    (void)client.shutdown_send();
}

task<void> origin::serve_sink(net::tcp_stream client) {
    std::uint64_t swallowed = 0;
    for (;;) {
        result<io::lease> got = co_await client.recv_lease(channel::block_bytes);
        if (!got) co_return;
        if (got->empty()) break;
        swallowed += got->size();
    }
    const std::string text = std::to_string(swallowed) + "\n";
    co_await client.send_all(as_bytes(text));
}

task<void> origin::serve_source(net::tcp_stream client) {
    for (std::uint64_t at = 0;;) {
        const const_bytes piece = pattern(at, channel::block_bytes);
        const result<void> sent = co_await client.send_all(piece);
        if (!sent) co_return;
        at += piece.size();
    }
}

std::optional<std::uint64_t> number(std::string_view text, std::uint64_t max) noexcept {
    std::uint64_t value = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (wrong != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

}  // namespace

std::optional<origin_path> parse_origin_path(std::string_view path) noexcept {
    origin_path made;
    for (const std::string_view prefix : {"/bytes/", "/chunked/", "/delay/"}) {
        if (!path.starts_with(prefix)) continue;
        const bool delays = prefix == "/delay/";
        const auto value = number(path.substr(prefix.size()), delays ? 3'600'000 : std::uint64_t{1} << 50);
        if (!value) return std::nullopt;
        made.bytes = delays ? delayed_bytes : *value;
        made.delay_ms = delays ? *value : 0;
        made.chunked = prefix == "/chunked/";
        return made;
    }
    return std::nullopt;
}

int run_origin(const origin_options& chosen) { return origin(chosen).run(); }

}  // namespace co_wq::probe
