// Sessions on every backend: messages, ends, limits.
#include <set>

#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

class dtls : public io::test::on_every_reactor {};
INSTANTIATE_TEST_SUITE_P(everywhere, dtls, io::test::every_reactor, io::test::name_of_case);

task<void> talk(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    const sessions both = co_await make_sessions(loop, here);
    std::string heard;
    for (const std::string& text : {std::string("one"), std::string(1200, 'x'), std::string("z")}) {
        heard = co_await say(both.client, text);
        EXPECT_EQ(heard, "ok");
        heard = co_await hear(both.server);
        EXPECT_EQ(heard, text);
        heard = co_await say(both.server, text + "!");
        EXPECT_EQ(heard, "ok");
        heard = co_await hear(both.client);
        EXPECT_EQ(heard, text + "!");
    }
    EXPECT_EQ(both.client.peer_address(), *here.local_address());
    EXPECT_EQ(both.server.peer_address().port(), both.client.local_address()->port());
    EXPECT_EQ(both.client.peer_certificate()->dns_names(), std::vector<std::string>{"server.test"});
    EXPECT_EQ(both.server.peer_certificate().error(), errc::not_found);
    EXPECT_NE(both.client.cipher().find("GCM"), std::string::npos);
    EXPECT_EQ(both.client.protocol(), "");
    EXPECT_EQ(here.counters().cookies, 1u);
    EXPECT_EQ(here.counters().opened, 1u);
    EXPECT_EQ(here.counters().sessions, 1u);
}
TEST_P(dtls, carries_messages_with_their_bounds) {
    loop->run(talk(*loop));
    expect_quiet();
}

task<void> sizes(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    const sessions both = co_await make_sessions(loop, here);
    const std::size_t most = both.client.payload_max();
    EXPECT_GT(most, 1300u);
    std::string answer = co_await say(both.client, std::string(most + 1, 'x'));
    EXPECT_EQ(answer, "message too long");
    answer = co_await say(both.client, std::string());
    EXPECT_EQ(answer, "invalid argument");
    answer = co_await say(both.client, std::string(most, 'y'));
    EXPECT_EQ(answer, "ok");
    std::byte little[10];
    const result<dtls_message> got = co_await both.server.recv(little);
    EXPECT_TRUE(got.has_value() && got->truncated());
    EXPECT_EQ(got->size, 10u);
    EXPECT_EQ(got->full_size, most);
    answer = co_await say(both.client, "next");
    answer = co_await hear(both.server);
    EXPECT_EQ(answer, "next");  // nothing of the other is left
}
TEST_P(dtls, refuses_what_is_too_long_and_tells_what_was_cut) {
    loop->run(sizes(*loop));
    expect_quiet();
}

task<void> goodbyes(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    sessions both = co_await make_sessions(loop, here);
    std::string heard = co_await say(both.client, "last words");
    heard = co_await hear(both.server);
    EXPECT_EQ(heard, "last words");
    both.client.close();  // a goodbye may overtake what was said before
    for (int i = 0; i < 2; ++i) {
        heard = co_await hear(both.server);
        EXPECT_EQ(heard, "ended");
    }
    heard = co_await say(both.server, "anybody?");
    EXPECT_EQ(heard, "broken pipe");
    both = co_await make_sessions(loop, here);
    both.server.close();
    heard = co_await hear(both.client);
    EXPECT_EQ(heard, "ended");
}
TEST_P(dtls, says_goodbye_in_both_directions) {
    loop->run(goodbyes(*loop));
    expect_quiet();
}

// ---- what ends while somebody waits

task<void> note(task<std::string> waiting, std::string& into) { into = co_await std::move(waiting); }
task<std::string> accepted(const dtls_listener& at) {
    const result<dtls_session> got = co_await at.accept();
    co_return got ? "ok" : got.error().message();
}
task<void> turns(int count) {
    for (int i = 0; i < count; ++i) co_await yield();
}

task<void> closing(io::event_loop& loop) {
    dtls_listener here = listen(loop);
    sessions both = co_await make_sessions(loop, here);
    std::string at_client, at_server, at_listener;
    counting_scope scope(loop);
    scope.spawn(note(hear(both.client), at_client));
    scope.spawn(note(hear(both.server), at_server));
    scope.spawn(note(accepted(here), at_listener));
    co_await turns(4);
    both.server.close();
    here.close();
    co_await scope.join();
    EXPECT_EQ(at_server, "closed");
    EXPECT_EQ(at_listener, "closed");
    EXPECT_EQ(at_client, "ended");
    both = co_await make_sessions(loop, *std::make_unique<dtls_listener>(listen(loop)));
    scope.spawn(note(hear(both.client), at_client));
    co_await turns(4);
    both = sessions{};
    co_await scope.join();
    EXPECT_EQ(at_client, "closed");
}
TEST_P(dtls, what_waits_ends_with_closed_when_its_owner_closes) {
    loop->run(closing(*loop));
    expect_quiet();
}

task<void> outliving(io::event_loop& loop) {
    std::optional<dtls_listener> here(listen(loop));
    const socket_address where = *here->local_address();
    sessions both = co_await make_sessions(loop, *here);
    here.reset();
    std::string heard = co_await say(both.client, "still there?");
    heard = co_await hear(both.server);
    EXPECT_EQ(heard, "still there?");
    const result<dtls_session> late = co_await with_timeout(50ms, connect(loop, where));
    EXPECT_EQ(late.error(), errc::timed_out);  // the port is held, and nobody answers
    both.server.close();
    // as soon as the kernel has let go
    result<udp_socket> again = udp_socket::bind(loop, where);
    for (int i = 0; i < 1000 && !again; ++i) {
        (void)co_await sleep_for(1ms);
        again = udp_socket::bind(loop, where);
    }
    EXPECT_TRUE(again.has_value());
}
TEST_P(dtls, sessions_outlive_their_listener_and_then_free_the_port) {
    loop->run(outliving(*loop));
    expect_quiet();
}

// ---- nobody answers

task<void> unanswered(io::event_loop& loop) {
    const udp_socket silent = *udp_socket::bind(loop, socket_address::loopback(0));
    dtls_options quick;
    quick.first_wait = 1ms;
    result<dtls_session> got = co_await with_timeout(30ms, connect(loop, *silent.local_address(), quick));
    EXPECT_EQ(got.error(), errc::timed_out);
    socket_address nobody = *silent.local_address();
    {
        const udp_socket gone = *udp_socket::bind(loop, socket_address::loopback(0));
        nobody = *gone.local_address();
    }
    got = co_await with_timeout(20s, connect(loop, nobody));
    EXPECT_EQ(got.error(), errc::connection_refused);
    std::byte room[2000];
    std::size_t hellos = 0;
    for (;; ++hellos) {
        const result<io::received> one =
            co_await with_timeout(5ms, [](const udp_socket& at, bytes into) -> task<result<io::received>> {
                const result<io::received> come = co_await at.recv_from(into);
                co_return come;
            }(silent, room));
        if (!one) break;
    }
    EXPECT_GE(hellos, 3u);  // at 0, 1, 3, 7 and 15 ms
    EXPECT_LE(hellos, 13u);
}
TEST_P(dtls, a_connect_that_nobody_answers_repeats_itself_until_its_deadline) {
    loop->run(unanswered(*loop));
    expect_quiet();
}

// ---- a server that goes and comes again

// Between one client and a server.
struct relay {
    udp_socket socket;
    socket_address server, client{};
};
task<void> pass_on(relay& by) {
    std::byte room[2048];
    for (;;) {
        const result<io::received> got = co_await by.socket.recv_from(room);
        if (!got) co_return;
        if (got->from != by.server) by.client = got->from;
        const socket_address to = got->from == by.server ? by.client : by.server;
        (void)by.socket.socket().send_to_now({.data = const_bytes(room).first(got->size), .to = to});
    }
}

task<void> refused_often(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    relay by{*udp_socket::bind(loop, socket_address::loopback(0)), *here.local_address()};
    const socket_address at = *by.socket.local_address();
    counting_scope between(loop);
    between.spawn(pass_on(by));
    const result<dtls_session> client = co_await connect(loop, at);
    EXPECT_TRUE(client.has_value());
    if (!client) co_return;
    const result<dtls_session> server = co_await here.accept();
    EXPECT_TRUE(server.has_value());
    if (!server) co_return;
    between.destroy_all();
    by.socket.close();
    std::byte room[100];
    int refusals = 0;
    // the kernel may still be letting go of the socket when the first is sent
    for (int i = 0; i < 1000 && refusals < 100; ++i) {
        const std::string sent = co_await say(*client, "anybody?");
        const result<dtls_message> told = co_await with_timeout(50ms, client->recv(room));
        if (!told && told.error() == errc::connection_refused) ++refusals;
    }
    EXPECT_EQ(refusals, 100);
    result<udp_socket> again = udp_socket::bind(loop, at);
    for (int i = 0; i < 1000 && !again; ++i) {
        (void)co_await sleep_for(1ms);
        again = udp_socket::bind(loop, at);
    }
    EXPECT_TRUE(again.has_value());
    if (!again) co_return;
    by.socket = std::move(*again);
    between.spawn(pass_on(by));
    std::string heard = co_await say(*server, "I am back");
    EXPECT_EQ(heard, "ok");
    result<dtls_message> got = fail(errc::connection_refused);
    // what was sent last may have been refused after it was asked for
    for (int i = 0; i < 10 && !got && got.error() == errc::connection_refused; ++i)
        got = co_await with_timeout(10s, client->recv(room));
    EXPECT_TRUE(got.has_value()) << explain(got.error());
    if (got) EXPECT_EQ(as_text(const_bytes(room).first(got->size)), "I am back");
    between.destroy_all();
}
TEST_P(dtls, a_client_that_was_refused_for_long_hears_its_server_again) {
    loop->run(refused_often(*loop));
    expect_quiet();
}

task<void> wrong_options(io::event_loop& loop) {
    client_options streams = client_defaults();
    streams.over = transport::streams;
    const client_context other = client_context::make(std::move(streams)).value();
    result<dtls_session> got = co_await connect(loop, socket_address::loopback(9), {}, other);
    EXPECT_EQ(got.error(), errc::invalid_argument);
    dtls_options options;
    options.path_bytes = 295;
    got = co_await connect(loop, socket_address::loopback(9), options);
    EXPECT_EQ(got.error(), errc::invalid_argument);
    dtls_listener_options limits;
    limits.backlog_max = 0;
    EXPECT_EQ(dtls_listener::bind(loop, socket_address::loopback(0), server_side(), limits).error(),
              errc::invalid_argument);
}
TEST_P(dtls, refuses_options_that_cannot_work) {
    loop->run(wrong_options(*loop));
    expect_quiet();
}

// ---- who is who

task<void> mutual(io::event_loop& loop) {
    server_options asks = server_defaults();
    asks.alpn = {"coap", "other"};
    asks.ask = client_certificates::required;
    asks.client_trust = trust::from_pem(house().certificate()).value();
    const server_context context = server_context::make(std::move(asks)).value();
    const dtls_listener here = listen(loop, {}, context);
    client_options known = client_defaults();
    const made own = house().issue({.common_name = "the client", .for_what = co_wq::test::usage::client});
    known.own = identity::from_pem(own.certificate, own.key).value();
    known.alpn = {"other", "coap"};
    const sessions both = co_await make_sessions(loop, here, {}, client_context::make(std::move(known)).value());
    EXPECT_EQ(both.server.peer_certificate()->subject(), "CN=the client");
    EXPECT_EQ(both.client.protocol(), "coap");
    EXPECT_EQ(both.server.protocol(), "coap");
    client_options unknown = client_defaults();
    unknown.alpn = {"coap"};
    const result<dtls_session> got =
        co_await connect(loop, *here.local_address(), {}, client_context::make(std::move(unknown)).value());
    EXPECT_EQ(got.error(), errc::alert_received) << explain(got.error());
    EXPECT_EQ(here.counters().failed, 1u);
    EXPECT_EQ(here.counters().last_failure, errc::certificate_missing);
    EXPECT_EQ(here.counters().half_open, 0u);
}
TEST_P(dtls, clients_show_certificates_and_protocols_are_agreed_on) {
    loop->run(mutual(*loop));
    expect_quiet();
}

task<void> bad_certificates(io::event_loop& loop) {
    struct row {
        wish shown;
        errc expected;
    } const rows[] = {
        {{.dns_names = {"other.test"}}, errc::certificate_wrong_host},
        {{.dns_names = {"server.test"}, .valid_until_s = -60}, errc::certificate_expired},
        {{.dns_names = {"server.test"}, .valid_from_s = 3600}, errc::certificate_not_yet_valid},
        {{.dns_names = {"server.test"}, .for_what = co_wq::test::usage::client}, errc::certificate_wrong_purpose}};
    for (const row& one : rows) {
        const server_context context = server_context::make(server_defaults(one.shown)).value();
        const dtls_listener here = listen(loop, {}, context);
        const result<dtls_session> got = co_await connect(loop, *here.local_address());
        EXPECT_EQ(got.error(), one.expected) << explain(got.error());
        for (int i = 0; i < 2000 && here.counters().failed == 0; ++i) (void)co_await sleep_for(1ms);
        EXPECT_EQ(here.counters().last_failure, errc::alert_received);
        EXPECT_EQ(here.counters().sessions, 0u);
    }
}
TEST_P(dtls, a_bad_certificate_is_a_named_error_and_leaves_nothing) {
    loop->run(bad_certificates(*loop));
    expect_quiet();
}

task<void> resuming(io::event_loop& loop) {
    const dtls_listener here = listen(loop);
    client_options remembers = client_defaults();
    remembers.sessions_max = 8;
    const client_context context = client_context::make(std::move(remembers)).value();
    for (const bool resumed : {false, true, true}) {
        SCOPED_TRACE(std::to_string(context.sessions()));
        const sessions both = co_await make_sessions(loop, here, {}, context);
        EXPECT_EQ(both.client.resumed(), resumed);
        EXPECT_EQ(both.server.resumed(), resumed);
        std::string heard = co_await say(both.client, "x");
        heard = co_await hear(both.server);
        EXPECT_EQ(heard, "x");
    }
}
TEST_P(dtls, sessions_are_resumed) {
    loop->run(resuming(*loop));
    expect_quiet();
}

// ---- many

task<void> echo_once(dtls_session with) {
    const std::string heard = co_await hear(with);
    const std::string sent = co_await say(with, heard);
    EXPECT_EQ(sent, "ok");
    const std::string last = co_await hear(with);
    EXPECT_EQ(last, "ended");
}
task<void> serve_all(io::event_loop& loop, const dtls_listener& at, int count) {
    counting_scope scope(loop);
    for (int i = 0; i < count; ++i) {
        result<dtls_session> came = co_await at.accept();
        if (came) scope.spawn(echo_once(std::move(*came)));
    }
    co_await scope.join();
}
task<void> visit(io::event_loop& loop, socket_address where, int number) {
    const result<dtls_session> made = co_await connect(loop, where);
    EXPECT_TRUE(made.has_value()) << explain(made.error());
    if (!made) co_return;
    std::string heard = co_await say(*made, "visitor " + std::to_string(number));
    EXPECT_EQ(heard, "ok");
    heard = co_await hear(*made);
    EXPECT_EQ(heard, "visitor " + std::to_string(number));
}
task<void> crowd(io::event_loop& loop, int count) {
    const dtls_listener here = listen(loop);
    counting_scope scope(loop);
    scope.spawn(serve_all(loop, here, count));
    for (int i = 0; i < count; ++i) scope.spawn(visit(loop, *here.local_address(), i));
    co_await scope.join();
    EXPECT_EQ(here.counters().opened, static_cast<std::uint64_t>(count));
    EXPECT_EQ(here.counters().sessions, 0u);
}
TEST_P(dtls, a_hundred_sessions_share_one_socket) {
    loop->run(crowd(*loop, 100));
    expect_quiet();
}

}  // namespace
}  // namespace co_wq::net::tls::test
