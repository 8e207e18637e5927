// Everything that waits is cancelled, timed out and destroyed at every step of its way.
#include "hand_client.hpp"

namespace co_wq::net::tls::test {
namespace {

enum class ending { destroyed, stopped, listener_first, sessions_first };

// A server and a client that talk; what they own is in their frames.
task<void> client_of(io::event_loop& loop, socket_address where) {
    const result<dtls_session> made = co_await connect(loop, where);
    if (!made) co_return;
    for (;;) {
        const std::string said = co_await say(*made, "ping");
        const std::string heard = co_await hear(*made);
        if (said != "ok" || heard != "pong") co_return;
    }
}
task<void> server_of(const std::optional<dtls_listener>& at, std::optional<dtls_session>& served) {
    if (!at->is_open()) co_return;
    result<dtls_session> came = co_await at->accept();
    if (!came) co_return;
    served = std::move(*came);
    for (;;) {
        const std::string heard = co_await hear(*served);
        if (heard != "ping") co_return;
        const std::string said = co_await say(*served, "pong");
        if (said != "ok") co_return;
    }
}
task<void> turns(int count) {
    for (int i = 0; i < count; ++i) co_await yield();
}
task<void> ended_after(io::event_loop& loop, int steps, ending how) {
    std::optional<dtls_listener> here(listen(loop));
    std::optional<dtls_session> served;
    counting_scope scope(loop);
    scope.spawn(server_of(here, served), "server");
    scope.spawn(client_of(loop, *here->local_address()), "client");
    // a step is a turn, and in the simulation, where a turn is no time, a little time as well
    for (int i = 0; i < steps; ++i) {
        co_await turns(1);
        if (i % 2 == 1) (void)co_await sleep_for(100us);
    }
    switch (how) {
        case ending::destroyed: scope.destroy_all(); break;
        case ending::stopped:
            scope.request_stop();
            co_await scope.join();
            break;
        case ending::listener_first:
            here->close();
            co_await turns(3);
            scope.destroy_all();
            break;
        case ending::sessions_first:
            if (served) served->close();
            co_await turns(3);
            scope.request_stop();
            co_await scope.join();
            break;
    }
}

task<void> sleep_a_bit() { (void)co_await sleep_for(1ms); }

class at_each_step : public testing::TestWithParam<std::tuple<io::test::backend, ending>> {};

std::string name_of_step(const testing::TestParamInfo<at_each_step::ParamType>& info) {
    const char* const names[] = {"destroyed", "stopped", "listener_first", "sessions_first"};
    const auto& [on, how] = info.param;
    return io::test::name_of_case({on, 0}) + "_" + names[static_cast<int>(how)];
}

TEST_P(at_each_step, nothing_is_left_behind) {
    const auto [on, how] = GetParam();
    io::test::loop_under_test loop(on);
    const std::size_t lent = loop->reactor().buffers().lent();  // io_uring's own
    for (int steps = 0; steps < 60; ++steps) {
        SCOPED_TRACE(steps);
        loop->run(ended_after(*loop, steps, how));
        for (int i = 0; i < 2000 && loop->reactor().descriptors().live() > 0; ++i) loop->run(sleep_a_bit());
        ASSERT_EQ(loop->reactor().descriptors().live(), 0u);
        ASSERT_EQ(loop->reactor().buffers().lent(), lent);
    }
}

INSTANTIATE_TEST_SUITE_P(everywhere, at_each_step,
                         testing::Combine(io::test::every_reactor,
                                          testing::Values(ending::destroyed, ending::stopped, ending::listener_first,
                                                          ending::sessions_first)),
                         name_of_step);

// A loop that dies with everything under way.
task<void> left_alone(io::event_loop& loop, std::vector<std::string>& log) {
    std::optional<dtls_listener> here(listen(loop));
    std::optional<dtls_session> served;
    counting_scope scope(loop);
    scope.spawn(server_of(here, served), "server");
    scope.spawn(client_of(loop, *here->local_address()), "client");
    hand_client half(loop, *here->local_address());
    half.feed(co_await half.receive());
    log.push_back("half open");
    (void)co_await sleep_for(std::chrono::hours(1));
    log.push_back("never");
}
class dying_loop : public testing::TestWithParam<io::test::backend> {};
INSTANTIATE_TEST_SUITE_P(everywhere, dying_loop, io::test::every_reactor, io::test::name_of_case);

TEST_P(dying_loop, ends_sessions_handshakes_and_listeners) {
    for (int turns_left = 0; turns_left < 20; ++turns_left) {
        std::vector<std::string> log;
        io::test::loop_under_test loop(GetParam());
        loop->spawn(left_alone(*loop, log));
        loop->run_until([&] { return !log.empty(); });
        int count = 0;
        loop->run_until([&] { return ++count > turns_left; });
        loop.destroy();
        EXPECT_EQ(log, std::vector<std::string>{"half open"});
    }
}

}  // namespace
}  // namespace co_wq::net::tls::test
