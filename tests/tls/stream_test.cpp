// Bytes and ends of an established connection.
#include "support/heap_bytes.hpp"
#include "support/on_wine.hpp"
#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

class tls_stream : public tls {};

TEST_P(tls_stream, carries_bytes_both_ways) {
    both made = connected();
    EXPECT_EQ(loop->run(send_text(*made.client, "hello")), "ok");
    EXPECT_EQ(loop->run(read_text(*made.server, 5)), "hello");
    EXPECT_EQ(loop->run(send_text(*made.server, "and back")), "ok");
    EXPECT_EQ(loop->run(read_text(*made.client, 8)), "and back");
    EXPECT_EQ(made.client->protocol(), version::tls_1_3);
    EXPECT_EQ(made.client->cipher(), made.server->cipher());
    EXPECT_EQ(made.server->server_name(), "example.net");
    EXPECT_EQ(made.client->peer_certificate()->subject(), "CN=server");
    EXPECT_FALSE(made.server->peer_certificate().has_value());
    EXPECT_FALSE(made.client->resumed());
    made.client->close();
    made.server->close();
    expect_quiet();
}

TEST_P(tls_stream, leases_hold_what_is_there) {
    both made = connected();
    const std::size_t before = loop->reactor().buffers().lent();
    auto play = [](const stream& from, const stream& to) -> task<void> {
        (void)co_await to.send_all(as_bytes("lent"));
        const result<io::lease> got = co_await from.recv_lease(16 * 1024);
        EXPECT_TRUE(got.has_value());
        if (got) {
            EXPECT_EQ(as_text(got->data()), "lent");
        }
        EXPECT_TRUE(to.shutdown_send().has_value());
        const result<io::lease> end = co_await from.recv_lease(16 * 1024);
        EXPECT_TRUE(end.has_value() && end->empty() && !*end);
    };
    loop->run(play(*made.server, *made.client));
    EXPECT_EQ(loop->reactor().buffers().lent(), before);
}

TEST_P(tls_stream, one_direction_ends_and_the_other_goes_on) {
    both made = connected();
    EXPECT_EQ(loop->run(send_text(*made.client, "question")), "ok");
    EXPECT_TRUE(made.client->shutdown_send().has_value());
    EXPECT_TRUE(made.client->shutdown_send().has_value());
    EXPECT_EQ(loop->run(read_all(*made.server)), "question");
    EXPECT_EQ(loop->run(read_all(*made.server)), "");
    EXPECT_EQ(loop->run(send_text(*made.client, "more")), "broken pipe");
    EXPECT_EQ(loop->run(send_text(*made.server, pattern(30'000))), "ok");
    made.server->close();
    EXPECT_EQ(loop->run(read_all(*made.client)), pattern(30'000));
}

TEST_P(tls_stream, what_is_cut_does_not_look_whole) {
    if (GetParam().kind != io::reactor_kind::sim && co_wq::test::on_wine())
        GTEST_SKIP() << "Wine ends a stream where Windows resets it";
    both made = connected();
    EXPECT_EQ(loop->run(send_text(*made.client, "half of")), "ok");
    EXPECT_EQ(loop->run(send_text(*made.server, "x")), "ok");
    EXPECT_EQ(loop->run(read_text(*made.client, 1)), "x");  // nothing stays unread: that would be a reset
    *made.client = stream();
    EXPECT_EQ(loop->run(read_all(*made.server)), "half of[connection was cut]");
    EXPECT_EQ(loop->run(read_all(*made.server)), "[connection was cut]");
    both again = connected();
    EXPECT_EQ(loop->run(send_text(*again.client, "half of")), "ok");
    EXPECT_EQ(loop->run(read_text(*again.server, 7)), "half of");
    again.client->reset();
    EXPECT_EQ(loop->run(read_all(*again.server)), "[connection reset]");
}

TEST_P(tls_stream, close_is_an_end_in_good_order) {
    both made = connected();
    EXPECT_EQ(loop->run(send_text(*made.client, "all")), "ok");
    made.client->close();
    EXPECT_FALSE(made.client->is_open());
    EXPECT_EQ(loop->run(read_all(*made.server)), "all");
}

task<void> flood(const stream& to, const std::string& text, std::string& outcome) {
    outcome = co_await send_text(to, text);
}

task<void> some_turns(int count) {
    for (int i = 0; i < count; ++i) {
        co_await yield();
        (void)co_await sleep_for(100us);
    }
}

TEST_P(tls_stream, large_transfers_go_both_ways_at_once) {
    both made = connected();
    const std::string forth = pattern(simulated() ? 600'000 : 6'000'000, 1), back = pattern(forth.size(), 2);
    auto play = [](const both& with, const std::string& up, const std::string& down) -> task<void> {
        auto [sent, received, answered, heard] =
            co_await when_all(send_text(*with.client, up), read_text(*with.server, up.size()),
                              send_text(*with.server, down), read_text(*with.client, down.size()));
        EXPECT_EQ(sent, "ok");
        EXPECT_EQ(answered, "ok");
        EXPECT_TRUE(received == up);
        EXPECT_TRUE(heard == down);
    };
    loop->run(play(made, forth, back));
}

// Each side asks the other for new keys while both are full in both directions and somebody waits in all four places.
TEST_P(tls_stream, keys_change_under_backpressure_both_ways) {
    both made = connected();
    made.client->set_rekey_after(7);
    const std::string forth = pattern(simulated() ? 400'000 : 8'000'000, 3), back = pattern(forth.size(), 4);
    auto play = [](io::event_loop& here, const both& with, const std::string& up,
                   const std::string& down) -> task<void> {
        std::string sent, answered;
        counting_scope sends(here);
        sends.spawn(flood(*with.client, up, sent), "up");
        sends.spawn(flood(*with.server, down, answered), "down");
        co_await some_turns(20);
        for (int i = 0; i < 5; ++i) {
            EXPECT_TRUE(with.client->update_keys(true).has_value());
            EXPECT_TRUE(with.server->update_keys(i % 2 == 0).has_value());
        }
        auto [received, heard] =
            co_await when_all(read_text(*with.server, up.size()), read_text(*with.client, down.size()));
        EXPECT_TRUE(received == up);
        EXPECT_TRUE(heard == down);
        co_await sends.join();
        EXPECT_EQ(sent, "ok");
        EXPECT_EQ(answered, "ok");
        // and both still answer
        auto [one, two, three, four] = co_await when_all(send_text(*with.client, "a"), read_text(*with.server, 1),
                                                         send_text(*with.server, "b"), read_text(*with.client, 1));
        EXPECT_EQ(one + two + three + four, "okaokb");
    };
    loop->run(play(*loop, made, forth, back));
}

TEST_P(tls_stream, keys_change_while_nobody_sends) {
    both made = connected();
    EXPECT_TRUE(made.client->update_keys(true).has_value());
    EXPECT_TRUE(made.client->update_keys(false).has_value());
    EXPECT_EQ(loop->run(send_text(*made.client, "x")), "ok");
    EXPECT_EQ(loop->run(read_text(*made.server, 1)), "x");
    EXPECT_EQ(loop->run(send_text(*made.server, "y")), "ok");
    EXPECT_EQ(loop->run(read_text(*made.client, 1)), "y");
    both old = connected({.maximum = version::tls_1_2});
    EXPECT_EQ(old.client->update_keys().error(), errc::not_supported);
    EXPECT_EQ(old.client->protocol(), version::tls_1_2);
}

// The socket is full when the end is said: it goes out by itself.
TEST_P(tls_stream, the_end_goes_out_behind_a_full_socket) {
    both made = connected();
    const std::string much = pattern(simulated() ? 300'000 : 12'000'000);
    auto play = [](io::event_loop& here, both& with, const std::string& text, bool waits) -> task<void> {
        std::string outcome;
        counting_scope sends(here);
        sends.spawn(flood(*with.client, text, outcome), "send");
        co_await some_turns(20);
        EXPECT_EQ(outcome, "");
        if (!waits) {
            sends.request_stop();
            co_await sends.join();
            EXPECT_EQ(outcome, "stopped");
        }
        EXPECT_TRUE(with.client->shutdown_send().has_value());
        const std::string received = co_await read_all(*with.server);
        EXPECT_TRUE(received.ends_with(']') == false && text.starts_with(received));
        EXPECT_GT(received.size(), 0u);
        co_await sends.join();
        EXPECT_EQ(outcome, waits ? "broken pipe" : "stopped");
        const result<void> rest = co_await with.client->flush();
        EXPECT_TRUE(rest.has_value());
    };
    loop->run(play(*loop, made, much, true));
    both again = connected();
    loop->run(play(*loop, again, much, false));
}

// A send that was cancelled in the middle leaves whole records: what is sent next can be read.
TEST_P(tls_stream, a_cancelled_send_leaves_the_stream_in_order) {
    both made = connected();
    const std::string much = pattern(simulated() ? 300'000 : 12'000'000);
    auto play = [](io::event_loop& here, both& with, const std::string& text) -> task<void> {
        for (int round = 0; round < 3; ++round) {
            std::string outcome;
            counting_scope sends(here);
            sends.spawn(flood(*with.client, text, outcome), "send");
            co_await some_turns(20);
            sends.request_stop();
            co_await sends.join();
            EXPECT_EQ(outcome, "stopped");
            std::string received;
            counting_scope reads(here);
            auto read = [](const stream& from, std::string& into) -> task<void> {
                std::vector<std::byte> room(64 * 1024);
                while (!into.ends_with("marker")) {
                    const result<std::size_t> got = co_await from.recv(room);
                    if (!got || *got == 0) co_return;
                    into += as_text(const_bytes(room).first(*got));
                }
            };
            reads.spawn(read(*with.server, received), "read");
            const std::string sent = co_await send_text(*with.client, "marker");
            EXPECT_EQ(sent, "ok");
            co_await reads.join();
            received.resize(received.size() - 6);
            EXPECT_TRUE(text.starts_with(received));
        }
        // what was cut must not look whole
        std::string outcome;
        counting_scope sends(here);
        sends.spawn(flood(*with.client, text, outcome), "send");
        co_await some_turns(20);
        sends.request_stop();
        co_await sends.join();
        with.client->close();
        const std::string rest = co_await read_all(*with.server);
        EXPECT_TRUE(rest.ends_with("]")) << rest.size();
    };
    loop->run(play(*loop, made, much));
}

TEST_P(tls_stream, what_waits_ends_with_closed) {
    for (const bool destroyed : {false, true}) {
        both made = connected();
        auto play = [](io::event_loop& here, both& with, bool by_destruction, std::size_t size) -> task<void> {
            std::string sent, received;
            counting_scope waiting(here);
            auto read = [](const stream& from, std::string& into) -> task<void> { into = co_await read_text(from, 1); };
            const std::string text = pattern(size);
            waiting.spawn(flood(*with.client, text, sent), "send");
            waiting.spawn(read(*with.client, received), "read");
            co_await some_turns(20);
            if (by_destruction) {
                with.client = fail(errc::stopped);
            } else {
                with.client->close();
            }
            co_await waiting.join();
            EXPECT_EQ(sent, "closed");
            EXPECT_EQ(received, "[closed]");
        };
        loop->run(play(*loop, made, destroyed, simulated() ? 300'000 : 12'000'000));
    }
    expect_quiet();
}

TEST_P(tls_stream, frames_that_wait_can_be_destroyed) {
    both made = connected();
    auto read = [](const stream& from, std::string& into) -> task<void> { into = co_await read_text(from, 1); };
    const std::string much = pattern(simulated() ? 300'000 : 12'000'000);
    auto play = [&](io::event_loop&) -> void {
        for (int i = 0; i < 10; ++i) {
            std::string got;
            {
                counting_scope waiting(*loop);
                waiting.spawn(read(*made.server, got), "read");
                loop->run(some_turns(2));
                waiting.destroy_all();
            }
            EXPECT_EQ(got, "");
            const std::string text(1, static_cast<char>('a' + i));
            EXPECT_EQ(loop->run(send_text(*made.client, text)), "ok");
            EXPECT_EQ(loop->run(read_text(*made.server, 1)), text);
        }
        std::string outcome;
        {
            counting_scope waiting(*loop);
            waiting.spawn(flood(*made.client, much, outcome), "send");
            loop->run(some_turns(10));
            waiting.destroy_all();
        }
        EXPECT_EQ(outcome, "");
    };
    play(*loop);
    // what OpenSSL had taken goes out without anybody waiting for it
    EXPECT_TRUE(made.client->shutdown_send().has_value());
    const std::string received = loop->run(read_all(*made.server));
    EXPECT_TRUE(much.starts_with(received)) << received.size();
    *made.client = stream();
    *made.server = stream();
    expect_quiet();
}

// By what the heap holds; sanitizers have another heap and see nothing here.
TEST_P(tls_stream, idle_streams_hold_no_buffers) {
    if (simulated()) GTEST_SKIP() << "the simulated network keeps what it was used for";
    constexpr std::size_t count = 20;
    const client_context clients = home.clients({.sessions_max = 0});
    const server_context servers = home.servers();
    both first = loop->run(shake(*loop, clients, servers));
    std::vector<both> all;
    const std::size_t empty = co_wq::test::heap_bytes();
    for (std::size_t i = 0; i < count; ++i) all.push_back(loop->run(shake(*loop, clients, servers)));
    const std::size_t fresh = co_wq::test::heap_bytes();
    auto talk = [](const both& with) -> task<void> {
        for (int i = 0; i < 3; ++i) {
            auto [one, two] =
                co_await when_all(send_text(*with.client, pattern(30'000)), read_text(*with.server, 30'000));
            EXPECT_EQ(one, "ok");
            auto [three, four] = co_await when_all(send_text(*with.server, "x"), read_text(*with.client, 1));
            EXPECT_EQ(three + four, "okx");
        }
    };
    for (const both& one : all) loop->run(talk(one));
    const std::size_t used = co_wq::test::heap_bytes();
    // a buffer for one record alone would be 16 KiB for each
    EXPECT_LT(used, fresh + count * 8 * 1024);
    EXPECT_LT(fresh - empty, 2 * count * 24 * 1024) << (fresh - empty) / count / 2 << " bytes for each end";
    RecordProperty("bytes_for_each_end", static_cast<int>((used - empty) / count / 2));
}

TEST_P(tls_stream, exports_the_same_keys_at_both_ends) {
    both made = connected();
    std::array<std::byte, 32> one{}, two{};
    EXPECT_TRUE(made.client->export_key("EXPORTER-test", as_bytes("x"), one).has_value());
    EXPECT_TRUE(made.server->export_key("EXPORTER-test", as_bytes("x"), two).has_value());
    EXPECT_EQ(one, two);
    EXPECT_TRUE(made.server->export_key("EXPORTER-test", as_bytes("y"), two).has_value());
    EXPECT_NE(one, two);
}

INSTANTIATE_TEST_SUITE_P(reactors, tls_stream, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::tls::test
