// Contexts with certificates of a test's own authority, and what most tests of sessions begin with.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/reactors.hpp"
#include "net/tls/dtls_listener.hpp"
#include "net/tls/errors.hpp"
#include "net/udp.hpp"
#include "support/certificates.hpp"
#include "sync/deadline.hpp"
#include "task/yield.hpp"

namespace co_wq::net::tls::test {

using namespace std::chrono_literals;
using co_wq::test::authority;
using co_wq::test::made;
using co_wq::test::wish;
using io::socket_address;

inline const authority& house() {
    static const authority one;
    return one;
}

inline client_options client_defaults() {
    client_options options;
    options.trusted = trust::from_pem(house().certificate()).value();
    options.over = transport::datagrams;
    options.sessions_max = 0;
    return options;
}
inline const client_context& client_side() {
    static const client_context one = client_context::make(client_defaults()).value();
    return one;
}

inline server_options server_defaults(const wish& shown = {.dns_names = {"server.test"}}) {
    const made issued = house().issue(shown);
    server_options options;
    options.identities = {identity::from_pem(issued.certificate + house().certificate(), issued.key).value()};
    options.over = transport::datagrams;
    return options;
}
inline const server_context& server_side() {
    static const server_context one = server_context::make(server_defaults()).value();
    return one;
}

inline dtls_listener listen(io::event_loop& loop, dtls_listener_options options = {},
                            const server_context& context = server_side()) {
    result<dtls_listener> made = dtls_listener::bind(loop, socket_address::loopback(0), context, options);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return std::move(*made);
}

inline task<result<dtls_session>> connect(io::event_loop& loop, socket_address where, dtls_options options = {},
                                          client_context context = client_side()) {
    return dtls_connect(loop, where, std::move(context), "server.test", options);
}

struct sessions {
    dtls_session client, server;
};

// Both ends of a new session; throws when there is none.
inline task<sessions> make_sessions(io::event_loop& loop, const dtls_listener& at, dtls_options options = {},
                                    client_context context = client_side()) {
    result<dtls_session> client = co_await connect(loop, *at.local_address(), options, std::move(context));
    EXPECT_TRUE(client.has_value()) << explain(client.error());
    result<dtls_session> server = co_await with_timeout(100s, at.accept());
    EXPECT_TRUE(server.has_value()) << explain(server.error());
    co_return sessions{std::move(client.value()), std::move(server.value())};
}

inline task<std::string> hear(const dtls_session& from) {
    std::byte into[17'000];
    const result<dtls_message> got = co_await from.recv(into);
    if (!got) co_return explain(got.error());
    if (got->ended) co_return "ended";
    co_return std::string(as_text(const_bytes(into).first(got->size)));
}

inline task<std::string> say(const dtls_session& to, std::string text) {
    const result<void> sent = co_await to.send(as_bytes(text));
    co_return sent ? "ok" : sent.error().message();
}

}  // namespace co_wq::net::tls::test
