// Two ends of a TLS connection on one loop, on every backend.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/reactors.hpp"
#include "net/tls/errors.hpp"
#include "net/tls/stream.hpp"
#include "support/certificates.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::net::tls::test {

using namespace std::chrono_literals;
using co_wq::test::authority;
using co_wq::test::made;

inline identity identity_of(const made& one, const std::string& issuers = {}) {
    result<identity> read = identity::from_pem(one.certificate + issuers, one.key);
    EXPECT_TRUE(read.has_value()) << explain(read.error());
    return *read;
}

// Made once: keys take time.
struct house {
    authority root{"house"};
    authority elsewhere{"elsewhere"};
    identity server = identity_of(root.issue({.common_name = "server",
                                              .dns_names = {"example.net", "*.wild.example.net"},
                                              .addresses = {"127.0.0.1", "::1"}}));
    identity other_server = identity_of(root.issue({.common_name = "other", .dns_names = {"other.example.net"}}));
    identity client = identity_of(root.issue({.common_name = "client", .for_what = co_wq::test::usage::client}));
    identity stranger =
        identity_of(elsewhere.issue({.common_name = "stranger", .for_what = co_wq::test::usage::client}));

    trust ours() const { return *trust::from_pem(root.certificate()); }
    // g++ 12 destroys an aggregate twice that is made inside a co_await expression
    client_context clients() const { return clients(client_options()); }
    server_context servers() const { return servers(server_options()); }
    client_context clients(client_options options) const {
        if (!options.trusted) options.trusted = ours();
        result<client_context> made = client_context::make(std::move(options));
        EXPECT_TRUE(made.has_value());
        return *made;
    }
    server_context servers(server_options options) const {
        if (options.identities.empty()) options.identities = {server};
        result<server_context> made = server_context::make(std::move(options));
        EXPECT_TRUE(made.has_value()) << explain(made.error());
        return *made;
    }
};

inline const house& the_house() {
    static const house made;
    return made;
}

struct both {
    result<stream> client = fail(errc::stopped);
    result<stream> server = fail(errc::stopped);
};

inline task<both> shake(io::event_loop& loop, client_context clients, server_context servers, std::string host,
                        connect_options options) {
    io::test::connection raw = co_await io::test::make_connection(loop);
    auto [client, server] = co_await when_all(
        connect(socket_stream(std::move(raw.near)), std::move(clients), std::move(host), std::move(options)),
        accept(socket_stream(std::move(raw.far)), std::move(servers)));
    both made;
    made.client = std::move(client);
    made.server = std::move(server);
    co_return made;
}

inline task<both> shake(io::event_loop& loop, client_context clients, server_context servers,
                        std::string host = "example.net") {
    return shake(loop, std::move(clients), std::move(servers), std::move(host), connect_options());
}

// Everything up to the end, or the error's text.
inline task<std::string> read_all(const stream& from) {
    std::string text;
    std::vector<std::byte> room(64 * 1024);
    for (;;) {
        const result<std::size_t> got = co_await from.recv(room);
        if (!got) co_return text + "[" + got.error().message() + "]";
        if (*got == 0) co_return text;
        text += as_text(const_bytes(room).first(*got));
    }
}

inline task<std::string> read_text(const stream& from, std::size_t size) {
    std::string text;
    std::vector<std::byte> room(size);
    while (text.size() < size) {
        const result<std::size_t> got = co_await from.recv(bytes(room).first(size - text.size()));
        if (!got) co_return text + "[" + got.error().message() + "]";
        if (*got == 0) co_return text + "[end]";
        text += as_text(const_bytes(room).first(*got));
    }
    co_return text;
}

inline task<std::string> send_text(const stream& to, std::string text) {
    const result<void> sent = co_await to.send_all(as_bytes(text));
    co_return sent ? "ok" : sent.error().message();
}

inline std::string pattern(std::size_t size, unsigned seed = 1) {
    std::string text(size, '\0');
    for (char& c : text) {
        seed = seed * 1664525u + 1013904223u;
        c = static_cast<char>(seed >> 24);
    }
    return text;
}

class tls : public io::test::on_every_reactor {
protected:
    const house& home = the_house();

    both connected(client_options clients = {}, server_options servers = {}) {
        both made = loop->run(shake(*loop, home.clients(std::move(clients)), home.servers(std::move(servers))));
        EXPECT_TRUE(made.client.has_value()) << explain(made.client.error());
        EXPECT_TRUE(made.server.has_value()) << explain(made.server.error());
        return made;
    }
    bool simulated() const { return GetParam().kind == io::reactor_kind::sim; }
};

}  // namespace co_wq::net::tls::test
