// The tunnel pump between a client and an origin, on every backend.
#include "net/pump.hpp"

#include <vector>

#include "pumped.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::net {
namespace {

using namespace std::chrono_literals;
using test::receive_pattern;
using test::send_pattern;
using pumped = test::pump_on_every_reactor;

// Each piece costs so much time.
class slow_pacer final : public pacer {
public:
    slow_pacer(std::size_t piece, duration wait) noexcept : piece_(piece), wait_(wait) {}
    std::size_t piece_max() const noexcept override { return piece_; }
    duration took(bool forth, std::size_t size, time_point) noexcept override {
        (forth ? taken_forth : taken_back) += size;
        largest = std::max(largest, size);
        return size == 0 ? duration::zero() : wait_;
    }
    std::size_t taken_forth = 0, taken_back = 0, largest = 0;

private:
    std::size_t piece_;
    duration wait_;
};

TEST_P(pumped, a_pacer_hears_of_every_byte_and_bounds_the_pieces) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        slow_pacer slow(4'000, 100us);
        pump_options how;
        how.pace = &slow;
        auto [up, down, got_up, got_down, done] = co_await when_all(
            send_pattern(all.client, 200'000, true), send_pattern(all.origin, 100'000, true),
            receive_pattern(all.origin), receive_pattern(all.client), pump(all.client_side, all.origin_side, how));
        EXPECT_EQ(got_up, 200'000u);
        EXPECT_EQ(got_down, 100'000u);
        EXPECT_EQ(slow.taken_forth, 200'000u);
        EXPECT_EQ(slow.taken_back, 100'000u);
        EXPECT_LE(slow.largest, 16'384u) << "no larger than a block";
        EXPECT_EQ(done.forth.end, end_reason::eof);
        EXPECT_EQ(done.back.end, end_reason::eof);
    }(*loop));
}

TEST_P(pumped, a_fast_pace_is_spliced_and_heard_of) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        slow_pacer fast(1'000'000, 10us);
        pump_options how;
        how.pace = &fast;
        auto [sent, got, nothing, done] =
            co_await when_all(send_pattern(all.client, 5'000'000, true), receive_pattern(all.origin),
                              send_pattern(all.origin, 0, true), pump(all.client_side, all.origin_side, how));
        EXPECT_EQ(got, 5'000'000u);
        EXPECT_EQ(fast.taken_forth, 5'000'000u);
        EXPECT_EQ(done.forth.end, end_reason::eof);
    }(*loop));
}

TEST_P(pumped, a_direction_that_waits_for_its_pace_is_not_idle) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        slow_pacer slow(4'000, 600ms);
        pump_options how;
        how.pace = &slow;
        how.idle_timeout = 200ms;
        const time_point before = here.now();
        auto [sent, got, nothing, done] =
            co_await when_all(send_pattern(all.client, 4'000, true), receive_pattern(all.origin),
                              send_pattern(all.origin, 0, true), pump(all.client_side, all.origin_side, how));
        EXPECT_GE(here.now() - before, 600ms);
        EXPECT_EQ(got, 4'000u);
        EXPECT_EQ(done.forth.end, end_reason::eof);
        EXPECT_EQ(done.back.end, end_reason::eof);
    }(*loop));
}

TEST_P(pumped, a_pump_that_waits_for_its_pace_can_be_cancelled) {
    loop->run([](io::event_loop& here) -> task<void> {
        ends all = co_await make_ends(here);
        slow_pacer slow(4'000, 1h);
        pump_options how;
        how.pace = &slow;
        co_await send_pattern(all.client, 1'000, false);
        const pump_result done = co_await with_timeout(50ms, pump(all.client_side, all.origin_side, how));
        EXPECT_GT(done.forth.bytes, 0u);
        EXPECT_EQ(done.forth.end, end_reason::idle);
        EXPECT_EQ(done.back.end, end_reason::idle);
    }(*loop));
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
                co_await sleep_for(100ms);
            }
        };
        const time_point before = here.now();
        auto [dripped, done] =
            co_await when_all(drips(all.client), pump(all.client_side, all.origin_side, {.idle_timeout = 400ms}));
        EXPECT_GE(here.now() - before, 895ms);
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
