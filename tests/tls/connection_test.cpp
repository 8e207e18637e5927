// A connection with TLS on it or without, and the pump between two of them, on every backend.
#include "net/tls/connection.hpp"

#include "support/on_wine.hpp"
#include "tls/world.hpp"

namespace co_wq::net::tls::test {
namespace {

// client <-> client_side | pump | origin_side <-> origin
struct ends {
    connection client, client_side, origin_side, origin;
};

task<void> pump_into(ends& all, pump_result& done) {
    const pump_options options{.idle_timeout = 30s};
    done = co_await pump(all.client_side, all.origin_side, options);
}

class connections : public tls {
protected:
    static task<void> make_pair(io::event_loop& loop, const house& home, bool secured, connection& near,
                                connection& far) {
        if (!secured) {
            io::test::connection raw = co_await io::test::make_connection(loop);
            near = connection(tcp_stream(std::move(raw.near)));
            far = connection(tcp_stream(std::move(raw.far)));
            co_return;
        }
        both made = co_await shake(loop, home.clients(), home.servers());
        EXPECT_TRUE(made.client.has_value() && made.server.has_value());
        near = connection(std::move(*made.client));
        far = connection(std::move(*made.server));
    }
    void make(ends& all, bool client_secured, bool origin_secured) {
        loop->run(make_pair(*loop, home, client_secured, all.client, all.client_side));
        loop->run(make_pair(*loop, home, origin_secured, all.origin_side, all.origin));
    }
    // How a tunnel from a client with TLS to an origin without it has ended, when talk is over.
    pump_result tunnel(task<void> (*talk)(ends&)) {
        ends all;
        make(all, true, false);
        pump_result done;
        loop->run([](ends& here, task<void> (*talk_through)(ends&), pump_result& into) -> task<void> {
            counting_scope tasks(here.client.loop());
            tasks.spawn(pump_into(here, into), "pump");
            co_await talk_through(here);
            co_await tasks.join();
        }(all, talk, done));
        return done;
    }
};

task<std::string> send_and_end(connection& to, std::string text, bool end) {
    const result<void> sent = co_await to.send_all(as_bytes(text));
    if (end) EXPECT_TRUE(to.shutdown_send().has_value());
    co_return sent ? "ok" : sent.error().message();
}

task<std::string> receive_all(connection& from) {
    std::string text;
    for (;;) {
        const result<io::lease> got = co_await from.recv_lease(16 * 1024);
        if (!got) co_return text + "[" + got.error().message() + "]";
        if (got->empty()) co_return text;
        text += as_text(got->data());
    }
}

TEST_P(connections, every_pair_of_kinds_carries_both_ways_and_passes_each_end_on_alone) {
    const std::string up = pattern(700'000, 3), down = pattern(500'000, 4);
    for (const bool client_secured : {false, true}) {
        for (const bool origin_secured : {false, true}) {
            ends all;
            make(all, client_secured, origin_secured);
            pump_result done;
            loop->run(
                [](ends& here, const std::string& one, const std::string& other, pump_result& into) -> task<void> {
                    auto [sent_up, sent_down, got_up, got_down, nothing] =
                        co_await when_all(send_and_end(here.client, one, true), send_and_end(here.origin, other, true),
                                          receive_all(here.origin), receive_all(here.client), pump_into(here, into));
                    EXPECT_EQ(sent_up, "ok");
                    EXPECT_EQ(sent_down, "ok");
                    EXPECT_TRUE(got_up == one);
                    EXPECT_TRUE(got_down == other);
                }(all, up, down, done));
            EXPECT_EQ(done.forth.bytes, up.size());
            EXPECT_EQ(done.back.bytes, down.size());
            EXPECT_EQ(done.forth.end, end_reason::eof);
            EXPECT_EQ(done.back.end, end_reason::eof);
        }
    }
}

// The client has said close_notify and still gets its answer.
TEST_P(connections, a_side_that_has_ended_still_receives) {
    const pump_result done = tunnel([](ends& here) -> task<void> {
        const std::string sent = co_await send_and_end(here.client, "question", true);
        EXPECT_EQ(sent, "ok");
        const std::string asked = co_await receive_all(here.origin);
        EXPECT_EQ(asked, "question");
        const std::string answered = co_await send_and_end(here.origin, "answer", true);
        EXPECT_EQ(answered, "ok");
        const std::string got = co_await receive_all(here.client);
        EXPECT_EQ(got, "answer");
    });
    EXPECT_EQ(done.forth.end, end_reason::eof);
    EXPECT_EQ(done.back.end, end_reason::eof);
}

// TCP's end without close_notify: somebody cut it. What was cut must not look whole on the other side.
TEST_P(connections, a_truncated_side_resets_the_other) {
    if (GetParam().kind != io::reactor_kind::sim && co_wq::test::on_wine())
        GTEST_SKIP() << "Wine ends a stream where Windows resets it";
    const pump_result done = tunnel([](ends& here) -> task<void> {
        const std::string sent = co_await send_and_end(here.client, "half of a", false);
        EXPECT_EQ(sent, "ok");
        here.client = connection();  // destroyed: TCP ends, TLS has said nothing
        const std::string got = co_await receive_all(here.origin);
        EXPECT_EQ(got.find("half of a") == 0 && got != "half of a", true) << got;
    });
    EXPECT_NE(done.forth.end, end_reason::eof);
}

TEST_P(connections, parts_arrive_in_their_order_whatever_their_sizes) {
    for (const bool secured : {false, true}) {
        connection near, far;
        loop->run(make_pair(*loop, home, secured, near, far));
        std::string all_sent;
        for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{16'300}, std::size_t{300'000}}) {
            const std::string head = "head", body = pattern(size), tail = size % 2 ? "" : "\r\n";
            const std::array<const_bytes, 3> parts{as_bytes(head), as_bytes(body), as_bytes(tail)};
            const std::string expected = head + body + tail;
            loop->run([](connection& from, connection& to, const std::array<const_bytes, 3>& what,
                         const std::string& wanted) -> task<void> {
                counting_scope tasks(from.loop());
                std::string got;
                tasks.spawn(
                    [](connection& at, std::size_t size, std::string& into) -> task<void> {
                        std::vector<std::byte> room(64 * 1024);
                        while (into.size() < size) {
                            const result<std::size_t> some = co_await at.recv(room);
                            if (!some || *some == 0) break;
                            into += as_text(const_bytes(room).first(*some));
                        }
                    }(to, wanted.size(), got),
                    "receiver");
                const result<void> sent = co_await from.send_parts(what);
                EXPECT_TRUE(sent.has_value());
                co_await tasks.join();
                EXPECT_TRUE(got == wanted);
            }(near, far, parts, expected));
        }
    }
}

// At every point of a tunnel's life.
TEST_P(connections, a_pump_is_destroyed_while_it_carries) {
    for (int turns = 0; turns < 12; ++turns) {
        ends all;
        make(all, turns % 2 == 0, turns % 3 != 0);
        loop->run([](ends& here, int wanted) -> task<void> {
            pump_result done;
            counting_scope tasks(here.client.loop());
            tasks.spawn(pump_into(here, done), "pump");
            counting_scope sending(here.client.loop());
            std::string text = pattern(40'000);
            sending.spawn(
                [](connection& to, const std::string& what) -> task<void> {
                    (void)co_await to.send_all(as_bytes(what));
                }(here.client, text),
                "sender");
            for (int turn = 0; turn < wanted; ++turn) co_await yield();
            tasks.destroy_all();
            sending.destroy_all();
        }(all, turns));
        EXPECT_TRUE(all.client_side.is_open() && all.origin_side.is_open());
    }
}

INSTANTIATE_TEST_SUITE_P(reactors, connections, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::tls::test
