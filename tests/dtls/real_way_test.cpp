// Real sockets over a way that loses, delays and reorders (tests/dtls/shaper.hpp).
#include "dtls/shaper.hpp"
#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

class real_way : public testing::TestWithParam<io::reactor_kind> {};

task<void> answer_all(const dtls_session& with, std::size_t& heard) {
    for (;;) {
        const std::string text = co_await hear(with);
        if (text == "ended" || text == "stopped" || text == "closed") co_return;
        ++heard;
        const std::string said = co_await say(with, text);
        if (said != "ok") co_return;
    }
}

task<void> ask(const dtls_session& with, std::string text) {
    std::byte into[2048];
    for (int i = 0; i < 100; ++i) {
        const std::string said = co_await say(with, text);
        EXPECT_EQ(said, "ok");
        const result<dtls_message> got = co_await with_timeout(500ms, with.recv(into));
        if (got && as_text(const_bytes(into).first(got->size)) == text) co_return;
    }
    ADD_FAILURE() << "never answered";
}

task<void> over(io::event_loop& loop, int rounds) {
    const dtls_listener here = listen(loop);
    dtls_options quick;
    quick.first_wait = 100ms;
    for (int round = 0; round < rounds; ++round) {
        result<dtls_session> client = co_await with_timeout(60s, connect(loop, *here.local_address(), quick));
        EXPECT_TRUE(client.has_value()) << explain(client.error());
        if (!client) co_return;
        const result<dtls_session> server = co_await with_timeout(60s, here.accept());
        EXPECT_TRUE(server.has_value()) << explain(server.error());
        if (!server) co_return;
        std::size_t heard = 0;
        counting_scope scope(loop);
        scope.spawn(answer_all(*server, heard));
        co_await ask(*client, "one");
        // several lost flights in a row look like a way that takes less
        co_await ask(*client, std::string(std::min<std::size_t>(1200, client->payload_max()), 'x'));
        scope.request_stop();
        co_await scope.join();
        EXPECT_GE(heard, 2u);
    }
}

TEST_P(real_way, handshakes_and_messages_get_through_loss_delay_and_reordering) {
    shaper way({.seed = 11, .loss_percent = 10, .delay_min_ms = 1, .delay_max_ms = 15});
    if (!way.missing().empty()) GTEST_SKIP() << "skipped: " << way.missing();
    io::event_loop loop({.reactor = GetParam(), .name = "test"});
    loop.run(over(loop, 15));
    EXPECT_GT(way.seen(), 100u);
    EXPECT_GT(way.lost(), 3u);
}

// What is on its way fills the socket's buffer: sends wait for room, and nothing is refused.
task<void> bulk(io::event_loop& loop, int count) {
    const dtls_listener here = listen(loop);
    const sessions both = co_await make_sessions(loop, here);
    for (int i = 0; i < count; ++i) {
        const std::string said = co_await say(both.client, std::string(1200, 'b'));
        EXPECT_EQ(said, "ok");
    }
    // what comes at once and is more than the receiver's buffer is lost, as with UDP
    const auto limit = loop.now() + 20s;
    while (loop.now() < limit && both.server.counters().received < 60) (void)co_await sleep_for(10ms);
    EXPECT_GE(both.server.counters().received, 60u);
}
TEST_P(real_way, sends_wait_while_the_sockets_buffer_is_full) {
    shaper way({.seed = 3, .delay_min_ms = 20, .delay_max_ms = 30});
    if (!way.missing().empty()) GTEST_SKIP() << "skipped: " << way.missing();
    io::event_loop loop({.reactor = GetParam(), .name = "test"});
    loop.run(bulk(loop, 600));
}

INSTANTIATE_TEST_SUITE_P(everywhere, real_way, testing::Values(io::reactor_kind::epoll, io::reactor_kind::uring),
                         [](const auto& info) { return std::string(io::name_of(info.param)); });

}  // namespace
}  // namespace co_wq::net::tls::test
