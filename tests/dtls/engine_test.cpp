// Two engines and the way between them, on virtual time: no sockets, no loop.
#include <gtest/gtest.h>
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "net/tls/client_context.hpp"
#include "net/tls/detail/dtls_cookies.hpp"
#include "net/tls/detail/dtls_engine.hpp"
#include "net/tls/errors.hpp"
#include "net/tls/server_context.hpp"
#include "support/certificates.hpp"

namespace co_wq::net::tls::detail {
namespace {

using namespace std::chrono_literals;
using phase = dtls_engine::phase;

const test::authority& house() {
    static const test::authority one;
    return one;
}

client_context client_side(const std::string& host_trusted = house().certificate(), bool remember = false) {
    client_options options;
    options.trusted = trust::from_pem(host_trusted).value();
    options.over = transport::datagrams;
    options.sessions_max = remember ? 16 : 0;
    return client_context::make(std::move(options)).value();
}

server_context server_side(const test::wish& wanted = {.dns_names = {"server.test"}}, std::string ciphers = {}) {
    const test::made shown = house().issue(wanted);
    server_options options;
    options.identities = {identity::from_pem(shown.certificate + house().certificate(), shown.key).value()};
    options.over = transport::datagrams;
    options.ciphers = std::move(ciphers);
    return server_context::make(std::move(options)).value();
}

// One end, and what it has sent and heard.
struct end final : engine_sink {
    result<void> output(const_bytes datagram) noexcept override {
        ++sent;
        longest = std::max(longest, datagram.size());
        if (datagram.size() > refuses_over) return fail(errc::message_too_long);
        out.emplace_back(as_text(datagram));
        return {};
    }
    void arrived(const_bytes message) noexcept override { heard.emplace_back(as_text(message)); }

    std::deque<std::string> out;
    std::vector<std::string> heard;
    std::size_t sent = 0, longest = 0, refuses_over = 65'535;
    std::unique_ptr<dtls_engine> engine;
};

// A cookie exchange and two engines; time passes in steps to whatever is due.
struct pair_of_ends {
    explicit pair_of_ends(const client_context& by = client_side(), const server_context& to = server_side(),
                          engine_settings settings = {}, std::string_view key = {})
        : accepts(to), settings_(settings) {
        client.engine = std::make_unique<dtls_engine>(ssl_ptr(by.open("server.test", key).value()), client, settings);
        EXPECT_TRUE(client.engine->start_client(now));
    }

    // To the server: before there is an engine, hellos are answered with cookies.
    void to_server(const std::string& datagram) {
        if (server.engine) return (void)server.engine->feed(as_bytes(datagram), now);
        const auto hello = parse_client_hello(as_bytes(datagram));
        if (!hello) return;
        if (!secrets.good(where, *hello, now)) {
            const auto answer = hello_verify(*hello, *secrets.make(where, *hello, now));
            return server.out.emplace_back(as_text(answer)), void();
        }
        cookie good;
        std::copy(hello->cookie.begin(), hello->cookie.end(), good.begin());
        server.engine = std::make_unique<dtls_engine>(ssl_ptr(accepts.open().value()), server, settings_);
        EXPECT_TRUE(server.engine->start_server(as_bytes(datagram), good, now));
    }
    void move_all() {
        while (!client.out.empty() || !server.out.empty()) {
            move(client, true);
            move(server, false);
        }
    }
    void move(end& from, bool to_the_server) {
        if (from.out.empty()) return;
        std::string datagram = std::move(from.out.front());
        from.out.pop_front();
        if (lose && lose(datagram, to_the_server)) return;
        if (to_the_server) return to_server(datagram);
        (void)client.engine->feed(as_bytes(datagram), now);
    }
    // Until both are open, or one has failed; false: not within this time.
    bool shake(duration limit = 100s) {
        const time_point until = now + limit;
        for (;;) {
            move_all();
            const bool open = server.engine && server.engine->now_is() == phase::open;
            if (open && client.engine->now_is() == phase::open) return true;
            if (client.engine->now_is() == phase::failed) return false;
            if (server.engine && server.engine->now_is() == phase::failed) return false;
            const time_point due = std::min(client.engine->due(), server.engine ? server.engine->due() : no_deadline);
            if (due > until) return false;
            now = std::max(now, due);
            client.engine->expire(now);
            if (server.engine) server.engine->expire(now);
        }
    }

    server_context accepts;
    engine_settings settings_;
    time_point now{1h};
    io::socket_address where = io::socket_address::loopback(1);
    cookie_secrets secrets;
    end client, server;
    bool (*lose)(const std::string&, bool) = nullptr;
};

TEST(dtls_engine, shakes_hands_with_a_cookie_and_carries_messages_with_their_bounds) {
    pair_of_ends both;
    ASSERT_TRUE(both.shake()) << both.client.engine->what().message();
    EXPECT_EQ(both.now, time_point(1h));  // nothing was lost, so nobody waited
    ASSERT_TRUE(both.client.engine->send(as_bytes("one"), both.now));
    ASSERT_TRUE(both.client.engine->send(as_bytes("two"), both.now));
    ASSERT_TRUE(both.server.engine->send(as_bytes("three"), both.now));
    both.move_all();
    EXPECT_EQ(both.server.heard, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(both.client.heard, (std::vector<std::string>{"three"}));
    EXPECT_STREQ(SSL_get_version(both.client.engine->native()), "DTLSv1.2");
}

TEST(dtls_engine, waits_one_second_then_two_then_four_up_to_a_minute_and_then_gives_up) {
    pair_of_ends both;
    both.lose = [](const std::string&, bool) { return true; };
    const time_point begin = both.now;
    std::vector<long> at;
    while (both.client.engine->now_is() == phase::shaking_hands) {
        ASSERT_NE(both.client.engine->due(), no_deadline);
        both.now = both.client.engine->due();
        both.client.engine->expire(both.now);
        at.push_back(std::chrono::duration_cast<std::chrono::seconds>(both.now - begin).count());
        ASSERT_LT(at.size(), 50u);
    }
    EXPECT_EQ((std::vector<long>(at.begin(), at.begin() + 8)), (std::vector<long>{1, 3, 7, 15, 31, 63, 123, 183}));
    EXPECT_EQ(both.client.engine->what(), errc::timed_out);
    EXPECT_EQ(both.client.engine->due(), no_deadline);
}

TEST(dtls_engine, a_new_flight_begins_with_the_first_wait_again) {
    engine_settings quick;
    quick.first_wait = 50ms;
    pair_of_ends both(client_side(), server_side(), quick);
    both.client.out.clear();  // the first hello is lost three times
    for (int i = 0; i < 3; ++i) {
        both.now = both.client.engine->due();
        both.client.engine->expire(both.now);
        if (i < 2) both.client.out.clear();
    }
    EXPECT_EQ(both.client.engine->due() - both.now, 400ms);
    both.move(both.client, true);
    both.move(both.server, false);  // the cookie: a second hello
    EXPECT_EQ(both.client.engine->due() - both.now, 50ms);
}

// Every single datagram of a handshake lost once, in either direction.
TEST(dtls_engine, any_one_datagram_of_a_handshake_may_be_lost) {
    static int left;
    for (int lost = 0; lost < 30; ++lost) {
        pair_of_ends both;
        left = lost;
        both.lose = [](const std::string&, bool) { return left-- == 0; };
        ASSERT_TRUE(both.shake()) << lost;
        ASSERT_TRUE(both.client.engine->send(as_bytes("still here"), both.now));
        both.lose = nullptr;
        both.move_all();
        EXPECT_EQ(both.server.heard.size(), 1u) << lost;
        if (left >= 0) return;  // there are no more to lose
        EXPECT_GE(both.now - time_point(1h), 1s) << lost;
    }
    FAIL() << "a handshake of more than 30 datagrams";
}

TEST(dtls_engine, a_lost_last_flight_is_sent_again_when_the_peer_repeats_its_own) {
    static int count;
    static pair_of_ends* here;
    count = 0;
    pair_of_ends both;
    here = &both;
    both.lose = [](const std::string&, bool to_server) {  // the first three that the server sends when it is open
        return !to_server && here->server.engine && here->server.engine->now_is() == phase::open && count++ < 3;
    };
    ASSERT_TRUE(both.shake());
    EXPECT_GE(both.now - time_point(1h), 1s);
    EXPECT_TRUE(both.server.engine->last_flight_open());
    (void)both.client.engine->send(as_bytes("x"), both.now);
    both.move_all();
    EXPECT_FALSE(both.server.engine->last_flight_open());
    EXPECT_FALSE(both.client.engine->last_flight_open());
}

TEST(dtls_engine, answers_a_repeated_last_flight_even_after_its_goodbye) {
    pair_of_ends both;
    while (!both.server.engine || both.server.engine->now_is() != phase::open) {
        both.move(both.client, true);
        if (!both.server.engine || both.server.engine->now_is() != phase::open) both.move(both.server, false);
    }
    both.server.out.clear();  // its last flight is lost
    both.server.engine->shut_down(both.now);
    both.server.out.clear();
    both.now = both.client.engine->due();
    both.client.engine->expire(both.now);
    both.move_all();
    EXPECT_EQ(both.client.engine->now_is(), phase::open);
}

class path : public testing::TestWithParam<std::size_t> {};

TEST_P(path, flights_and_messages_keep_to_what_it_carries) {
    engine_settings settings;
    settings.path_bytes = GetParam();
    pair_of_ends both(client_side(), server_side(), settings);
    ASSERT_TRUE(both.shake());
    EXPECT_LE(both.client.longest + 28, GetParam());
    EXPECT_LE(both.server.longest + 28, GetParam());
    const std::size_t most = both.client.engine->payload_max();
    EXPECT_GT(most, GetParam() - 28 - 80);
    EXPECT_EQ(both.client.engine->send(as_bytes(std::string(most + 1, 'x')), both.now).error(), errc::message_too_long);
    ASSERT_TRUE(both.client.out.empty());
    ASSERT_TRUE(both.client.engine->send(as_bytes(std::string(most, 'x')), both.now));
    EXPECT_LE(both.client.longest + 28, GetParam());
    both.move_all();
    ASSERT_EQ(both.server.heard.size(), 1u);
    EXPECT_EQ(both.server.heard[0].size(), most);
}

INSTANTIATE_TEST_SUITE_P(bytes, path, testing::Values(296, 300, 512, 576, 1024, 1280, 1400, 1500, 4096, 9000, 16000));

TEST(dtls_engine, a_way_that_refuses_long_datagrams_gets_short_ones_at_once) {
    pair_of_ends both;
    both.server.refuses_over = 600;
    ASSERT_TRUE(both.shake());
    EXPECT_EQ(both.now, time_point(1h));
    EXPECT_LE(both.server.engine->path_bytes(), 628u);
    EXPECT_GT(both.server.longest, 600u);
}

TEST(dtls_engine, a_way_that_swallows_long_datagrams_gets_short_ones_in_the_end) {
    pair_of_ends both;
    both.lose = [](const std::string& datagram, bool) { return datagram.size() > 500; };
    ASSERT_TRUE(both.shake());
    EXPECT_LE(both.server.engine->path_bytes(), 576u);
}

TEST(dtls_engine, a_message_that_the_way_refuses_is_an_error_and_the_next_limit_is_lower) {
    pair_of_ends both;
    ASSERT_TRUE(both.shake());
    const std::size_t before = both.client.engine->payload_max();
    both.client.refuses_over = 1000;
    EXPECT_EQ(both.client.engine->send(as_bytes(std::string(before, 'x')), both.now).error(), errc::message_too_long);
    EXPECT_LT(both.client.engine->payload_max(), before);
    EXPECT_EQ(both.client.engine->now_is(), phase::open);
}

TEST(dtls_engine, repeated_forged_and_broken_records_change_nothing) {
    pair_of_ends both;
    ASSERT_TRUE(both.shake());
    ASSERT_TRUE(both.client.engine->send(as_bytes("once"), both.now));
    const std::string good = both.client.out.front();
    both.client.out.clear();
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string forged = good;
        forged[at] = static_cast<char>(forged[at] ^ 1);
        EXPECT_FALSE(both.server.engine->feed(as_bytes(forged), both.now)) << at;
        EXPECT_FALSE(both.server.engine->feed(as_bytes(good.substr(0, at)), both.now)) << at;
    }
    EXPECT_TRUE(both.server.engine->feed(as_bytes(good), both.now));
    EXPECT_FALSE(both.server.engine->feed(as_bytes(good), both.now));
    EXPECT_EQ(both.server.heard, (std::vector<std::string>{"once"}));
    EXPECT_EQ(both.server.engine->now_is(), phase::open);
}

std::string short_record(int type, int epoch, int size) {
    std::string made(static_cast<std::size_t>(13 + size), '\0');
    made[0] = static_cast<char>(type);
    made[1] = static_cast<char>(0xfe);
    made[2] = static_cast<char>(0xfd);
    made[4] = static_cast<char>(epoch);
    made[10] = 77;
    made[12] = static_cast<char>(size);
    return made;
}

void feed_short_records(pair_of_ends& both, int first_epoch) {
    for (int size = 0; size < 60; ++size)
        for (int type = 20; type < 24; ++type)
            for (int epoch = first_epoch; epoch < 3; ++epoch)
                for (end* one : {&both.client, &both.server})
                    if (one->engine) (void)one->engine->feed(as_bytes(short_record(type, epoch, size)), both.now);
}

// Each ended the session: OpenSSL takes them for a fault of its own.
TEST(dtls_engine, records_shorter_than_their_seal_are_dropped) {
    for (const char* const ciphers : {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
                                      "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-SHA256",
                                      "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA"}) {
        client_options options;
        options.trusted = trust::from_pem(house().certificate()).value();
        options.over = transport::datagrams;
        options.ciphers = ciphers;
        pair_of_ends both(client_context::make(std::move(options)).value(),
                          server_side({.dns_names = {"server.test"}}, ciphers));
        feed_short_records(both, 1);
        ASSERT_TRUE(both.shake()) << ciphers << explain(both.client.engine->what());
        feed_short_records(both, 0);
        EXPECT_EQ(both.client.engine->now_is(), phase::open) << ciphers << explain(both.client.engine->what());
        EXPECT_EQ(both.server.engine->now_is(), phase::open) << ciphers;
        ASSERT_TRUE(both.client.engine->send(as_bytes("good"), both.now));
        both.move_all();
        EXPECT_EQ(both.server.heard, (std::vector<std::string>{"good"}));
    }
}

std::size_t memory_in_use() {
#if defined(__GLIBC__)
    return ::mallinfo2().uordblks;
#else
    return 0;
#endif
}

// Sealed with a key that is not agreed on yet: anybody with a good cookie can send many, so few are kept.
TEST(dtls_engine, a_handshake_keeps_few_records_that_come_before_their_key) {
    for (const bool with_a_change : {false, true}) {
        pair_of_ends both;
        while (!both.server.engine) {
            both.move(both.client, true);
            if (!both.server.engine) both.move(both.server, false);
        }
        ASSERT_FALSE(both.server.out.empty());
        if (with_a_change) {  // forged, and long before its time
            std::string change = short_record(20, 0, 1);
            change.back() = 1;
            (void)both.server.engine->feed(as_bytes(change), both.now);
        }
        const std::size_t before = memory_in_use();
        for (int i = 0; i < 100; ++i) {
            std::string record = short_record(22, 1, 40);
            record[10] = static_cast<char>(i);
            EXPECT_FALSE(both.server.engine->feed(as_bytes(record), both.now));
        }
#if !defined(CO_WQ_SANITIZED)
        EXPECT_LT(memory_in_use(), before + std::size_t{128} * 1024);
#endif
        ASSERT_TRUE(both.shake()) << explain(both.server.engine->what());
        ASSERT_TRUE(both.client.engine->send(as_bytes("good"), both.now));
        both.move_all();
        EXPECT_EQ(both.server.heard, (std::vector<std::string>{"good"}));
    }
}

TEST(dtls_engine, no_change_of_a_record_ends_a_session) {
    pair_of_ends both;
    ASSERT_TRUE(both.shake());
    ASSERT_TRUE(both.client.engine->send(as_bytes("true"), both.now));
    const std::string good = both.client.out.front();
    both.client.out.clear();
    seeded_random random(1);
    for (int round = 0; round < 5000; ++round) {
        std::string forged = good;
        for (std::uint64_t i = 1 + random.below(4); i > 0; --i)
            forged[random.below(random.one_in(2) ? 13 : forged.size())] = static_cast<char>(random.next());
        if (random.one_in(3)) forged.resize(random.below(forged.size()));
        if (forged == good) continue;
        (void)both.server.engine->feed(as_bytes(forged), both.now);
        ASSERT_EQ(both.server.engine->now_is(), phase::open)
            << round << " " << testing::PrintToString(forged) << explain(both.server.engine->what());
        ASSERT_TRUE(both.server.heard.empty());
    }
}

TEST(dtls_engine, messages_come_in_any_order_and_each_once) {
    pair_of_ends both;
    ASSERT_TRUE(both.shake());
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(both.client.engine->send(as_bytes(std::to_string(i)), both.now));
    std::vector<std::string> sent(both.client.out.begin(), both.client.out.end());
    seeded_random random(5);
    for (std::size_t i = sent.size(); i > 1; --i) std::swap(sent[i - 1], sent[random.below(i)]);
    for (int round = 0; round < 2; ++round)
        for (const std::string& one : sent) (void)both.server.engine->feed(as_bytes(one), both.now);
    const std::set<std::string> once(both.server.heard.begin(), both.server.heard.end());
    EXPECT_EQ(once.size(), both.server.heard.size());
    EXPECT_EQ(once.size(), 40u);  // the window is 64 wide
}

TEST(dtls_engine, a_goodbye_ends_the_other_side_and_is_answered) {
    pair_of_ends both;
    ASSERT_TRUE(both.shake());
    both.client.engine->shut_down(both.now);
    both.move(both.client, true);
    EXPECT_EQ(both.server.engine->now_is(), phase::ended);
    ASSERT_FALSE(both.server.out.empty());
    both.move_all();
    EXPECT_EQ(both.client.engine->now_is(), phase::ended);
    EXPECT_EQ(both.server.engine->send(as_bytes("x"), both.now).error(), errc::broken_pipe);
}

TEST(dtls_engine, a_bad_certificate_has_its_name_on_both_sides) {
    const test::authority stranger("stranger");
    struct row {
        test::wish shown;
        std::string trusted;
        errc expected;
    } const rows[] = {
        {{.dns_names = {"server.test"}}, stranger.certificate(), errc::certificate_untrusted},
        {{.dns_names = {"other.test"}}, house().certificate(), errc::certificate_wrong_host},
        {{.dns_names = {"server.test"}, .valid_until_s = -60}, house().certificate(), errc::certificate_expired},
        {{.dns_names = {"server.test"}, .valid_from_s = 3600}, house().certificate(), errc::certificate_not_yet_valid},
    };
    for (const row& one : rows) {
        pair_of_ends both(client_side(one.trusted), server_side(one.shown));
        EXPECT_FALSE(both.shake());
        EXPECT_EQ(both.client.engine->what(), one.expected) << both.client.engine->what().message();
        both.move_all();  // the alert
        EXPECT_EQ(both.server.engine->what(), errc::alert_received) << both.server.engine->what().message();
    }
}

TEST(dtls_engine, a_session_is_resumed_without_certificates) {
    const client_context by = client_side(house().certificate(), true);
    const server_context to = server_side();
    pair_of_ends first(by, to, {}, "key");
    ASSERT_TRUE(first.shake());
    EXPECT_FALSE(first.client.engine->resumed());
    pair_of_ends second(by, to, {}, "key");
    ASSERT_TRUE(second.shake());
    EXPECT_TRUE(second.client.engine->resumed());
    EXPECT_TRUE(second.client.engine->last_flight_open());
    EXPECT_FALSE(second.server.engine->last_flight_open());
}

TEST(dtls_engine, on_the_systems_clock_a_lost_flight_is_sent_again_as_well) {
    engine_settings settings;
    settings.first_wait = 30ms;
    settings.system_clock = true;
    pair_of_ends both(client_side(), server_side(), settings);
    both.client.out.clear();
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (both.client.out.empty() && std::chrono::steady_clock::now() < limit) {
        if (both.client.engine->due() == no_deadline) break;
        both.now = both.client.engine->due();
        both.client.engine->expire(both.now);
    }
    EXPECT_FALSE(both.client.out.empty());
    EXPECT_EQ(both.client.engine->retransmissions(), 1u);
}

}  // namespace
}  // namespace co_wq::net::tls::detail
