// The tunnel pump between a client and an origin, on every backend.
#include "net/pump.hpp"

#include <vector>

#include "io/reactors.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::net {
namespace {

using namespace std::chrono_literals;
using io::test::connection;
using io::test::make_connection;

class pump_on_every_reactor : public io::test::on_every_reactor {
protected:
    struct ends {
        tcp_stream client, client_side, origin_side, origin;
    };
    // client <-> client_side | pump | origin_side <-> origin
    static task<ends> make_ends(io::event_loop& loop) {
        connection left = co_await make_connection(loop);
        connection right = co_await make_connection(loop);
        co_return ends{tcp_stream(std::move(left.near)), tcp_stream(std::move(left.far)),
                       tcp_stream(std::move(right.near)), tcp_stream(std::move(right.far))};
    }
};
using pumped = pump_on_every_reactor;

task<void> send_pattern(tcp_stream& to, std::size_t size, bool then_end) {
    std::vector<std::byte> block(50'000);
    std::uint32_t x = 7;
    for (std::size_t sent = 0; sent < size;) {
        const std::size_t step = std::min(block.size(), size - sent);
        for (std::size_t i = 0; i < step; ++i)
            block[i] = static_cast<std::byte>((x = x * 1664525u + 1013904223u) >> 24);
        const result<void> done = co_await to.send_all(const_bytes(block).first(step));
        EXPECT_TRUE(done.has_value());
        if (!done) co_return;
        sent += step;
    }
    if (then_end) EXPECT_TRUE(to.shutdown_send().has_value());
}

// Counts bytes that fit the pattern; ends at the end of the stream.
task<std::size_t> receive_pattern(tcp_stream& from, duration pause = {}) {
    std::vector<std::byte> block(30'000);
    std::uint32_t x = 7;
    std::size_t good = 0;
    for (;;) {
        if (pause > duration::zero()) co_await sleep_for(pause);
        const result<std::size_t> got = co_await from.recv(block);
        if (!got || *got == 0) co_return good;
        for (std::size_t i = 0; i < *got; ++i)
            if (block[i] == static_cast<std::byte>((x = x * 1664525u + 1013904223u) >> 24)) ++good;
    }
}

TEST_P(pumped, bulk_in_both_directions_arrives_whole_and_its_pipes_and_blocks_come_back) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        auto [up, down, got_up, got_down, done] = co_await when_all(
            send_pattern(all.client, 5'000'000, true), send_pattern(all.origin, 3'000'000, true),
            receive_pattern(all.origin), receive_pattern(all.client), pump(all.client_side, all.origin_side, {}));
        EXPECT_EQ(got_up, 5'000'000u);
        EXPECT_EQ(got_down, 3'000'000u);
        EXPECT_EQ(done.forth.bytes, 5'000'000u);
        EXPECT_EQ(done.back.bytes, 3'000'000u);
        EXPECT_EQ(done.forth.end, end_reason::eof);
        EXPECT_EQ(done.back.end, end_reason::eof);
    }(*loop));
    expect_quiet();
}

TEST_P(pumped, after_a_half_close_the_other_direction_goes_on) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        auto answers_late = [](tcp_stream& origin) -> task<void> {
            const std::size_t got = co_await receive_pattern(origin);
            EXPECT_EQ(got, 1000u);
            co_await sleep_for(20ms);
            co_await send_pattern(origin, 200'000, true);
        };
        auto [asked, answered, got, done] =
            co_await when_all(send_pattern(all.client, 1000, true), answers_late(all.origin),
                              receive_pattern(all.client), pump(all.client_side, all.origin_side, {}));
        EXPECT_EQ(got, 200'000u);
        EXPECT_EQ(done.back.bytes, 200'000u);
    }(*loop));
    expect_quiet();
}

TEST_P(pumped, a_reset_of_one_side_is_passed_on_to_the_other) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        auto resets = [](tcp_stream& origin) -> task<void> {
            co_await sleep_for(5ms);
            origin.reset();
        };
        auto sees = [](tcp_stream& client) -> task<errc> {
            std::vector<std::byte> block(100);
            const result<std::size_t> got = co_await client.recv(block);
            co_return got ? errc::other : got.error().code();
        };
        auto [reset, seen, done] =
            co_await when_all(resets(all.origin), sees(all.client), pump(all.client_side, all.origin_side, {}));
        EXPECT_EQ(seen, errc::connection_reset);
        EXPECT_EQ(done.back.end, end_reason::reset);
    }(*loop));
    expect_quiet();
}

TEST_P(pumped, an_idle_tunnel_ends_and_a_busy_one_does_not) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        auto drips = [](tcp_stream& to) -> task<void> {
            for (int i = 0; i < 6; ++i) {
                EXPECT_TRUE((co_await to.send_all(as_bytes("."))).has_value());
                co_await sleep_for(20ms);
            }
        };
        const time_point before = here.now();
        auto [dripped, done] =
            co_await when_all(drips(all.client), pump(all.client_side, all.origin_side, {.idle_timeout = 50ms}));
        EXPECT_GE(here.now() - before, 145ms);
        EXPECT_EQ(done.forth.bytes, 6u);
        EXPECT_EQ(done.forth.end, end_reason::idle);
        EXPECT_EQ(done.back.end, end_reason::idle);
    }(*loop));
    expect_quiet();
}

TEST_P(pumped, a_slow_reader_holds_the_sender_back_and_gets_everything) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        auto [sent, got, done] = co_await when_all(send_pattern(all.origin, 2'000'000, true),
                                                   receive_pattern(all.client, std::chrono::microseconds(100)),
                                                   [](ends& each) -> task<void> {
                                                       (void)each.client.shutdown_send();
                                                       co_await pump(each.client_side, each.origin_side, {});
                                                   }(all));
        EXPECT_EQ(got, 2'000'000u);
    }(*loop));
    expect_quiet();
}

TEST_P(pumped, destroyed_at_any_moment_leaves_nothing_behind) {
    loop->run([](io::event_loop& here) -> task<void> {
        for (int round = 0; round < 30; ++round) {
            ends all = co_await make_ends(here);
            counting_scope scope(here);
            auto runs = [](ends& each) -> task<void> { co_await pump(each.client_side, each.origin_side, {}); };
            auto floods = [](tcp_stream& to) -> task<void> {
                std::vector<std::byte> block(100'000);
                for (;;) {
                    const result<void> sent = co_await to.send_all(block);
                    if (!sent) co_return;
                }
            };
            auto drains = [](tcp_stream& from) -> task<void> { (void)co_await receive_pattern(from); };
            scope.spawn(runs(all), "pump");
            scope.spawn(floods(all.client), "flood");
            scope.spawn(drains(all.origin), "drain");
            for (int i = 0; i < round * 3; ++i) co_await yield();
            if (round % 2) co_await sleep_for(duration(round * 50'000));
            scope.destroy_all();
        }
    }(*loop));
    expect_quiet();
    loop.destroy();
}

INSTANTIATE_TEST_SUITE_P(reactors, pumped, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net
