// Which of a host's addresses are tried, in which order and when; and who wins.
#include "net/dns/connect_host.hpp"

#include "loopback_hosts.hpp"
#include "sync/deadline.hpp"
#include "task/when.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using connecting = with_name_server;

// Notes which addresses are tried and when, and lets all pass.
struct tried {
    struct entry {
        std::string host;
        time_point when;
    };
    std::vector<entry> all;
    connect_options watch(io::event_loop& loop, connect_options options = {}) {
        options.allow = [this, &loop](const io::socket_address& peer) {
            all.push_back({peer.host(), loop.now()});
            return true;
        };
        return options;
    }
    std::string order() const {
        std::string text;
        for (const entry& one : all) text += one.host + " ";
        return text;
    }
};

std::string text_of(const result<connected>& made) { return made ? made->peer.text() : made.error().message(); }
std::string at(const char* host, std::uint16_t port) { return io::socket_address::parse(host, port)->text(); }

reply loopbacks(const question& asked) {
    if (asked.type == type_aaaa) return {.records = {aaaa("::1")}};
    return {.records = {a("127.0.0.1"), a("127.0.0.2"), a("127.0.0.3")}};
}

TEST_P(connecting, the_first_family_is_tried_first_and_wins_when_it_answers) {
    server.answer(loopbacks);
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"127.0.0.1", "::1"});
        for (const families wanted : {families::any, families::ipv4_first, families::ipv4_only, families::ipv6_only}) {
            const char* expected = wants_ipv4_first(wanted) ? "127.0.0.1" : "::1";
            result<connected> made =
                co_await connect_host(on.loop, on.names, "www.example", open.port, {.wanted = wanted});
            EXPECT_EQ(text_of(made), at(expected, open.port));
            EXPECT_EQ(made->socket.peer_address().value(), made->peer);
            EXPECT_GE(made->timings.dns, 0ns);
            EXPECT_GT(made->timings.connect, 0ns);
        }
    });
}

// What a filter does not recognise it lets pass.
TEST_P(connecting, an_ipv4_address_within_an_ipv6_one_is_an_ipv4_address) {
    server.answer([](const question& asked) -> reply {
        return asked.type == type_aaaa ? reply{.records = {aaaa("::ffff:127.0.0.1")}} : reply{};
    });
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"127.0.0.1"});
        for (const char* host : {"mapped.example", "::ffff:127.0.0.1", "::ffff:7f00:1"}) {
            tried seen;
            result<connected> made = co_await connect_host(on.loop, on.names, host, open.port, seen.watch(on.loop));
            EXPECT_EQ(text_of(made), at("127.0.0.1", open.port));
            EXPECT_EQ(seen.order(), "127.0.0.1 ");
        }
    });
}

TEST_P(connecting, a_refusal_starts_the_next_attempt_at_once) {
    server.answer(loopbacks);
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"127.0.0.2"}, {"::1", "127.0.0.1"});
        tried seen;
        result<connected> made = co_await connect_host(on.loop, on.names, "www.example", open.port,
                                                       seen.watch(on.loop, {.attempt_delay = 10min}));
        EXPECT_EQ(text_of(made), at("127.0.0.2", open.port));
        EXPECT_EQ(seen.order(), "::1 127.0.0.1 127.0.0.2 ");
    });
}

TEST_P(connecting, the_next_attempt_starts_when_one_takes_too_long_and_the_loser_is_gone) {
    server.answer([](const question& asked) -> reply {
        if (asked.type == type_aaaa) return {};
        return {.records = {a("127.0.0.2"), a("127.0.0.1")}};
    });
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"127.0.0.1"});
        black_hole hole;
        co_await black_hole::open(on.loop, "127.0.0.2", open.port, hole);
        const std::size_t before = on.loop.reactor().descriptors().live();
        tried seen;
        result<connected> made = co_await connect_host(on.loop, on.names, "www.example", open.port,
                                                       seen.watch(on.loop, {.attempt_delay = 30ms}));
        EXPECT_EQ(text_of(made), at("127.0.0.1", open.port));
        EXPECT_EQ(seen.order(), "127.0.0.2 127.0.0.1 ");
        EXPECT_GE(seen.all[1].when - seen.all[0].when, 30ms);
        EXPECT_GE(made->timings.connect, 30ms);
        // the resolver's sockets and the loser's; io_uring's last word on them may take a turn
        for (int i = 0; i < 2000 && on.loop.reactor().descriptors().live() > before + 1; ++i) co_await yield();
        EXPECT_EQ(on.loop.reactor().descriptors().live(), before + 1);
    });
}

TEST_P(connecting, ipv4_does_not_wait_for_a_silent_aaaa_longer_than_the_resolution_delay) {
    server.answer([](const question& asked) -> reply {
        return asked.type == type_aaaa ? reply{.silent = true} : loopbacks(asked);
    });
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"127.0.0.1"});
        result<connected> made =
            co_await connect_host(on.loop, on.names, "www.example", open.port, {.resolution_delay = 20ms});
        EXPECT_EQ(text_of(made), at("127.0.0.1", open.port));
        EXPECT_GE(made->timings.dns, 20ms);
    });
}

TEST_P(connecting, ipv6_comes_first_when_it_arrives_within_the_resolution_delay) {
    server.answer([](const question& asked) -> reply {
        reply what = loopbacks(asked);
        what.held = asked.type == type_aaaa;
        return what;
    });
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"127.0.0.1", "::1"});
        auto let_go = [](world here) -> task<void> {
            while (here.names.counters().positive == 0) co_await yield();
            here.server.release();
        };
        auto [made, done] = co_await when_all(
            connect_host(on.loop, on.names, "www.example", open.port, {.resolution_delay = 10min}), let_go(on));
        EXPECT_EQ(text_of(made), at("::1", open.port));
    });
}

TEST_P(connecting, addresses_that_arrive_during_the_attempts_are_tried_too) {
    server.answer([](const question& asked) -> reply {
        if (asked.type == type_aaaa) return {.records = {aaaa("::1")}, .held = true};
        return {.records = {a("127.0.0.2")}};
    });
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"::1"});
        black_hole hole;
        co_await black_hole::open(on.loop, "127.0.0.2", open.port, hole);
        tried seen;
        auto let_go = [](world here, tried& watched) -> task<void> {
            while (watched.all.empty()) co_await yield();
            here.server.release();
        };
        auto [made, done] =
            co_await when_all(connect_host(on.loop, on.names, "www.example", open.port,
                                           seen.watch(on.loop, {.resolution_delay = 0ns, .attempt_delay = 1ms})),
                              let_go(on, seen));
        EXPECT_EQ(text_of(made), at("::1", open.port));
        EXPECT_EQ(seen.order(), "127.0.0.2 ::1 ");
    });
}

TEST_P(connecting, when_all_fail_the_error_that_says_most_is_given) {
    server.answer(loopbacks);
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {}, {"::1", "127.0.0.1", "127.0.0.2", "127.0.0.3"});
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "www.example", open.port)), "connection refused");
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "127.0.0.1", open.port)), "connection refused");
    });
}

TEST_P(connecting, no_more_attempts_are_started_than_allowed) {
    server.answer(loopbacks);
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {}, {"::1", "127.0.0.1"});
        tried seen;
        result<connected> made = co_await connect_host(on.loop, on.names, "www.example", open.port,
                                                       seen.watch(on.loop, {.attempts_max = 2}));
        EXPECT_EQ(text_of(made), "connection refused");
        EXPECT_EQ(seen.order(), "::1 127.0.0.1 ");
    });
}

TEST_P(connecting, addresses_that_the_filter_refuses_are_passed_over) {
    server.answer(loopbacks);
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"127.0.0.1", "127.0.0.3", "::1"});
        auto only_three = [](const io::socket_address& peer) { return peer.host() == "127.0.0.3"; };
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "www.example", open.port, {.allow = only_three})),
                  at("127.0.0.3", open.port));
        auto none = [](const io::socket_address&) { return false; };
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "www.example", open.port, {.allow = none})),
                  "permission denied");
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "127.0.0.1", open.port, {.allow = none})),
                  "permission denied");
    });
}

TEST_P(connecting, what_is_wrong_with_the_name_is_told) {
    server.answer([](const question& asked) -> reply {
        return {.rcode = asked.name == "none.example" ? nxdomain : asked.name == "fails.example" ? servfail : 0};
    });
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "none.example", 80)), "name not found");
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "empty.example", 80)), "name has no such data");
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "fails.example", 80)), "name server failed");
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "two words", 80)), "invalid argument");
        EXPECT_EQ(text_of(co_await connect_host(on.loop, on.names, "::1", 80, {.wanted = families::ipv4_only})),
                  "name has no such data");
    });
}

TEST_P(connecting, a_deadline_or_a_stop_ends_the_names_and_the_attempts) {
    server.answer([](const question& asked) -> reply { return {.silent = asked.name == "silent.example"}; });
    run([](world on) -> task<void> {
        black_hole hole;
        co_await black_hole::open(on.loop, "127.0.0.2", 0, hole);
        const std::uint16_t port = hole.sockets.front().local_address()->port();
        for (const char* host : {"silent.example", "127.0.0.2"}) {
            EXPECT_EQ(text_of(co_await with_timeout(10ms, connect_host(on.loop, on.names, host, port))), "timed out");
            auto keep = [](world here, std::string name, std::uint16_t where, std::string& out) -> task<void> {
                out = text_of(co_await connect_host(here.loop, here.names, std::move(name), where));
            };
            std::string got;
            counting_scope scope(on.loop);
            scope.spawn(keep(on, host, port, got));
            for (int i = 0; i < 20; ++i) co_await yield();
            scope.request_stop();
            co_await scope.join();
            EXPECT_EQ(got, "stopped");
            // a scope that is cancelled already
            scope.spawn(keep(on, host, port, got));
            co_await scope.join();
            EXPECT_EQ(got, "stopped");
        }
    });
}

connect_options from(const char* ipv4, const char* ipv6) {
    connect_options made;
    if (ipv4) made.source_ipv4 = io::socket_address::parse(ipv4, 0).value();
    if (ipv6) made.source_ipv6 = io::socket_address::parse(ipv6, 0).value();
    return made;
}

TEST_P(connecting, a_connection_comes_from_the_source_address_and_from_no_other) {
    server.answer(loopbacks);
    run([](world on) -> task<void> {
        const listeners open = listen_on(on.loop, {"127.0.0.1", "::1"});
        // of two families the one with a source address is used, also where the other one would come first
        connect_options how = from("127.0.0.9", nullptr);
        result<connected> made = co_await connect_host(on.loop, on.names, "www.example", open.port, std::move(how));
        EXPECT_EQ(text_of(made), at("127.0.0.1", open.port));
        EXPECT_EQ(made->socket.local_address().value().host(), "127.0.0.9");
        how = from(nullptr, "::1");
        made = co_await connect_host(on.loop, on.names, "www.example", open.port, std::move(how));
        EXPECT_EQ(text_of(made), at("::1", open.port));
        how = from(nullptr, "::1");
        made = co_await connect_host(on.loop, on.names, "127.0.0.1", open.port, std::move(how));
        EXPECT_FALSE(made.has_value()) << "without a source for IPv4";
        how = from(nullptr, "::1");
        how.wanted = families::ipv4_only;
        made = co_await connect_host(on.loop, on.names, "www.example", open.port, std::move(how));
        EXPECT_EQ(text_of(made), error(errc::address_not_available).message());
        how = from("192.0.2.1", nullptr);  // not this machine's (RFC 5737)
        made = co_await connect_host(on.loop, on.names, "127.0.0.1", open.port, std::move(how));
        EXPECT_FALSE(made.has_value());
        EXPECT_EQ(made.error(), errc::address_not_available);
    });
}

TEST(connecting_to_nobody, never_ends_in_a_connection_of_a_socket_with_itself) {
#ifdef _WIN32
    GTEST_SKIP() << "about the ports that Linux gives";
#endif
    io::event_loop loop({.reactor = io::test::kernel_reactors.front()});
    resolver names(loop, {.hosts_file = ""});
    loop.run([](io::event_loop& here, resolver& through) -> task<void> {
        // Linux gives even ports to connects and odd ones to listeners
        const auto nobody = static_cast<std::uint16_t>(listen_on(here, {"127.0.0.1"}).port & ~1);
        for (int i = 0; i < 30'000; ++i) {  // as many as there are such ports
            const result<connected> made = co_await connect_host(here, through, "127.0.0.1", nobody);
            EXPECT_FALSE(made && made->socket.local_address().value() == made->peer);
        }
    }(loop, names));
}

INSTANTIATE_TEST_SUITE_P(reactors, connecting, real_reactors, io::test::name_of_case);

using without_servers = io::test::on_every_reactor;

TEST_P(without_servers, addresses_and_names_of_this_machine_are_connected_to) {
    loop->run([](io::event_loop& here) -> task<void> {
        resolver names(here, {.hosts_file = ""});
        result<io::socket> listener = io::test::listen_on_loopback(here);
        const std::uint16_t port = listener->local_address()->port();
        for (const char* host : {"127.0.0.1", "localhost", "app.localhost"}) {
            result<connected> made = co_await connect_host(here, names, host, port, {.attempt_delay = 10min});
            EXPECT_TRUE(made.has_value() && made->peer.is_loopback()) << host << ": " << text_of(made);
            EXPECT_EQ(made->peer.port(), port);
        }
        EXPECT_EQ(names.counters().queries, 0u);
    }(*loop));
    expect_quiet();
}

TEST_P(without_servers, a_source_address_needs_no_name_server) {
    loop->run([](io::event_loop& here) -> task<void> {
        resolver names(here, {.hosts_file = ""});
        result<io::socket> listener = io::test::listen_on_loopback(here);
        const std::uint16_t port = listener->local_address()->port();
        connect_options how = from("127.0.0.9", nullptr);
        result<connected> made = co_await connect_host(here, names, "127.0.0.1", port, std::move(how));
        EXPECT_TRUE(made.has_value()) << text_of(made);
        EXPECT_EQ(made->socket.local_address().value().host(), "127.0.0.9");
        EXPECT_NE(made->socket.local_address().value().port(), 0);
    }(*loop));
    expect_quiet();
}

INSTANTIATE_TEST_SUITE_P(reactors, without_servers, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
