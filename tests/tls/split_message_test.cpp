// A message of the peer's behind the handshake that comes in pieces: a ticket that takes several records. Until all of
// it is there OpenSSL writes nothing, so a send has to wait for bytes.
#include "net/tls/detail/awaiters.hpp"
#include "net/tls/detail/session.hpp"
#include "support/on_wine.hpp"
#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

constexpr unsigned char key_update = 24;  // RFC 8446 section 4

int put_much_into_ticket(SSL* of, void*) {
    const std::string much(2500, 't');
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(of), much.data(), much.size());
}
SSL_TICKET_RETURN take_ticket(SSL*, SSL_SESSION*, const unsigned char*, std::size_t, SSL_TICKET_STATUS, void*) {
    return SSL_TICKET_RETURN_IGNORE;
}
void count_key_updates(int sent, int, int type, const void* data, std::size_t size, SSL*, void* into) {
    if (sent == 0 && type == SSL3_RT_HANDSHAKE && size > 0 && *static_cast<const unsigned char*>(data) == key_update)
        ++*static_cast<int*>(into);
}

// A server whose records are made by hand and go out when the test says so.
class hand_server {
public:
    hand_server(io::socket to, const co_wq::test::made& shown) : socket(std::move(to)) {
        const detail::bio_ptr certificate = detail::reader_of(shown.certificate), key = detail::reader_of(shown.key);
        const detail::x509_ptr first(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
        const detail::key_ptr of(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
        EXPECT_EQ(SSL_use_certificate(ssl.get(), first.get()), 1);
        EXPECT_EQ(SSL_use_PrivateKey(ssl.get(), of.get()), 1);
        EXPECT_EQ(SSL_CTX_set_session_ticket_cb(context.get(), &put_much_into_ticket, &take_ticket, nullptr), 1);
        EXPECT_EQ(SSL_set_num_tickets(ssl.get(), 0), 1);
        EXPECT_EQ(SSL_set_max_send_fragment(ssl.get(), 512), 1);
        SSL_set_msg_callback(ssl.get(), &count_key_updates);
        SSL_set_msg_callback_arg(ssl.get(), &key_updates);
        SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(ssl.get());
    }

    task<bool> shake() {
        for (;;) {
            const int done = SSL_do_handshake(ssl.get());
            const std::string out = take_output();
            const result<void> sent = co_await socket.send_all(as_bytes(out));
            if (done == 1 || !sent) co_return done == 1 && sent;
            const bool more = co_await receive();
            if (!more) co_return false;
        }
    }
    // The records of a ticket: the first, and what follows.
    std::pair<std::string, std::string> ticket() {
        EXPECT_EQ(SSL_new_session_ticket(ssl.get()), 1);
        EXPECT_EQ(SSL_do_handshake(ssl.get()), 1);
        const std::string all = take_output();
        const std::size_t first = 5 + static_cast<unsigned char>(all[3]) * 256u + static_cast<unsigned char>(all[4]);
        EXPECT_GT(all.size(), 3 * first);
        return {all.substr(0, first), all.substr(first)};
    }
    std::string sealed(std::string_view text) {
        EXPECT_EQ(SSL_write(ssl.get(), text.data(), static_cast<int>(text.size())), static_cast<int>(text.size()));
        return take_output();
    }
    task<void> send(std::string text) {
        const result<void> sent = co_await socket.send_all(as_bytes(text));
        EXPECT_TRUE(sent.has_value());
    }
    // So many bytes of the client's; "[end]": its close_notify; "[cut]": the connection's end; "[bad]".
    task<std::string> heard(std::size_t size) {
        std::string text;
        char room[4096];
        while (text.size() < size) {
            const std::size_t most = std::min(sizeof room, size - text.size());
            const int got = SSL_read(ssl.get(), room, static_cast<int>(most));
            if (got > 0) {
                text.append(room, static_cast<std::size_t>(got));
                continue;
            }
            const int why = SSL_get_error(ssl.get(), got);
            ERR_clear_error();
            if (why == SSL_ERROR_ZERO_RETURN) co_return text + "[end]";
            if (why != SSL_ERROR_WANT_READ) co_return text + "[bad]";
            const bool more = co_await receive();
            if (!more) co_return text + "[cut]";
        }
        co_return text;
    }

    io::socket socket;
    int key_updates = 0;

private:
    std::string take_output() {
        std::string text(BIO_ctrl_pending(SSL_get_wbio(ssl.get())), '\0');
        if (!text.empty()) (void)BIO_read(SSL_get_wbio(ssl.get()), text.data(), static_cast<int>(text.size()));
        return text;
    }
    task<bool> receive() {
        std::vector<std::byte> room(16 * 1024);
        const result<std::size_t> got = co_await socket.recv(room);
        if (!got || *got == 0) co_return false;
        (void)BIO_write(SSL_get_rbio(ssl.get()), room.data(), static_cast<int>(*got));
        co_return true;
    }

    detail::ctx_ptr context{SSL_CTX_new(TLS_server_method())};
    detail::ssl_ptr ssl{SSL_new(context.get())};
};

task<void> receive(detail::session& from, std::string& outcome) {
    std::vector<std::byte> room(100);
    const result<std::size_t> got = co_await detail::recv_awaiter(from, room);
    outcome = got ? std::string(as_text(const_bytes(room).first(*got))) : "[" + got.error().message() + "]";
}

task<void> send(detail::session& to, std::string text, std::string& outcome) {
    const result<void> sent = co_await detail::send_awaiter(to, as_bytes(text));
    outcome = sent ? "ok" : sent.error().message();
}

task<void> some_turns(int count) {
    for (int i = 0; i < count; ++i) {
        co_await yield();
        (void)co_await sleep_for(100us);
    }
}

// What it has become, or nothing when it takes too long.
task<std::string> soon(const std::string& outcome) {
    for (int i = 0; i < 50'000 && outcome.empty(); ++i) (void)co_await sleep_for(100us);
    co_return outcome;
}

class tls_split_message : public tls {
public:
    using tls::home;
    using tls::loop;
    using tls::simulated;

    // A client that has the first record of a ticket.
    struct scene {
        std::unique_ptr<detail::session> client;
        std::optional<hand_server> server;
        std::string rest;  // of the ticket
        bool half() const { return SSL_in_init(client->native()) == 1; }
    };
    task<void> open(scene& at) {
        io::test::connection raw = co_await io::test::make_connection(*loop);
        at.server.emplace(std::move(raw.far), home.root.issue({.dns_names = {"example.net"}}));
        const result<ssl_st*> native = home.clients().open("example.net", "");
        EXPECT_TRUE(native.has_value());
        at.client = std::make_unique<detail::session>(std::move(raw.near), *native, std::vector<std::byte>());
        counting_scope serving(*loop);
        bool shaken = false;
        serving.spawn(shake_server(*at.server, shaken), "server");
        const result<void> connected = co_await detail::handshake_awaiter(*at.client);
        EXPECT_TRUE(connected.has_value());
        co_await serving.join();
        EXPECT_TRUE(shaken);
    }
    // Somebody is receiving.
    static task<void> deliver_half(scene& at) {
        auto [first, rest] = at.server->ticket();
        at.rest = std::move(rest);
        co_await at.server->send(std::move(first));
        for (int i = 0; i < 50'000 && !at.half(); ++i) (void)co_await sleep_for(100us);
        EXPECT_TRUE(at.half());
    }
    // As deliver_half, and nobody is receiving any more.
    task<void> leave_half(scene& at) {
        counting_scope reads(*loop);
        std::string got;
        reads.spawn(receive(*at.client, got), "recv");
        co_await deliver_half(at);
        reads.destroy_all();
        EXPECT_EQ(got, "");
    }
    // The connection is in order: both ways, and nothing waits.
    static task<void> talk(scene& at) {
        EXPECT_FALSE(at.half());
        std::string sent, got;
        co_await send(*at.client, "ping", sent);
        EXPECT_EQ(sent, "ok");
        const std::string heard = co_await at.server->heard(4);
        EXPECT_EQ(heard, "ping");
        co_await at.server->send(at.server->sealed("pong"));
        co_await receive(*at.client, got);
        EXPECT_EQ(got, "pong");
    }

private:
    static task<void> shake_server(hand_server& server, bool& done) { done = co_await server.shake(); }

protected:
    void play(task<void> (*script)(tls_split_message&, scene&)) {
        {
            scene at;
            loop->run(whole(*this, at, script));
        }
        expect_quiet();
    }
    static task<void> whole(tls_split_message& test, scene& at, task<void> (*script)(tls_split_message&, scene&)) {
        co_await test.open(at);
        if (!HasFailure()) co_await script(test, at);
    }
};

TEST_P(tls_split_message, a_send_waits_for_the_rest_and_a_receive_stays) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        counting_scope scope(*test.loop);
        std::string got, sent;
        scope.spawn(receive(*at.client, got), "recv");
        co_await deliver_half(at);
        scope.spawn(send(*at.client, "x", sent), "send");
        co_await some_turns(10);
        EXPECT_EQ(sent, "");
        co_await at.server->send(at.rest);
        const std::string outcome = co_await soon(sent);
        EXPECT_EQ(outcome, "ok");
        const std::string heard = co_await at.server->heard(1);
        EXPECT_EQ(heard, "x");
        EXPECT_EQ(got, "");
        co_await at.server->send(at.server->sealed("data"));
        const std::string data = co_await soon(got);
        EXPECT_EQ(data, "data");
        co_await talk(at);
    });
}

TEST_P(tls_split_message, a_send_takes_nothing_from_a_receive) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        counting_scope scope(*test.loop);
        std::string got, sent;
        scope.spawn(receive(*at.client, got), "recv");
        co_await deliver_half(at);
        // all of it lies in the socket when the send is tried, and the receive has not been told
        co_await at.server->send(at.rest + at.server->sealed("data"));
        scope.spawn(send(*at.client, "x", sent), "send");
        const std::string data = co_await soon(got), outcome = co_await soon(sent);
        EXPECT_EQ(data, "data");
        EXPECT_EQ(outcome, "ok");
        const std::string heard = co_await at.server->heard(1);
        EXPECT_EQ(heard, "x");
        co_await talk(at);
    });
}

TEST_P(tls_split_message, a_send_needs_nobody_who_receives) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        counting_scope scope(*test.loop);
        std::string got, sent;
        co_await test.leave_half(at);
        scope.spawn(send(*at.client, pattern(5000), sent), "send");
        co_await some_turns(10);
        EXPECT_EQ(sent, "");
        // piece by piece, and what comes behind is kept
        for (char c : at.rest.substr(0, 30)) co_await at.server->send(std::string(1, c));
        co_await at.server->send(at.rest.substr(30) + at.server->sealed("data"));
        const std::string outcome = co_await soon(sent);
        EXPECT_EQ(outcome, "ok");
        const std::string heard = co_await at.server->heard(5000);
        EXPECT_EQ(heard, pattern(5000));
        scope.spawn(receive(*at.client, got), "recv");
        const std::string data = co_await soon(got);
        EXPECT_EQ(data, "data");
        co_await talk(at);
    });
}

// Whoever receives leaves, by destruction, by cancellation, or cancelled before it began: somebody reads for the send.
TEST_P(tls_split_message, a_send_outlasts_those_who_receive) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        enum class way { destroyed, cancelled, before_it_began };
        for (const way leaves : {way::destroyed, way::cancelled, way::before_it_began}) {
            counting_scope sends(*test.loop), reads(*test.loop);
            std::string sent, got;
            if (leaves == way::before_it_began) {
                co_await test.leave_half(at);
                reads.request_stop();
            } else {
                reads.spawn(receive(*at.client, got), "recv");
                co_await deliver_half(at);
            }
            sends.spawn(send(*at.client, "x", sent), "send");
            co_await some_turns(5);
            if (leaves == way::before_it_began) reads.spawn(receive(*at.client, got), "recv");
            if (leaves == way::cancelled) reads.request_stop();
            if (leaves == way::destroyed) reads.destroy_all();
            co_await reads.join();
            EXPECT_EQ(got, leaves == way::destroyed ? "" : "[stopped]");
            co_await some_turns(5);
            EXPECT_EQ(sent, "");
            co_await at.server->send(at.rest);
            const std::string outcome = co_await soon(sent);
            EXPECT_EQ(outcome, "ok");
            if (outcome != "ok") co_return;
            const std::string heard = co_await at.server->heard(1);
            EXPECT_EQ(heard, "x");
            co_await talk(at);
        }
    });
}

// One that comes takes over from the reader for nobody, and gets the data.
TEST_P(tls_split_message, a_receive_takes_over) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        counting_scope scope(*test.loop);
        std::string sent, got;
        co_await test.leave_half(at);
        scope.spawn(send(*at.client, "x", sent), "send");
        co_await some_turns(5);
        scope.spawn(receive(*at.client, got), "recv");
        co_await some_turns(5);
        co_await at.server->send(at.rest + at.server->sealed("data"));
        const std::string data = co_await soon(got), outcome = co_await soon(sent);
        EXPECT_EQ(data, "data");
        EXPECT_EQ(outcome, "ok");
        const std::string heard = co_await at.server->heard(1);
        EXPECT_EQ(heard, "x");
        co_await talk(at);
    });
}

// A receive that ends with data may leave the next half message behind.
TEST_P(tls_split_message, one_half_message_after_another) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        counting_scope scope(*test.loop);
        std::string got, sent;
        scope.spawn(receive(*at.client, got), "recv");
        co_await deliver_half(at);
        scope.spawn(send(*at.client, "x", sent), "send");
        co_await some_turns(5);
        const std::string data = at.server->sealed("data");
        auto [first, rest] = at.server->ticket();
        co_await at.server->send(at.rest + data + first);
        const std::string received = co_await soon(got);
        EXPECT_EQ(received, "data");
        co_await at.server->send(rest);
        const std::string outcome = co_await soon(sent);
        EXPECT_EQ(outcome, "ok");
        const std::string heard = co_await at.server->heard(1);
        EXPECT_EQ(heard, "x");
        // OpenSSL may have kept the rest: the next receive takes it
        co_await at.server->send(at.server->sealed("more"));
        got.clear();
        scope.spawn(receive(*at.client, got), "recv");
        const std::string more = co_await soon(got);
        EXPECT_EQ(more, "more");
        co_await talk(at);
    });
}

TEST_P(tls_split_message, a_send_that_is_under_way_goes_on_behind_it) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        counting_scope scope(*test.loop);
        const std::string much = pattern(test.simulated() ? 300'000 : 12'000'000);
        std::string got, sent;
        scope.spawn(receive(*at.client, got), "recv");
        scope.spawn(send(*at.client, much, sent), "send");
        co_await some_turns(20);
        EXPECT_EQ(sent, "");
        co_await deliver_half(at);
        // records that it had begun come out; the others wait
        const std::string begun = co_await at.server->heard(1000);
        EXPECT_TRUE(much.starts_with(begun));
        co_await some_turns(10);
        EXPECT_EQ(sent, "");
        co_await at.server->send(at.rest);
        const std::string heard = co_await at.server->heard(much.size() - 1000);
        EXPECT_TRUE(begun + heard == much);
        const std::string outcome = co_await soon(sent);
        EXPECT_EQ(outcome, "ok");
        scope.destroy_all();
        co_await talk(at);
    });
}

TEST_P(tls_split_message, frames_that_wait_can_be_destroyed) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        for (int way = 0; way < 4; ++way) {
            counting_scope sends(*test.loop), reads(*test.loop);
            std::string got, sent;
            reads.spawn(receive(*at.client, got), "recv");
            co_await deliver_half(at);
            sends.spawn(send(*at.client, "never", sent), "send");
            co_await some_turns(3);
            if (way % 2 == 0) sends.destroy_all();
            if (way < 2) reads.destroy_all();
            co_await some_turns(3);
            sends.destroy_all();
            co_await at.server->send(at.rest);
            reads.destroy_all();
            co_await some_turns(3);
            EXPECT_EQ(got + sent, "");
            // nobody needs the rest now: it is read when somebody reads or sends
            co_await send(*at.client, "x", sent);
            EXPECT_EQ(sent, "ok");
            const std::string heard = co_await at.server->heard(1);
            EXPECT_EQ(heard, "x");
            co_await talk(at);
        }
    });
}

TEST_P(tls_split_message, what_waits_ends_with_closed) {
    for (const bool receives : {true, false}) {
        scene at;
        auto close = [](tls_split_message& test, scene& with, bool reading) -> task<void> {
            co_await test.open(with);
            counting_scope scope(*test.loop);
            std::string got, sent;
            if (reading) scope.spawn(receive(*with.client, got), "recv");
            if (reading) co_await deliver_half(with);
            if (!reading) co_await test.leave_half(with);
            scope.spawn(send(*with.client, "never", sent), "send");
            co_await some_turns(5);
            with.client->say_goodbye();
            with.client.reset();
            co_await scope.join();
            EXPECT_EQ(sent, "closed");
            EXPECT_EQ(got, reading ? "[closed]" : "");
            const std::string heard = co_await with.server->heard(1);
            EXPECT_EQ(heard, "[cut]");
        };
        loop->run(close(*this, at, receives));
    }
    expect_quiet();
}

TEST_P(tls_split_message, a_cut_in_the_middle_ends_what_waits) {
    if (GetParam().kind != io::reactor_kind::sim && co_wq::test::on_wine())
        GTEST_SKIP() << "Wine ends a stream where Windows resets it";
    for (const bool receives : {true, false}) {
        for (const bool goodbye : {true, false}) {
            scene at;
            auto cut = [](tls_split_message& test, scene& with, bool reading, bool resets) -> task<void> {
                co_await test.open(with);
                counting_scope scope(*test.loop);
                std::string got, sent, again;
                if (reading) scope.spawn(receive(*with.client, got), "recv");
                if (reading) co_await deliver_half(with);
                if (!reading) co_await test.leave_half(with);
                scope.spawn(send(*with.client, "never", sent), "send");
                co_await some_turns(5);
                EXPECT_EQ(sent, "");
                if (resets) with.server->socket.reset();
                if (!resets) (void)with.server->socket.shutdown_send();
                const std::string outcome = co_await soon(sent);
                EXPECT_EQ(outcome, resets ? "connection reset" : "connection was cut");
                if (reading) {
                    const std::string received = co_await soon(got);
                    EXPECT_EQ(received, "[" + outcome + "]");
                }
                co_await send(*with.client, "never", again);
                EXPECT_EQ(again, outcome);
            };
            loop->run(cut(*this, at, receives, goodbye));
        }
    }
    expect_quiet();
}

TEST_P(tls_split_message, new_keys_and_the_end_come_behind_it) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        counting_scope scope(*test.loop);
        std::string got, sent, flushed;
        co_await test.leave_half(at);
        EXPECT_TRUE(at.client->update_keys(false).has_value());
        EXPECT_TRUE(at.client->update_keys(true).has_value());
        scope.spawn(send(*at.client, "x", sent), "send");
        co_await some_turns(5);
        EXPECT_EQ(sent, "");
        co_await at.server->send(at.rest);
        const std::string heard = co_await at.server->heard(1), outcome = co_await soon(sent);
        EXPECT_EQ(heard, "x");
        EXPECT_EQ(outcome, "ok");
        EXPECT_EQ(at.server->key_updates, 1);
        co_await talk(at);

        co_await test.leave_half(at);
        sent.clear();
        scope.spawn(send(*at.client, "never", sent), "send");
        co_await some_turns(5);
        EXPECT_TRUE(at.client->end_sending().has_value());
        EXPECT_TRUE(at.client->end_sending().has_value());
        EXPECT_EQ(at.client->update_keys(false).error(), errc::broken_pipe);
        const std::string ended = co_await soon(sent);
        EXPECT_EQ(ended, "broken pipe");
        scope.spawn(send(*at.client, "", flushed), "flush");
        co_await some_turns(5);
        EXPECT_EQ(flushed, "");
        co_await at.server->send(at.rest + at.server->sealed("data"));
        const std::string flush_ended = co_await soon(flushed), last = co_await at.server->heard(1);
        EXPECT_EQ(flush_ended, "ok");
        EXPECT_EQ(last, "[end]");
        co_await receive(*at.client, got);
        EXPECT_EQ(got, "data");
    });
}

// By themselves: nobody sends, flushes or receives.
TEST_P(tls_split_message, the_end_and_new_keys_need_nobody) {
    play([](tls_split_message& test, scene& at) -> task<void> {
        co_await test.leave_half(at);
        EXPECT_TRUE(at.client->update_keys(false).has_value());
        EXPECT_TRUE(at.client->end_sending().has_value());
        co_await at.server->send(at.rest);
        const std::string last = co_await at.server->heard(1);
        EXPECT_EQ(last, "[end]");
        EXPECT_EQ(at.server->key_updates, 1);
    });
}

TEST_P(tls_split_message, closing_says_the_end_if_the_rest_is_there) {
    for (const bool there : {true, false}) {
        scene at;
        auto close = [](tls_split_message& test, scene& with, bool all) -> task<void> {
            co_await test.open(with);
            co_await test.leave_half(with);
            if (all) co_await with.server->send(with.rest);
            co_await some_turns(5);
            with.client->say_goodbye();
            with.client.reset();
            const std::string heard = co_await with.server->heard(1);
            EXPECT_EQ(heard, all ? "[end]" : "[cut]");
        };
        loop->run(close(*this, at, there));
    }
    expect_quiet();
}

// A send that waits for bytes must not look for room again and again.
TEST_P(tls_split_message, waiting_costs_nothing) {
    if (simulated()) GTEST_SKIP() << "its events are its own";
    play([](tls_split_message& test, scene& at) -> task<void> {
        counting_scope scope(*test.loop);
        std::string sent;
        co_await test.leave_half(at);
        scope.spawn(send(*at.client, "x", sent), "send");
        co_await some_turns(5);
        const std::uint64_t before = test.loop->reactor().stats().events;
        (void)co_await sleep_for(30ms);
        EXPECT_LT(test.loop->reactor().stats().events - before, 20u);
        EXPECT_EQ(sent, "");
    });
}

INSTANTIATE_TEST_SUITE_P(reactors, tls_split_message, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::tls::test
