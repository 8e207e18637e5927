// Peers and networks that do what they should not.
#include <optional>

#include "net/tls/detail/awaiters.hpp"
#include "net/tls/detail/session.hpp"
#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

// Stands between the two and does things to the bytes.
struct meddler {
    std::size_t stops_after = SIZE_MAX;   // bytes of this direction that get through
    std::size_t breaks_at = SIZE_MAX;     // the byte that is changed
    std::size_t piece = 64 * 1024;        // what is passed on at once
    bool ends_there = false;              // where it stops, the connection ends
    std::size_t passed = 0;
};

task<void> carry(const io::socket& from, const io::socket& to, meddler& how) {
    std::vector<std::byte> room(how.piece);
    for (;;) {
        const result<std::size_t> got = co_await from.recv(room);
        if (!got || *got == 0) {
            (void)to.shutdown_send();
            co_return;
        }
        std::size_t size = *got;
        if (how.breaks_at >= how.passed && how.breaks_at < how.passed + size)
            room[how.breaks_at - how.passed] ^= std::byte{1};
        size = std::min(size, how.stops_after - how.passed);
        how.passed += size;
        (void)co_await to.send_all(const_bytes(room).first(size));
        if (how.passed < how.stops_after) continue;
        if (how.ends_there) (void)to.shutdown_send();
        if (how.ends_there) co_return;
        std::byte rest[1024];
        for (bool more = true; more;) {
            const result<std::size_t> dropped = co_await from.recv(rest);
            more = dropped && *dropped > 0;
        }
        co_return;
    }
}

class tls_hostile : public tls {
public:
    using tls::home;
    using tls::loop;
    using tls::simulated;

    // Client and server with a meddler each way; the carriers live in `between`.
    struct setting {
        meddler forth, back;
        std::optional<io::test::connection> near, far;
        both made;
    };
    task<void> open(setting& at, counting_scope& between) {
        at.near.emplace(co_await io::test::make_connection(*loop));
        at.far.emplace(co_await io::test::make_connection(*loop));
        between.spawn(carry(at.near->far, at.far->near, at.forth), "forth");
        between.spawn(carry(at.far->near, at.near->far, at.back), "back");
    }
    task<void> shake_through(setting& at, duration limit = 30s) {
        auto [client, server] = co_await when_all(limited(limit, client_of(at)), limited(limit, server_of(at)));
        at.made.client = std::move(client);
        at.made.server = std::move(server);
    }
    task<result<stream>> client_of(setting& at) {
        return connect(socket_stream(std::move(at.near->near)), home.clients(), "example.net");
    }
    task<result<stream>> server_of(setting& at) {
        return accept(socket_stream(std::move(at.far->far)), home.servers());
    }
    static task<result<stream>> limited(duration limit, task<result<stream>> work) {
        result<stream> made = co_await with_timeout(limit, std::move(work));
        co_return made;
    }
    // What a server says to a client that sends this and then ends or waits.
    std::pair<error, std::string> answer_to(std::string text, bool ends = false) {
        std::string answer;
        result<stream> served = fail(errc::stopped);
        auto play = [](tls_hostile& test, const std::string& sent, bool end, std::string& back,
                       result<stream>& out) -> task<void> {
            io::test::connection raw = co_await io::test::make_connection(*test.loop);
            (void)co_await raw.near.send_all(as_bytes(sent));
            if (end) (void)raw.near.shutdown_send();
            out = co_await with_timeout(30s, accept(socket_stream(std::move(raw.far)), test.home.servers()));
            std::byte room[4096];
            for (bool more = true; more;) {
                const result<std::size_t> got = co_await raw.near.recv(room);
                more = got && *got > 0;
                if (more) back += as_text(const_bytes(room).first(*got));
                if (!got) back += "[" + got.error().message() + "]";
            }
        };
        loop->run(play(*this, text, ends, answer, served));
        EXPECT_FALSE(served.has_value());
        return {served ? error(errc::other) : served.error(), answer};
    }
};

TEST_P(tls_hostile, other_protocols_are_named_and_get_an_alert) {
    for (const char* text : {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT x:443 HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n\r\n",
                             "\x05\x01\x00\x05\x01\x00\x05\x01\x00\x05\x01", "\xff\xff\xff\xff\xff\xff\xff\xff"}) {
        const auto [why, answer] = answer_to(std::string(text) + std::string(100, '.'));
        EXPECT_EQ(why, errc::not_tls) << text << ": " << explain(why);
        // RFC 8446 section 5.1: alert is 21; some of it is no TLS at all and gets none
        if (!answer.empty()) {
            EXPECT_EQ(answer[0], 21) << text;
        }
    }
    expect_quiet();
}

TEST_P(tls_hostile, hellos_that_are_none_are_refused) {
    const std::string record("\x16\x03\x01", 3);
    for (const std::string& text :
         {record + std::string("\xff\xff", 2) + std::string(400, 'x'),
          record + std::string("\x00\x04\x01\x00\x00\x00", 6), record + std::string("\x00\x05\x01\xff\xff\xff\x03", 7),
          record + std::string("\x00\x00", 2) + std::string(300, '\0'),
          record + std::string("\x00\x10", 2) + std::string(16, 'z')}) {
        const auto [why, answer] = answer_to(text, true);
        EXPECT_TRUE(why == errc::bad_message || why == errc::not_tls || why == errc::limit_exceeded ||
                    why == errc::unexpected_eof)
            << explain(why);
        if (why == errc::bad_message) {
            EXPECT_EQ(answer.substr(0, 1), "\x15") << explain(why);
        }
    }
    EXPECT_EQ(answer_to("", true).first, errc::unexpected_eof);
    EXPECT_EQ(answer_to(record, true).first, errc::unexpected_eof);
    expect_quiet();
}

TEST_P(tls_hostile, servers_that_speak_something_else_are_named) {
    for (const bool talks : {true, false}) {
        result<stream> made = fail(errc::stopped);
        auto play = [](tls_hostile& test, bool say, result<stream>& out) -> task<void> {
            io::test::connection raw = co_await io::test::make_connection(*test.loop);
            if (say) (void)co_await raw.far.send_all(as_bytes("220 mail.example.net ESMTP\r\n"));
            (void)raw.far.shutdown_send();
            out = co_await connect(socket_stream(std::move(raw.near)), test.home.clients(), "example.net");
        };
        loop->run(play(*this, talks, made));
        EXPECT_EQ(made.error(), talks ? errc::not_tls : errc::unexpected_eof) << explain(made.error());
    }
}

TEST_P(tls_hostile, one_byte_at_a_time_is_enough) {
    setting at;
    at.forth.piece = at.back.piece = 1;
    auto play = [](tls_hostile& test, setting& with) -> task<void> {
        counting_scope between(*test.loop);
        co_await test.open(with, between);
        co_await test.shake_through(with);
        EXPECT_TRUE(with.made.client.has_value());
        EXPECT_TRUE(with.made.server.has_value());
        if (!with.made.client || !with.made.server) co_return;
        auto [sent, received] =
            co_await when_all(send_text(*with.made.client, pattern(3000)), read_text(*with.made.server, 3000));
        EXPECT_EQ(sent, "ok");
        EXPECT_EQ(received, pattern(3000));
    };
    loop->run(play(*this, at));
}

// Whichever byte is changed: both sides get a named error, neither hangs, and the one that notices says so.
TEST_P(tls_hostile, changed_records_end_both_directions) {
    for (const bool forth : {true, false}) {
        setting at;
        auto play = [](tls_hostile& test, setting& with, bool to_server) -> task<void> {
            counting_scope between(*test.loop);
            co_await test.open(with, between);
            co_await test.shake_through(with);
            const stream& from = to_server ? *with.made.client : *with.made.server;
            const stream& to = to_server ? *with.made.server : *with.made.client;
            // nothing of the handshake is left on its way
            auto [one, two, three, four] =
                co_await when_all(send_text(from, "x"), read_text(to, 1), send_text(to, "y"), read_text(from, 1));
            EXPECT_EQ(one + two + three + four, "okxoky");
            meddler& way = to_server ? with.forth : with.back;
            way.breaks_at = way.passed + 40;
            const std::string sent = co_await send_text(from, pattern(1000));
            EXPECT_EQ(sent, "ok");
            const std::string received = co_await read_all(to), again = co_await read_all(to);
            EXPECT_EQ(received, "[bad message]");
            EXPECT_EQ(again, received);
            const std::string answer = co_await send_text(to, "x");
            EXPECT_EQ(answer, "bad message");
            std::byte room[16];
            const result<std::size_t> got = co_await from.recv(room);
            EXPECT_FALSE(got.has_value());
            if (!got) EXPECT_EQ(alert_of(got.error()), 20) << explain(got.error());  // bad_record_mac
            const std::string after = co_await send_text(from, "x");
            EXPECT_EQ(after, "peer sent an alert");
        };
        loop->run(play(*this, at, forth));
    }
    expect_quiet();
}

// A sender that waits for room learns that the connection has failed from what the reader finds.
TEST_P(tls_hostile, a_sender_that_waits_learns_of_a_fault) {
    setting at;
    auto play = [](tls_hostile& test, setting& with) -> task<void> {
        counting_scope between(*test.loop), sends(*test.loop);
        co_await test.open(with, between);
        co_await test.shake_through(with);
        with.forth.stops_after = with.forth.passed;  // the server reads nothing more: its client gets full
        std::string outcome;
        auto flood = [](const stream& to, std::size_t size, std::string& out) -> task<void> {
            out = co_await send_text(to, pattern(size));
        };
        between.destroy_all();
        sends.spawn(flood(*with.made.client, test.simulated() ? 300'000 : 12'000'000, outcome), "send");
        for (int i = 0; i < 20; ++i) (void)co_await sleep_for(100us);
        EXPECT_EQ(outcome, "");
        (void)co_await with.near->far.send_all(as_bytes(std::string(200, 'x')));
        const std::string received = co_await read_all(*with.made.client);
        EXPECT_TRUE(received.starts_with("[")) << received;
        // the alert stands behind what the socket has not taken
        with.near->far.close();
        co_await sends.join();
        EXPECT_NE(outcome, "ok");
        EXPECT_NE(outcome, "");
    };
    loop->run(play(*this, at));
}

TEST_P(tls_hostile, an_end_without_a_word_is_a_cut) {
    for (const std::size_t more : {std::size_t{0}, std::size_t{3}, std::size_t{100}}) {
        setting at;
        auto play = [](tls_hostile& test, setting& with, std::size_t get_through) -> task<void> {
            counting_scope between(*test.loop);
            co_await test.open(with, between);
            co_await test.shake_through(with);
            auto [one, two] = co_await when_all(send_text(*with.made.client, "x"), read_text(*with.made.server, 1));
            EXPECT_EQ(one + two, "okx");
            with.forth.stops_after = with.forth.passed + get_through;
            with.forth.ends_there = true;
            if (get_through == 0) between.destroy_all();
            if (get_through == 0) (void)with.far->near.shutdown_send();
            (void)co_await send_text(*with.made.client, pattern(5000));
            const std::string received = co_await read_all(*with.made.server);
            EXPECT_EQ(received, "[connection was cut]");
            // the other direction goes on
            const std::string sent = co_await send_text(*with.made.server, "y");
            EXPECT_EQ(sent, "ok");
        };
        loop->run(play(*this, at, more));
    }
}

// Each place where a handshake can stand still.
TEST_P(tls_hostile, a_handshake_that_stands_still_ends_in_time) {
    for (const bool forth : {true, false}) {
        for (std::size_t stop = 0; stop < 1500; stop += simulated() ? 150 : 111) {
            setting at;
            (forth ? at.forth : at.back).stops_after = stop;
            auto play = [](tls_hostile& test, setting& with) -> task<void> {
                counting_scope between(*test.loop);
                co_await test.open(with, between);
                co_await test.shake_through(with, 30ms);
                between.destroy_all();
            };
            loop->run(play(*this, at));
            for (const result<stream>* one : {&at.made.client, &at.made.server})
                if (!*one)
                    EXPECT_TRUE(one->error() == errc::timed_out || one->error() == errc::unexpected_eof ||
                                one->error() == errc::connection_reset)
                        << explain(one->error());
        }
    }
    expect_quiet();
}

TEST_P(tls_hostile, a_handshake_can_be_destroyed_and_stopped_anywhere) {
    for (std::size_t stop = 0; stop < 1500; stop += simulated() ? 150 : 111) {
        for (const bool destroyed : {true, false}) {
            setting at;
            at.back.stops_after = stop;
            auto play = [](tls_hostile& test, setting& with, bool by_destruction) -> task<void> {
                counting_scope between(*test.loop), shaking(*test.loop);
                co_await test.open(with, between);
                shaking.spawn(test.shake_through(with), "shake");
                for (int i = 0; i < 10; ++i) (void)co_await sleep_for(200us);
                if (by_destruction) {
                    shaking.destroy_all();
                } else {
                    shaking.request_stop();
                    co_await shaking.join();
                }
                between.destroy_all();
            };
            loop->run(play(*this, at, destroyed));
        }
    }
    expect_quiet();
}

// ---- a flood of records that are no data

// A client whose records are made by hand; every byte goes out by itself.
struct hand_client {
    explicit hand_client(io::socket to) : socket(std::move(to)) {
        SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl.get());
    }
    std::string take_output() {
        std::string text(BIO_ctrl_pending(SSL_get_wbio(ssl.get())), '\0');
        if (!text.empty()) (void)BIO_read(SSL_get_wbio(ssl.get()), text.data(), static_cast<int>(text.size()));
        return text;
    }
    task<bool> shake() {
        std::vector<std::byte> room(16 * 1024);
        for (;;) {
            const int done = SSL_do_handshake(ssl.get());
            const std::string out = take_output();
            const result<void> sent = co_await socket.send_all(as_bytes(out));
            if (done == 1 || !sent) co_return done == 1 && sent;
            const result<std::size_t> got = co_await socket.recv(room);
            if (!got || *got == 0) co_return false;
            (void)BIO_write(SSL_get_rbio(ssl.get()), room.data(), static_cast<int>(*got));
        }
    }
    // In pieces that no record fits.
    task<void> flood(std::string& text) {
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t size = std::min<std::size_t>(30'011, text.size() - at);
            const result<void> sent = co_await socket.send_all(as_bytes(std::string_view(text).substr(at, size)));
            EXPECT_TRUE(sent.has_value());
            if (!sent) co_return;
            at += size;
        }
    }
    io::socket socket;
    detail::ctx_ptr context{SSL_CTX_new(TLS_client_method())};
    detail::ssl_ptr ssl{SSL_new(context.get())};
};

struct flood_count {
    std::size_t messages = 0, seen = 0, most = 0;
    bool over = false;
};
void count_messages(int sent, int, int type, const void*, std::size_t, SSL*, void* into) {
    if (sent == 0 && type == SSL3_RT_HANDSHAKE) ++static_cast<flood_count*>(into)->messages;
}
// How much came between two turns of somebody else.
task<void> watch(flood_count& of) {
    while (!of.over) {
        of.most = std::max(of.most, of.messages - of.seen);
        of.seen = of.messages;
        co_await yield();
    }
}
task<void> shake_into(hand_client& client, bool& done) { done = co_await client.shake(); }

TEST_P(tls_hostile, a_flood_of_key_updates_leaves_others_their_turn) {
    if (simulated()) GTEST_SKIP() << "its time stands still while somebody yields for ever";
    auto play = [](tls_hostile& test) -> task<void> {
        io::test::connection raw = co_await io::test::make_connection(*test.loop);
        hand_client client(std::move(raw.near));
        flood_count count;
        SSL* const native = *test.home.servers().open();
        SSL_set_msg_callback(native, &count_messages);
        SSL_set_msg_callback_arg(native, &count);
        detail::session server(std::move(raw.far), native, std::vector<std::byte>());
        counting_scope scope(*test.loop);
        bool shaken = false;
        scope.spawn(shake_into(client, shaken), "client");
        const result<void> accepted = co_await detail::handshake_awaiter(server);
        EXPECT_TRUE(accepted.has_value());
        co_await scope.join();
        EXPECT_TRUE(shaken);
        if (!accepted || !shaken) co_return;
        // of several lengths: how a record lies at the end of what was read decides what OpenSSL does
        for (std::size_t length = 6; length < 22 && !testing::Test::HasFailure(); ++length) {
            EXPECT_EQ(SSL_set_block_padding(client.ssl.get(), length), 1);
            const int updates = 4'000;
            for (int i = 0; i < updates; ++i) {
                EXPECT_EQ(SSL_key_update(client.ssl.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
                EXPECT_EQ(SSL_do_handshake(client.ssl.get()), 1);
            }
            EXPECT_EQ(SSL_write(client.ssl.get(), "end", 3), 3);
            std::string text = client.take_output();
            scope.spawn(client.flood(text), "flood");
            for (int i = 0; i < 10; ++i) (void)co_await sleep_for(100us);  // as much as the way holds
            count = flood_count{};
            scope.spawn(watch(count), "watch");
            co_await yield();
            std::vector<std::byte> room(100);
            const result<std::size_t> got = co_await detail::recv_awaiter(server, room);
            count.most = std::max(count.most, count.messages - count.seen);
            count.over = true;
            co_await scope.join();
            EXPECT_EQ(got ? std::string(as_text(const_bytes(room).first(*got))) : explain(got.error()), "end");
            EXPECT_EQ(count.messages, static_cast<std::size_t>(updates));
            EXPECT_LE(count.most, 2'000u) << length;  // 27 bytes each: what one read of the socket holds, and a bit
        }
    };
    loop->run(play(*this));
    expect_quiet();
}

TEST_P(tls_hostile, bytes_that_were_looked_at_before_are_used) {
    auto play = [](tls_hostile& test) -> task<void> {
        io::test::connection raw = co_await io::test::make_connection(*test.loop);
        counting_scope clients(*test.loop);
        result<stream> client = fail(errc::stopped);
        auto run = [](io::socket socket, client_context context, result<stream>& out) -> task<void> {
            out = co_await connect(socket_stream(std::move(socket)), std::move(context), "example.net");
        };
        clients.spawn(run(std::move(raw.near), test.home.clients(), client), "client");
        std::vector<std::byte> seen(7);
        const result<std::size_t> got = co_await raw.far.recv(seen);
        EXPECT_TRUE(got.has_value() && *got > 0);
        seen.resize(*got);
        const result<stream> server =
            co_await accept(socket_stream(std::move(raw.far)), test.home.servers(), std::move(seen));
        EXPECT_TRUE(server.has_value());
        co_await clients.join();
        EXPECT_TRUE(client.has_value());
    };
    loop->run(play(*this));
}

// The kernel was receiving on its own when TLS began (io_uring).
TEST_P(tls_hostile, a_stream_that_was_read_by_leases_before_is_taken_over) {
    auto play = [](tls_hostile& test) -> task<void> {
        io::test::connection raw = co_await io::test::make_connection(*test.loop);
        (void)co_await raw.near.send_all(as_bytes("PROXY"));
        for (std::size_t seen = 0; seen < 5;) {
            const result<io::lease> got = co_await raw.far.recv_lease(4096);
            EXPECT_TRUE(got.has_value() && !got->empty());
            if (!got || got->empty()) co_return;
            seen += got->size();
        }
        auto [client, server] =
            co_await when_all(connect(socket_stream(std::move(raw.near)), test.home.clients(), "example.net"),
                              accept(socket_stream(std::move(raw.far)), test.home.servers()));
        EXPECT_TRUE(client.has_value() && server.has_value());
        if (!client || !server) co_return;
        auto [sent, received] = co_await when_all(send_text(*client, pattern(50'000)), read_text(*server, 50'000));
        EXPECT_EQ(sent, "ok");
        EXPECT_TRUE(received == pattern(50'000));
    };
    loop->run(play(*this));
}

INSTANTIATE_TEST_SUITE_P(reactors, tls_hostile, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::tls::test
