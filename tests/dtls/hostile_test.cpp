// What strangers, liars and broken ways do to a server, and to those it serves.
#include "base/random.hpp"
#include "hand_client.hpp"

namespace co_wq::net::tls::test {
namespace {

class hostile : public io::test::on_every_reactor {};
INSTANTIATE_TEST_SUITE_P(everywhere, hostile, io::test::every_reactor, io::test::name_of_case);

constexpr std::size_t random_at = 13 + 12 + 2;  // in a datagram with a hello

task<void> flood(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    hand_client client(loop, *here.local_address());
    std::string hello = client.last_sent();
    std::size_t answer_max = 0;
    for (int i = 0; i < 2000; ++i) {
        hello[random_at] = static_cast<char>(i);
        hello[random_at + 1] = static_cast<char>(i >> 8);
        client.send_raw(hello);
        const std::string answer = co_await client.receive();
        answer_max = std::max(answer_max, answer.size());
    }
    EXPECT_GE(here.counters().cookies, 1990u);
    EXPECT_EQ(here.counters().sessions, 0u);
    EXPECT_EQ(here.counters().half_open, 0u);
    EXPECT_GT(answer_max, 0u);
    EXPECT_LT(answer_max, hello.size());
}
TEST_P(hostile, first_hellos_are_answered_shorter_and_forgotten) {
    loop->run(flood(*loop));
    expect_quiet();
}

task<void> wrong_cookies(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    hand_client client(loop, *here.local_address());
    client.feed(co_await client.receive());
    const std::string good = client.last_sent();  // with its cookie: a session begins
    bool done = co_await soon([&] { return here.counters().half_open == 1; });
    EXPECT_TRUE(done);
    hand_client thief(loop, *here.local_address());
    (void)co_await thief.receive();
    thief.send_raw(good);  // the cookie of another
    const std::string answer = co_await thief.receive();
    EXPECT_EQ(answer.size(), detail::hello_verify_bytes);
    EXPECT_EQ(here.counters().bad_cookies, 1u);
    EXPECT_EQ(here.counters().half_open, 1u);
    done = co_await client.shake();
    EXPECT_TRUE(done);
}
TEST_P(hostile, a_cookie_is_of_use_to_its_own_client_only) {
    loop->run(wrong_cookies(*loop));
    expect_quiet();
}

// ---- limits

task<void> half_open(io::event_loop& loop) {
    dtls_listener_options limits;
    limits.half_open_max = 2;
    limits.handshake_limit = 200ms;
    const dtls_listener here = listen(loop, limits);
    std::vector<std::unique_ptr<hand_client>> stalled;
    for (int i = 0; i < 3; ++i) {
        stalled.push_back(std::make_unique<hand_client>(loop, *here.local_address()));
        stalled.back()->feed(co_await stalled.back()->receive());
    }
    bool done = co_await soon([&] { return here.counters().refused > 0; });
    EXPECT_TRUE(done);
    EXPECT_EQ(here.counters().half_open, 2u);
    done = co_await soon([&] { return here.counters().half_open == 0; });
    EXPECT_TRUE(done);
    EXPECT_EQ(here.counters().failed, 2u);
    EXPECT_EQ(here.counters().last_failure, errc::timed_out);
    EXPECT_EQ(here.counters().sessions, 0u);
    const sessions both = co_await make_sessions(loop, here);  // there is room again
}
TEST_P(hostile, half_open_handshakes_are_bounded_in_number_and_time) {
    loop->run(half_open(*loop));
    expect_quiet();
}

task<void> full(io::event_loop& loop) {
    dtls_listener_options limits;
    limits.sessions_max = 3;
    limits.backlog_max = 2;
    const dtls_listener here = listen(loop, limits);
    dtls_options quick;
    quick.first_wait = 20ms;
    std::vector<dtls_session> clients;
    for (int i = 0; i < 2; ++i) {
        result<dtls_session> made = co_await with_timeout(20s, connect(loop, *here.local_address(), quick));
        EXPECT_TRUE(made.has_value());
        if (made) clients.push_back(std::move(*made));
    }
    const result<dtls_session> third = co_await with_timeout(20s, connect(loop, *here.local_address(), quick));
    EXPECT_TRUE(third.has_value());  // its handshake is over before the server sees that the backlog is full
    if (third) {
        const std::string heard = co_await hear(*third);
        EXPECT_EQ(heard, "ended");
    }
    EXPECT_EQ(here.counters().waiting, 2u);
    EXPECT_EQ(here.counters().refused, 1u);
    std::vector<dtls_session> servers;
    for (int i = 0; i < 2; ++i) servers.push_back((co_await here.accept()).value());
    const sessions last = co_await make_sessions(loop, here, quick);
    EXPECT_EQ(here.counters().sessions, 3u);
    const result<dtls_session> beyond = co_await with_timeout(100ms, connect(loop, *here.local_address(), quick));
    EXPECT_EQ(beyond.error(), errc::timed_out);
    servers.clear();
    const result<dtls_session> again = co_await with_timeout(20s, connect(loop, *here.local_address(), quick));
    EXPECT_TRUE(again.has_value());
}
TEST_P(hostile, sessions_and_backlog_are_bounded) {
    loop->run(full(*loop));
    expect_quiet();
}

// ---- a client that begins anew

task<void> restart(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    hand_client client(loop, *here.local_address());
    bool done = co_await client.shake();
    EXPECT_TRUE(done);
    const dtls_session first = (co_await here.accept()).value();
    // what the server has sent twice is not for who begins anew
    for (std::string come = "begin"; !come.empty();) come = co_await client.receive(100ms);
    client.begin();  // without a cookie: nothing happens to the first
    std::string asked = co_await client.receive();
    for (int i = 0; i < 20 && asked.size() != detail::hello_verify_bytes; ++i) asked = co_await client.receive();
    EXPECT_EQ(asked.size(), detail::hello_verify_bytes);
    const std::string said = co_await say(first, "still here");
    EXPECT_EQ(said, "ok");
    EXPECT_EQ(here.counters().replaced, 0u);
    client.feed(asked);
    done = co_await client.shake();
    EXPECT_TRUE(done);
    std::string heard = co_await hear(first);
    EXPECT_EQ(heard, "connection reset");
    heard = co_await say(first, "x");
    EXPECT_EQ(heard, "connection reset");
    const dtls_session second = (co_await here.accept()).value();
    (void)client.engine().send(as_bytes("anew"), loop.now());
    heard = co_await hear(second);
    EXPECT_EQ(heard, "anew");
    EXPECT_EQ(here.counters().replaced, 1u);
    EXPECT_EQ(here.counters().sessions, 1u);
}
TEST_P(hostile, a_restarted_client_replaces_its_session_once_its_cookie_is_good) {
    loop->run(restart(*loop));
    expect_quiet();
}

task<void> lost_last_flight(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    hand_client client(loop, *here.local_address());
    // up to what makes the server open; nothing of its last flight arrives
    while (here.counters().opened == 0) {
        const std::string come = co_await client.receive(200ms);
        if (here.counters().opened == 0 && !come.empty()) client.feed(come);
        client.engine().expire(loop.now());
    }
    for (std::string come = "begin"; !come.empty();) come = co_await client.receive(100ms);
    {
        const dtls_session served = (co_await here.accept()).value();
        const std::string said = co_await say(served, "too early");
        EXPECT_EQ(said, "ok");
    }
    EXPECT_EQ(here.counters().lingering, 1u);
    for (std::string come = "begin"; !come.empty();) come = co_await client.receive(100ms);
    const bool done = co_await client.shake();
    EXPECT_TRUE(done) << static_cast<int>(client.engine().now_is()) << explain(client.engine().what());
    (void)client.engine().send(as_bytes("thanks"), loop.now());
    const bool gone = co_await soon([&] { return here.counters().lingering == 0; });
    EXPECT_TRUE(gone);
    EXPECT_EQ(here.counters().sessions, 0u);
}
TEST_P(hostile, a_closed_session_still_answers_a_client_that_missed_its_last_flight) {
    loop->run(lost_last_flight(*loop));
    expect_quiet();
}

// ---- garbage

task<void> garbage(io::event_loop& loop, std::uint64_t seed) {
    const dtls_listener here = listen(loop);
    hand_client client(loop, *here.local_address());
    const std::string hello = client.last_sent();
    seeded_random random(seed);
    const auto changed = [&random](std::string one) {
        for (std::uint64_t i = 1 + random.below(4); i > 0 && !one.empty(); --i)
            one[random.below(one.size())] = static_cast<char>(random.next());
        return one.substr(0, random.one_in(3) ? random.below(one.size()) : one.size());
    };
    client.send_raw(std::string(60'000, '\x16'));  // longer than any we take
    for (int i = 0; i < 300; ++i) client.send_raw(changed(hello));
    client.send_raw(std::string());
    // answers to those hellos are not for the next
    for (std::string come = "begin"; !come.empty();) come = co_await client.receive(500ms);
    client.begin();
    const bool done = co_await client.shake();
    EXPECT_TRUE(done);
    if (!done) co_return;
    const dtls_session served = (co_await with_timeout(20s, here.accept())).value();
    (void)client.engine().send(as_bytes("true"), loop.now());
    const std::string genuine = client.last_sent();
    std::string heard = co_await hear(served);
    EXPECT_EQ(heard, "true");
    for (int i = 0; i < 300; ++i) {
        client.send_raw(genuine);
        client.send_raw(changed(genuine));
    }
    const auto ignored = [&] { return served.counters().ignored >= 100; };
    (void)co_await soon(ignored);
    EXPECT_TRUE(ignored()) << served.counters().ignored;
    (void)client.engine().send(as_bytes("again"), loop.now());
    heard = co_await hear(served);
    EXPECT_EQ(heard, "again");
    EXPECT_EQ(here.counters().truncated, 1u);
    EXPECT_EQ(here.counters().sessions, 1u);
}
TEST_P(hostile, garbage_is_dropped_and_counted_and_the_session_goes_on) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) loop->run(garbage(*loop, seed));
    expect_quiet();
}

task<void> overflow(io::event_loop& loop) {
    dtls_listener_options small;
    small.inbox_messages_max = 4;
    const dtls_listener here = listen(loop, small);
    const sessions both = co_await make_sessions(loop, here);
    std::string heard;
    for (int i = 0; i < 10; ++i) heard = co_await say(both.client, std::to_string(i));
    const bool done = co_await soon([&] { return both.server.counters().overflowed == 6; });
    EXPECT_TRUE(done);
    for (int i = 0; i < 4; ++i) {
        heard = co_await hear(both.server);
        EXPECT_EQ(heard.size(), 1u);
    }
    heard = co_await say(both.client, "there is room again");
    heard = co_await hear(both.server);
    EXPECT_EQ(heard, "there is room again");
}
TEST_P(hostile, a_full_inbox_drops_the_newest_and_counts_them) {
    loop->run(overflow(*loop));
    expect_quiet();
}

}  // namespace
}  // namespace co_wq::net::tls::test
