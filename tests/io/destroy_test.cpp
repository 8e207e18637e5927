// Frames that die with their operation in every state of the slot diagram, on every backend.
#include <vector>

#include "reactors.hpp"
#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;
using destroy = on_every_reactor;

task<void> receive_once(socket& from, int& got) {
    std::vector<std::byte> buffer(64);
    result<std::size_t> bytes_in = co_await from.recv(buffer);
    if (bytes_in) got += static_cast<int>(*bytes_in);
}

task<void> receive_lease_once(socket& from, int& got) {
    result<lease> bytes_in = co_await from.recv_lease(4096);
    if (bytes_in) got += static_cast<int>(bytes_in->size());
}

task<void> accept_once(socket& from, int& got) {
    const result<socket> accepted = co_await from.accept();
    if (accepted) ++got;
}

task<void> turns(event_loop& loop, int count) {
    for (int i = 0; i < count; ++i) co_await yield();
    (void)loop;
}

// Runs `work` in a scope, lets `count` turns pass, and destroys it where it stands.
task<void> destroy_after(event_loop& loop, task<void> work, int count) {
    counting_scope scope(loop);
    scope.spawn(std::move(work), "victim");
    co_await turns(loop, count);
    scope.destroy_all();
}

TEST_P(destroy, an_armed_receive_and_its_bytes_stay_in_the_stream) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        int got = 0;
        for (int round = 0; round < 50; ++round) {
            co_await destroy_after(here, receive_once(pair.near, got), round % 5);
            co_await destroy_after(here, receive_lease_once(pair.near, got), round % 5);
        }
        EXPECT_EQ(got, 0);
        EXPECT_TRUE((co_await pair.far.send_all(as_bytes("still here"))).has_value());
        EXPECT_TRUE(pair.far.shutdown_send().has_value());
        std::size_t total = 0;
        for (;;) {
            std::vector<std::byte> buffer(4);
            result<std::size_t> more = co_await pair.near.recv(buffer);
            EXPECT_TRUE(more.has_value());
            if (!more || *more == 0) break;
            total += *more;
        }
        EXPECT_EQ(total, 10u);
    }(*loop));
    expect_quiet();
}

TEST_P(destroy, a_receive_whose_bytes_have_arrived_loses_none_of_them) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        std::size_t sent = 0;
        int got = 0;
        for (int round = 0; round < 200; ++round) {
            counting_scope scope(here);
            scope.spawn(round % 2 ? receive_once(pair.near, got) : receive_lease_once(pair.near, got), "victim");
            co_await turns(here, 2);
            EXPECT_TRUE((co_await pair.far.send_all(as_bytes("x"))).has_value());
            ++sent;
            co_await turns(here, round % 7);
            if (round % 3 == 0) co_await sleep_for(duration(round * 1000));
            scope.destroy_all();
        }
        EXPECT_TRUE(pair.far.shutdown_send().has_value());
        for (;;) {
            std::vector<std::byte> buffer(64);
            result<std::size_t> more = co_await pair.near.recv(buffer);
            EXPECT_TRUE(more.has_value());
            if (!more || *more == 0) break;
            got += static_cast<int>(*more);
        }
        EXPECT_EQ(static_cast<std::size_t>(got), sent);
    }(*loop));
    expect_quiet();
}

TEST_P(destroy, an_armed_accept_leaves_the_connection_to_the_next_or_closes_it) {
    loop->run([](event_loop& here) -> task<void> {
        result<socket> listener = listen_on_loopback(here);
        const socket_address where = *listener->local_address();
        int got = 0;
        for (int round = 0; round < 30; ++round) {
            counting_scope scope(here);
            scope.spawn(accept_once(*listener, got), "victim");
            co_await turns(here, 1);
            result<socket> client = co_await connect_to(here, where);
            EXPECT_TRUE(client.has_value());
            co_await turns(here, round % 4);
            scope.destroy_all();
        }
        co_await destroy_after(here, accept_once(*listener, got), 3);
    }(*loop));
    loop.destroy();  // asserts that no slot and no descriptor is left
}

TEST_P(destroy, a_connect_at_any_moment) {
    loop->run([](event_loop& here) -> task<void> {
        result<socket> listener = listen_on_loopback(here);
        const socket_address where = *listener->local_address();
        auto connects = [](event_loop& on, socket_address to) -> task<void> { (void)co_await connect_to(on, to); };
        for (int round = 0; round < 50; ++round) co_await destroy_after(here, connects(here, where), round % 6);
    }(*loop));
    loop.destroy();
}

TEST_P(destroy, a_send_that_waits_for_room) {
    loop->run([](event_loop& here) -> task<void> {
        for (int round = 0; round < 5; ++round) {
            connection pair = co_await make_connection(here);
            auto sends = [](socket& to) -> task<void> {
                std::vector<std::byte> data(1'000'000);
                for (;;) {
                    const result<void> sent = co_await to.send_all(data);
                    if (!sent) co_return;
                }
            };
            co_await destroy_after(here, sends(pair.near), 200 + round);
        }
    }(*loop));
    loop.destroy();
}

TEST_P(destroy, the_socket_first_and_its_reader_afterwards_and_the_other_way_round) {
    loop->run([](event_loop& here) -> task<void> {
        int got = 0;
        for (int round = 0; round < 40; ++round) {
            connection pair = co_await make_connection(here);
            counting_scope scope(here);
            scope.spawn(round % 2 ? receive_once(pair.near, got) : receive_lease_once(pair.near, got), "reader");
            co_await turns(here, 1 + round % 4);
            if (round % 3 == 0) EXPECT_TRUE((co_await pair.far.send_all(as_bytes("y"))).has_value());
            if (round % 8 < 4) {
                pair.near.close();
                co_await turns(here, round % 3);
                scope.destroy_all();
            } else {
                scope.destroy_all();
                pair.near.close();
            }
        }
    }(*loop));
    loop.destroy();
}

TEST_P(destroy, a_loop_with_everything_still_in_flight) {
    {
        struct holder {
            std::vector<socket> sockets;
        };
        static holder* held;
        held = new holder;
        auto setup = [](event_loop& here) -> task<void> {
            for (int i = 0; i < 20; ++i) {
                connection pair = co_await make_connection(here);
                held->sockets.push_back(std::move(pair.near));
                held->sockets.push_back(std::move(pair.far));
            }
            result<socket> listener = listen_on_loopback(here);
            held->sockets.push_back(std::move(*listener));
        };
        loop->run(setup(*loop));
        static int got;
        for (std::size_t i = 0; i + 1 < held->sockets.size(); ++i)
            loop->spawn(i % 2 ? receive_once(held->sockets[i], got) : receive_lease_once(held->sockets[i], got),
                        "reader");
        loop->spawn(accept_once(held->sockets.back(), got), "acceptor");
        loop->spawn([]() -> task<void> { co_await sleep_for(1h); }(), "sleeper");
        loop->run([]() -> task<void> { co_await sleep_for(1ms); }());
        loop->root().destroy_all();
        delete held;
    }
    loop.destroy();
}

INSTANTIATE_TEST_SUITE_P(reactors, destroy, every_reactor, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
