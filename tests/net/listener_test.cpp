// A listener that stops: whoever has come is served, nobody is taken after that, on every backend.
#include <vector>

#include "io/reactors.hpp"
#include "net/tcp.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/scope.hpp"

namespace co_wq::net {
namespace {

using namespace std::chrono_literals;

class stopped_listener : public io::test::on_every_reactor {
protected:
    tcp_listener listener() { return *tcp_listener::bind(*loop, io::socket_address::loopback(0)); }

    // Connections that are made, and that the loop had time to see.
    static task<std::vector<tcp_stream>> come(io::event_loop& loop, const tcp_listener& to, int count) {
        std::vector<tcp_stream> made;
        for (int i = 0; i < count; ++i) {
            result<tcp_stream> one = co_await tcp_stream::connect(loop, *to.local_address());
            EXPECT_TRUE(one.has_value());
            if (one) made.push_back(std::move(*one));
        }
        co_await sleep_for(20ms);
        co_return made;
    }
    // Takes until the end, which must be `closed`.
    static task<std::vector<tcp_stream>> take_rest(const tcp_listener& from) {
        std::vector<tcp_stream> taken;
        for (;;) {
            result<tcp_stream> one = co_await from.accept();
            if (!one) {
                EXPECT_EQ(one.error(), errc::closed);
                co_return taken;
            }
            taken.push_back(std::move(*one));
        }
    }
    static task<void> say(tcp_stream& to) {
        const result<void> sent = co_await to.send_all(as_bytes("x"));
        EXPECT_TRUE(sent.has_value());
    }
    static task<std::size_t> hear(tcp_stream& from) {
        std::byte room[4];
        const result<std::size_t> got = co_await from.recv(room);
        EXPECT_TRUE(got.has_value());
        co_return got.value_or(0);
    }
};

TEST_P(stopped_listener, gives_out_who_has_come) {
    {
        tcp_listener door = listener();
        std::vector<tcp_stream> first = loop->run(come(*loop, door, 1));
        // io_uring accepts on its own from here on
        const result<tcp_stream> taken = loop->run([](const tcp_listener& from) -> task<result<tcp_stream>> {
            result<tcp_stream> one = co_await from.accept();
            co_return one;
        }(door));
        ASSERT_TRUE(taken.has_value());
        std::vector<tcp_stream> later = loop->run(come(*loop, door, 5));
        door.stop();
        std::vector<tcp_stream> rest = loop->run(take_rest(door));
        ASSERT_EQ(rest.size(), 5u);
        for (std::size_t i = 0; i < rest.size(); ++i) {
            loop->run(say(rest[i]));
            EXPECT_EQ(loop->run(hear(later[i])), 1u);
        }
        EXPECT_EQ(loop->run(take_rest(door)).size(), 0u);  // for good
        door.stop();
        EXPECT_EQ(loop->run(take_rest(door)).size(), 0u);
    }
    expect_quiet();
}

TEST_P(stopped_listener, ends_a_wait) {
    {
        tcp_listener door = listener();
        counting_scope waiting(*loop);
        bool ended = false;
        auto wait = [](const tcp_listener& from, bool& done) -> task<void> {
            const result<tcp_stream> one = co_await from.accept();
            EXPECT_FALSE(one.has_value());
            if (!one) EXPECT_EQ(one.error(), errc::closed);
            done = true;
        };
        auto act = [](tcp_listener& from, counting_scope& all) -> task<void> {
            co_await sleep_for(10ms);
            from.stop();
            co_await all.join();
        };
        waiting.spawn(wait(door, ended), "accept");
        loop->run(act(door, waiting));
        EXPECT_TRUE(ended);
    }
    expect_quiet();
}

TEST_P(stopped_listener, may_die_with_a_wait_and_with_connections) {
    {
        tcp_listener door = listener();
        std::vector<tcp_stream> clients = loop->run(come(*loop, door, 1));
        {
            counting_scope waiting(*loop);
            auto wait = [](const tcp_listener& from) -> task<void> {
                for (int i = 0; i < 2; ++i) {
                    const result<tcp_stream> one = co_await from.accept();
                    EXPECT_TRUE(one.has_value());
                }
            };
            waiting.spawn(wait(door), "accept");
            auto pause = []() -> task<void> { co_await sleep_for(10ms); };
            loop->run(pause());
            waiting.destroy_all();
        }
        clients = loop->run(come(*loop, door, 3));
        door.stop();
        door.close();
    }
    expect_quiet();
}

// What the system completes between the last accept and close would be reset: its client has lost a request.
TEST_P(stopped_listener, for_good_lets_nobody_come_before_its_close) {
    const bool has_filters = GetParam().kind == io::reactor_kind::epoll || GetParam().kind == io::reactor_kind::uring;
    if (!has_filters) GTEST_SKIP() << "this system has no such filters";
    auto come_in_vain = [](io::event_loop& on, io::socket_address to) -> task<void> {
        const result<tcp_stream> late = co_await with_timeout(20ms, tcp_stream::connect(on, to));
        EXPECT_FALSE(late.has_value());
        if (!late) EXPECT_EQ(late.error(), errc::timed_out);
    };
    for (const char* host : {"127.0.0.1", "::1"}) {
        tcp_listener door = *tcp_listener::bind(*loop, *io::socket_address::parse(host, 0));
        std::vector<tcp_stream> clients = loop->run(come(*loop, door, 2));
        door.stop_for_good();
        std::vector<tcp_stream> taken = loop->run(take_rest(door));
        ASSERT_EQ(taken.size(), 2u);
        loop->run(come_in_vain(*loop, *door.local_address()));
        EXPECT_EQ(loop->run(take_rest(door)).size(), 0u);
        for (std::size_t i = 0; i < taken.size(); ++i) {
            loop->run(say(taken[i]));
            EXPECT_EQ(loop->run(hear(clients[i])), 1u);
        }
    }
    expect_quiet();
}

INSTANTIATE_TEST_SUITE_P(reactors, stopped_listener, io::test::every_reactor, io::test::name_of_case);
// whether the simulated kernel holds an accept is a matter of chance
INSTANTIATE_TEST_SUITE_P(
    more_seeds, stopped_listener,
    testing::Values(io::test::backend{io::reactor_kind::sim, 4}, io::test::backend{io::reactor_kind::sim, 5},
                    io::test::backend{io::reactor_kind::sim, 10}, io::test::backend{io::reactor_kind::sim, 7},
                    io::test::backend{io::reactor_kind::sim, 8}, io::test::backend{io::reactor_kind::sim, 9}),
    io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net
