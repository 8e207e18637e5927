// What every backend promises beyond the contract matrix (tests/contract) and the scenarios (tests/conformance).
#include <numeric>
#include <vector>

#include "reactors.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;
using contract = on_every_reactor;

std::vector<std::byte> pattern(std::size_t size, unsigned seed = 1) {
    std::vector<std::byte> data(size);
    std::uint32_t x = seed;
    for (auto& one : data) one = static_cast<std::byte>((x = x * 1664525u + 1013904223u) >> 24);
    return data;
}

task<std::vector<std::byte>> read_to_end(socket& from) {
    std::vector<std::byte> all, chunk(7001);
    for (;;) {
        result<std::size_t> got = co_await from.recv(chunk);
        EXPECT_TRUE(got.has_value()) << got.error().message();
        if (!got || *got == 0) co_return all;
        all.insert(all.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(*got));
    }
}

task<std::vector<std::byte>> read_leases_to_end(socket& from) {
    std::vector<std::byte> all;
    for (;;) {
        result<lease> got = co_await from.recv_lease(16 * 1024);
        EXPECT_TRUE(got.has_value());
        if (!got || got->empty()) co_return all;
        all.insert(all.end(), got->data().begin(), got->data().end());
    }
}

task<void> send_and_half_close(socket& to, const std::vector<std::byte>& data) {
    result<void> sent = co_await to.send_all(data);
    EXPECT_TRUE(sent.has_value()) << sent.error().message();
    EXPECT_TRUE(to.shutdown_send().has_value());
}

TEST_P(contract, bytes_arrive_whole_and_in_order_in_both_directions_through_half_closes) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        const auto there = pattern(3'000'000, 1), back = pattern(1'000'000, 2);
        auto [sent_near, sent_far, got_far, got_near] =
            co_await when_all(send_and_half_close(pair.near, there), send_and_half_close(pair.far, back),
                              read_to_end(pair.far), read_leases_to_end(pair.near));
        EXPECT_TRUE(got_far == there);
        EXPECT_TRUE(got_near == back);
    }(*loop));
    expect_quiet();
}

TEST_P(contract, what_is_sent_without_waiting_is_as_much_as_there_is_room_for) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        const auto data = pattern(64 * 1024);
        std::vector<std::byte> taken;
        for (;;) {
            const result<std::size_t> sent = pair.near.send_now(data);
            EXPECT_TRUE(sent.has_value()) << sent.error().message();
            if (!sent || *sent == 0) break;
            taken.insert(taken.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(*sent));
        }
        EXPECT_FALSE(taken.empty());
        const auto rest = pattern(100'000, 3);  // waits for the room that reading makes
        auto [sent, got] = co_await when_all(send_and_half_close(pair.near, rest), read_to_end(pair.far));
        taken.insert(taken.end(), rest.begin(), rest.end());
        EXPECT_TRUE(got == taken);
        pair.far.reset();
        (void)co_await pair.near.ready(direction::hang_up);
        EXPECT_FALSE(pair.near.send_now(data).has_value());
    }(*loop));
    expect_quiet();
}

TEST_P(contract, leased_receives_give_way_to_borrowed_ones_without_losing_a_byte) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        const auto data = pattern(400'000);
        auto reader = [](socket& from) -> task<std::vector<std::byte>> {
            std::vector<std::byte> all;
            result<lease> first = co_await from.recv_lease(4096);
            EXPECT_TRUE(first.has_value());
            all.assign(first->data().begin(), first->data().end());
            first->reset();
            auto rest = co_await read_to_end(from);
            all.insert(all.end(), rest.begin(), rest.end());
            co_return all;
        };
        auto [sent, got] = co_await when_all(send_and_half_close(pair.near, data), reader(pair.far));
        EXPECT_TRUE(got == data);
    }(*loop));
    expect_quiet();
}

TEST_P(contract, gathered_parts_arrive_as_one) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        const auto big = pattern(300'000);
        auto sender = [](socket& to, const std::vector<std::byte>& middle) -> task<void> {
            result<void> sent =
                co_await to.send_all(std::array<const_bytes, 3>{as_bytes("head"), const_bytes{}, const_bytes(middle)});
            EXPECT_TRUE(sent.has_value());
            EXPECT_TRUE(to.shutdown_send().has_value());
        };
        auto [sent, got] = co_await when_all(sender(pair.near, big), read_to_end(pair.far));
        EXPECT_EQ(got.size(), big.size() + 4);
        EXPECT_EQ(as_text(const_bytes(got).first(4)), "head");
        EXPECT_TRUE(std::equal(big.begin(), big.end(), got.begin() + 4));
    }(*loop));
}

TEST_P(contract, a_cancelled_leased_receive_loses_no_bytes) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        auto reader = [](socket& from, std::size_t& total) -> task<void> {
            for (;;) {
                result<lease> got = co_await from.recv_lease(4096);
                if (!got) co_return;
                total += got->size();
                if (got->empty()) co_return;
            }
        };
        std::size_t received = 0, sent = 0;
        for (int round = 0; round < 60; ++round) {
            const auto data = pattern(static_cast<std::size_t>(round * 37 % 500 + 1));
            auto writer = [](socket& to, const std::vector<std::byte>& bytes_out, duration wait) -> task<void> {
                co_await sleep_for(wait);
                EXPECT_TRUE((co_await to.send_all(bytes_out)).has_value());
            };
            sent += data.size();
            auto limited = [&](duration limit) -> task<void> {
                co_await with_timeout(limit, reader(pair.near, received));
            };
            co_await when_all(writer(pair.far, data, std::chrono::microseconds(round * 13 % 300)),
                              limited(std::chrono::microseconds(round * 29 % 300)));
        }
        EXPECT_TRUE(pair.far.shutdown_send().has_value());
        co_await reader(pair.near, received);
        EXPECT_EQ(received, sent);
    }(*loop));
    expect_quiet();
}

TEST_P(contract, a_hundred_connections_are_accepted_while_others_are_served) {
    loop->run([](event_loop& here) -> task<void> {
        result<socket> listener = listen_on_loopback(here);
        const socket_address where = *listener->local_address();
        counting_scope clients(here);
        auto client = [](event_loop& on, socket_address to, int& good) -> task<void> {
            result<socket> made = co_await connect_to(on, to);
            EXPECT_TRUE(made.has_value());
            EXPECT_TRUE((co_await made->send_all(as_bytes("ping"))).has_value());
            std::vector<std::byte> buffer(16);
            std::size_t total = 0;
            while (total < 4) {
                result<std::size_t> got = co_await made->recv(buffer);
                if (!got || *got == 0) co_return;
                total += *got;
            }
            ++good;
        };
        auto echo = [](socket one) -> task<void> {
            std::vector<std::byte> buffer(16);
            for (;;) {
                result<std::size_t> got = co_await one.recv(buffer);
                if (!got || *got == 0) co_return;
                const result<void> sent = co_await one.send_all(const_bytes(buffer).first(*got));
                if (!sent) co_return;
            }
        };
        int good = 0;
        for (int i = 0; i < 100; ++i) clients.spawn(client(here, where, good), "client");
        for (int i = 0; i < 100; ++i) {
            result<socket> accepted = co_await listener->accept();
            EXPECT_TRUE(accepted.has_value());
            if (accepted) clients.spawn(echo(std::move(*accepted)), "echo");
        }
        co_await clients.join();
        EXPECT_EQ(good, 100);
    }(*loop));
    expect_quiet();
}

TEST_P(contract, a_reader_of_an_endless_stream_leaves_the_others_their_turn) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        bool stop = false;
        auto source = [](socket& to, bool& done) -> task<void> {
            const auto data = pattern(64 * 1024);
            while (!done) {
                const result<void> sent = co_await to.send_all(data);
                if (!sent) co_return;
            }
            (void)to.shutdown_send();
        };
        auto sink = [](socket& from) -> task<void> {
            std::vector<std::byte> buffer(16 * 1024);
            for (;;) {
                result<std::size_t> got = co_await from.recv(buffer);
                if (!got || *got == 0) co_return;
            }
        };
        auto other = [](bool& done) -> task<void> {
            for (int i = 0; i < 50; ++i) co_await yield();
            co_await sleep_for(1ms);
            done = true;
        };
        co_await when_all(source(pair.near, stop), sink(pair.far), other(stop));
    }(*loop));
    expect_quiet();
}

TEST_P(contract, sleeping_takes_the_time_asked_for_and_not_less) {
    const time_point before = loop->now();
    loop->run([]() -> task<void> { EXPECT_TRUE((co_await sleep_for(20ms)).has_value()); }());
    EXPECT_GE(loop->now() - before, 20ms);
}

TEST_P(contract, a_second_reader_of_one_stream_is_a_fault) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            loop_under_test fresh(GetParam());
            fresh->run([](event_loop& here) -> task<void> {
                connection pair = co_await make_connection(here);
                co_await when_all(read_to_end(pair.near), read_to_end(pair.near));
            }(*fresh));
        },
        "one operation of each direction");
}

INSTANTIATE_TEST_SUITE_P(reactors, contract, every_reactor, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
