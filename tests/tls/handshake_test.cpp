// Who lets whom in, and what was agreed on.
#include <thread>

#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

class tls_handshake : public tls {
protected:
    both tried(client_options clients, server_options servers, std::string host = "example.net") {
        return loop->run(
            shake(*loop, home.clients(std::move(clients)), home.servers(std::move(servers)), std::move(host)));
    }
    errc refusal_of(const co_wq::test::made& shown, const std::string& issuers = {}, std::string host = "example.net") {
        const both made = tried({}, {.identities = {identity_of(shown, issuers)}}, std::move(host));
        EXPECT_FALSE(made.client.has_value());
        EXPECT_FALSE(made.server.has_value());
        // the client says why
        if (!made.server) {
            EXPECT_EQ(made.server.error(), errc::alert_received) << explain(made.server.error());
        }
        return made.client ? errc::other : made.client.error().code();
    }
};

TEST_P(tls_handshake, bad_certificates_have_names) {
    const std::vector<std::string> names{"example.net"};
    const authority& root = home.root;
    EXPECT_EQ(refusal_of(root.issue({.dns_names = names, .valid_from_s = -200, .valid_until_s = -100})),
              errc::certificate_expired);
    EXPECT_EQ(refusal_of(root.issue({.dns_names = names, .valid_from_s = 3600})), errc::certificate_not_yet_valid);
    EXPECT_EQ(refusal_of(root.issue({.dns_names = {"other.net"}})), errc::certificate_wrong_host);
    EXPECT_EQ(refusal_of(root.issue({.common_name = "example.net"})), errc::certificate_wrong_host);
    EXPECT_EQ(refusal_of(root.issue({.dns_names = {"*.net"}}), {}, "a.b.net"), errc::certificate_wrong_host);
    EXPECT_EQ(refusal_of(root.issue({.addresses = {"127.0.0.2"}}), {}, "127.0.0.1"), errc::certificate_wrong_host);
    EXPECT_EQ(refusal_of(co_wq::test::self_signed({.dns_names = names})), errc::certificate_self_signed);
    EXPECT_EQ(refusal_of(home.elsewhere.issue({.dns_names = names})), errc::certificate_untrusted);
    EXPECT_EQ(refusal_of(home.elsewhere.issue({.dns_names = names}), home.elsewhere.certificate()),
              errc::certificate_untrusted);
    EXPECT_EQ(refusal_of(root.issue({.dns_names = names, .for_what = co_wq::test::usage::client})),
              errc::certificate_wrong_purpose);
    expect_quiet();
}

TEST_P(tls_handshake, a_chain_is_followed_to_its_root) {
    const authority between(home.root, "between");
    const made leaf = between.issue({.dns_names = {"example.net"}});
    const both good = tried({}, {.identities = {identity_of(leaf, between.certificate())}});
    EXPECT_TRUE(good.client.has_value());
    EXPECT_EQ(refusal_of(leaf), errc::certificate_untrusted);
    // an end's certificate signs nothing
    const both none = tried({.trusted = *trust::from_pem(home.elsewhere.certificate())}, {});
    EXPECT_EQ(none.client.error(), errc::certificate_untrusted);
}

TEST_P(tls_handshake, revoked_certificates_are_refused) {
    const made good = home.root.issue({.dns_names = {"example.net"}}),
               bad = home.root.issue({.dns_names = {"example.net"}});
    trust with_list = home.ours();
    EXPECT_TRUE(with_list.add_revoked_pem(home.root.revoke({bad.certificate})).has_value());
    const both refused = tried({.trusted = with_list}, {.identities = {identity_of(bad)}});
    EXPECT_EQ(refused.client.error(), errc::certificate_revoked);
    const both taken = tried({.trusted = with_list}, {.identities = {identity_of(good)}});
    EXPECT_TRUE(taken.client.has_value());
}

TEST_P(tls_handshake, names_and_addresses_are_verified) {
    for (const char* host :
         {"example.net", "EXAMPLE.net", "example.net.", "a.wild.example.net", "127.0.0.1", "::1", "[::1]"}) {
        const both made = tried({}, {}, host);
        EXPECT_TRUE(made.client.has_value()) << host << ": " << explain(made.client.error());
        const bool is_name = std::string(host).find("net") != std::string::npos;
        if (made.server) {
            EXPECT_EQ(made.server->server_name().empty(), !is_name) << host;
        }
    }
    for (const char* host : {"wild.example.net", "a.b.wild.example.net", "example.org", "127.0.0.2"}) {
        const both made = tried({}, {}, host);
        EXPECT_EQ(made.client.error(), errc::certificate_wrong_host) << host;
    }
    for (const char* host : {"", "no name"}) {
        const both made = tried({}, {}, host);
        EXPECT_EQ(made.client.error(), errc::invalid_argument) << host;
        EXPECT_FALSE(made.server.has_value());
    }
    const both anybody = tried({.without_verification = true}, {.identities = {home.other_server}}, "");
    EXPECT_TRUE(anybody.client.has_value());
}

TEST_P(tls_handshake, the_certificate_follows_the_name) {
    server_options options{.identities = {home.server, home.other_server}};
    const std::pair<const char*, const char*> cases[] = {
        {"example.net", "CN=server"}, {"other.example.net", "CN=other"}, {"x.wild.example.net", "CN=server"}};
    for (const auto& [host, subject] : cases) {
        const both made = tried({}, options, host);
        ASSERT_TRUE(made.client.has_value()) << host;
        EXPECT_EQ(made.client->peer_certificate()->subject(), subject);
    }
    const both unknown = tried({.without_verification = true}, options, "nobody.org");
    ASSERT_TRUE(unknown.client.has_value());
    EXPECT_EQ(unknown.client->peer_certificate()->subject(), "CN=server");
    options.known_names_only = true;
    const both refused = tried({.without_verification = true}, options, "nobody.org");
    EXPECT_EQ(refused.client.error(), errc::alert_received);
    EXPECT_EQ(alert_of(refused.client.error()), 112);  // unrecognized_name
}

TEST_P(tls_handshake, the_kind_of_key_follows_the_client) {
    using co_wq::test::key_kind;
    const identity rsa =
        identity_of(home.root.issue({.common_name = "rsa", .dns_names = {"example.net"}, .key = key_kind::rsa}));
    const server_options options{.identities = {home.server, rsa}, .maximum = version::tls_1_2};
    const both old = tried({.ciphers = "ECDHE-RSA-AES128-GCM-SHA256"}, options);
    ASSERT_TRUE(old.client.has_value()) << explain(old.client.error());
    EXPECT_EQ(old.client->peer_certificate()->subject(), "CN=rsa");
    const both usual = tried({}, options);
    ASSERT_TRUE(usual.client.has_value());
    EXPECT_EQ(usual.client->peer_certificate()->subject(), "CN=server");
}

TEST_P(tls_handshake, application_protocols_are_agreed_on) {
    const both agreed = tried({.alpn = {"http/1.1", "h2"}}, {.alpn = {"h2", "http/1.1"}});
    ASSERT_TRUE(agreed.client.has_value());
    EXPECT_EQ(agreed.client->alpn(), "h2");
    EXPECT_EQ(agreed.server->alpn(), "h2");
    const both without = tried({}, {.alpn = {"h2"}});
    EXPECT_TRUE(without.client.has_value() && without.client->alpn().empty());
    const both unknown = tried({.alpn = {"h2"}}, {});
    EXPECT_TRUE(unknown.client.has_value() && unknown.client->alpn().empty());
    const both none = tried({.alpn = {"x"}}, {.alpn = {"h2"}});
    EXPECT_EQ(none.client.error(), errc::alert_received);
    EXPECT_EQ(alert_of(none.client.error()), 120);  // no_application_protocol
    EXPECT_EQ(none.server.error(), errc::no_common_protocol) << explain(none.server.error());
    connect_options must;
    must.alpn_required = true;
    const both required = loop->run(shake(*loop, home.clients({.alpn = {"h2"}}), home.servers(), "example.net", must));
    EXPECT_EQ(required.client.error(), errc::no_common_protocol);
}

TEST_P(tls_handshake, versions_and_ciphers_are_agreed_on) {
    const both old = tried({.maximum = version::tls_1_2}, {});
    ASSERT_TRUE(old.client.has_value());
    EXPECT_EQ(old.client->protocol(), version::tls_1_2);
    const both none = tried({.maximum = version::tls_1_2}, {.minimum = version::tls_1_3});
    EXPECT_EQ(none.client.error(), errc::alert_received);
    EXPECT_EQ(none.server.error(), errc::no_common_protocol);
    const both cipher = tried({.maximum = version::tls_1_2, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"},
                              {.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"});
    EXPECT_EQ(cipher.server.error(), errc::no_common_protocol) << explain(cipher.server.error());
}

TEST_P(tls_handshake, clients_show_certificates) {
    const trust ours = home.ours();
    const server_options required{.ask = client_certificates::required, .client_trust = ours};
    const server_options optional{.ask = client_certificates::optional, .client_trust = ours};
    for (const version most : {version::tls_1_2, version::tls_1_3}) {
        const both good = tried({.own = home.client, .maximum = most}, required);
        ASSERT_TRUE(good.server.has_value()) << explain(good.server.error());
        EXPECT_EQ(good.server->peer_certificate()->subject(), "CN=client");
        const both absent = tried({.maximum = most}, required);
        EXPECT_EQ(absent.server.error(), errc::certificate_missing) << explain(absent.server.error());
        const both allowed = tried({.maximum = most}, optional);
        ASSERT_TRUE(allowed.server.has_value());
        EXPECT_FALSE(allowed.server->peer_certificate().has_value());
        const both stranger = tried({.own = home.stranger, .maximum = most}, optional);
        EXPECT_EQ(stranger.server.error(), errc::certificate_untrusted) << explain(stranger.server.error());
        const both purpose = tried({.own = home.other_server, .maximum = most}, required);
        EXPECT_EQ(purpose.server.error(), errc::certificate_wrong_purpose);
        if (most == version::tls_1_2) {
            EXPECT_EQ(absent.client.error(), errc::alert_received);
        }
    }
    // in TLS 1.3 the client learns it from its first receive
    both late = tried({}, required);
    ASSERT_TRUE(late.client.has_value());
    EXPECT_EQ(loop->run(read_all(*late.client)), "[peer sent an alert]");
    EXPECT_EQ(loop->run(send_text(*late.client, "x")), "peer sent an alert");
}

// Tickets come behind the handshake: with the first bytes.
TEST_P(tls_handshake, sessions_are_resumed) {
    for (const version most : {version::tls_1_2, version::tls_1_3}) {
        const client_context clients = home.clients({.maximum = most});
        server_context servers = home.servers();
        auto again = [&](const std::string& host) {
            both made = loop->run(shake(*loop, clients, servers, host));
            EXPECT_TRUE(made.client.has_value()) << explain(made.client.error());
            EXPECT_EQ(loop->run(send_text(*made.server, "x")), "ok");
            EXPECT_EQ(loop->run(read_text(*made.client, 1)), "x");
            EXPECT_EQ(made.client->resumed(), made.server->resumed());
            EXPECT_EQ(made.client->peer_certificate()->subject(), "CN=server");
            return made.client->resumed();
        };
        // the port differs from connection to connection, so the server is named
        connect_options by_name;
        by_name.session_key = "server";
        auto named = [&] {
            both made = loop->run(shake(*loop, clients, servers, "example.net", by_name));
            EXPECT_TRUE(made.client.has_value());
            EXPECT_EQ(loop->run(send_text(*made.server, "x")), "ok");
            EXPECT_EQ(loop->run(read_text(*made.client, 1)), "x");
            return made.client->resumed();
        };
        EXPECT_FALSE(again("example.net"));
        EXPECT_FALSE(named());
        EXPECT_TRUE(named());
        EXPECT_TRUE(named());
        EXPECT_TRUE(servers.reload({.identities = {home.server}}).has_value());
        EXPECT_TRUE(named());
        servers.forget_sessions();
        EXPECT_FALSE(named());
        EXPECT_TRUE(named());
        home.clients().forget_sessions();
    }
}

// Whoever was verified as one host is not believed to be another because the key is the same.
TEST_P(tls_handshake, a_session_of_one_host_does_not_stand_for_another) {
    for (const version most : {version::tls_1_2, version::tls_1_3}) {
        const client_context clients = home.clients({.maximum = most});
        const server_context servers = home.servers();
        connect_options same;
        same.session_key = "same";
        both made = loop->run(shake(*loop, clients, servers, "example.net", same));
        ASSERT_TRUE(made.client.has_value()) << explain(made.client.error());
        EXPECT_EQ(loop->run(send_text(*made.server, "x")), "ok");
        EXPECT_EQ(loop->run(read_text(*made.client, 1)), "x");
        EXPECT_GT(clients.sessions(), 0u);
        const both other = loop->run(shake(*loop, clients, servers, "other.example.net", same));
        EXPECT_EQ(other.client.error(), errc::certificate_wrong_host);
        const both again = loop->run(shake(*loop, clients, servers, "example.net", same));
        ASSERT_TRUE(again.client.has_value());
        EXPECT_TRUE(again.client->resumed());
    }
}

TEST_P(tls_handshake, sessions_are_bounded_and_can_be_switched_off) {
    const client_context clients = home.clients({.sessions_max = 3});
    const server_context servers = home.servers();
    for (int i = 0; i < 5; ++i) {
        connect_options by_name;
        by_name.session_key = "server " + std::to_string(i);
        both made = loop->run(shake(*loop, clients, servers, "example.net", by_name));
        EXPECT_EQ(loop->run(send_text(*made.server, "x")), "ok");
        EXPECT_EQ(loop->run(read_text(*made.client, 1)), "x");
    }
    EXPECT_EQ(clients.sessions(), 3u);
    const client_context off = home.clients({.sessions_max = 0});
    const server_context no_tickets = home.servers({.tickets = false});
    connect_options same;
    same.session_key = "same";
    for (int i = 0; i < 2; ++i) {
        both made = loop->run(shake(*loop, i ? off : clients, no_tickets, "example.net", same));
        EXPECT_EQ(loop->run(send_text(*made.server, "x")), "ok");
        EXPECT_EQ(loop->run(read_text(*made.client, 1)), "x");
    }
    EXPECT_EQ(off.sessions(), 0u);
    EXPECT_EQ(clients.sessions(), 3u);
}

TEST_P(tls_handshake, sessions_do_not_outlive_who_is_let_in) {
    server_context servers = home.servers({.ask = client_certificates::required, .client_trust = home.ours()});
    const client_context clients = home.clients({.own = home.client});
    connect_options by_name;
    by_name.session_key = "server";
    auto once = [&] {
        both made = loop->run(shake(*loop, clients, servers, "example.net", by_name));
        if (!made.server) return std::string(made.server.error().message());
        EXPECT_EQ(loop->run(send_text(*made.server, "x")), "ok");
        EXPECT_EQ(loop->run(read_text(*made.client, 1)), "x");
        EXPECT_EQ(made.server->peer_certificate()->subject(), "CN=client");
        return std::string(made.server->resumed() ? "resumed" : "full");
    };
    EXPECT_EQ(once(), "full");
    EXPECT_EQ(once(), "resumed");
    const trust elsewhere = *trust::from_pem(home.elsewhere.certificate());
    EXPECT_TRUE(
        servers.reload({.identities = {home.server}, .ask = client_certificates::required, .client_trust = elsewhere})
            .has_value());
    EXPECT_EQ(once(), "certificate of an untrusted issuer");
}

TEST_P(tls_handshake, a_reload_serves_new_connections_and_keeps_the_old) {
    server_context servers = home.servers();
    const client_context clients = home.clients();
    both before = loop->run(shake(*loop, clients, servers));
    EXPECT_FALSE(servers.reload({}).has_value());
    both still = loop->run(shake(*loop, clients, servers));
    EXPECT_TRUE(still.client.has_value());
    const identity renewed = identity_of(home.root.issue({.common_name = "renewed", .dns_names = {"example.net"}}));
    EXPECT_TRUE(servers.reload({.identities = {renewed}}).has_value());
    both after = loop->run(shake(*loop, clients, servers));
    EXPECT_EQ(after.client->peer_certificate()->subject(), "CN=renewed");
    EXPECT_EQ(loop->run(send_text(*before.client, "x")), "ok");
    EXPECT_EQ(loop->run(read_text(*before.server, 1)), "x");
}

TEST_P(tls_handshake, contexts_are_reloaded_by_another_thread_under_load) {
    if (simulated()) GTEST_SKIP() << "has one thread";
    server_context servers = home.servers();
    const client_context clients = home.clients();
    std::atomic<bool> over{false};
    std::thread reloads([&] {
        while (!over) {
            EXPECT_TRUE(servers.reload({.identities = {home.server, home.other_server}}).has_value());
            EXPECT_FALSE(servers.reload({}).has_value());
        }
    });
    for (int i = 0; i < 50; ++i) {
        const both made = loop->run(shake(*loop, clients, servers));
        EXPECT_TRUE(made.client.has_value());
    }
    over = true;
    reloads.join();
}

INSTANTIATE_TEST_SUITE_P(reactors, tls_handshake, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::tls::test
