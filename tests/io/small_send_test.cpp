// Messages small enough to be handed to the kernel whole, on every backend.
#include "io/backend/small_send.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "reactors.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;
using small_send_on = on_every_reactor;

constexpr std::size_t message_bytes = 100;

task<std::string> read_text_to_end(socket& from) {
    std::string all;
    std::vector<std::byte> chunk(4096);
    for (;;) {
        const result<std::size_t> got = co_await from.recv(chunk);
        EXPECT_TRUE(got.has_value()) << got.error().message();
        if (!got || *got == 0) co_return all;
        all.append(as_text(const_bytes(chunk).first(*got)));
    }
}

task<result<void>> send_text(socket& to, std::string text) {
    const result<void> sent = co_await to.send_all(as_bytes(text));
    co_return sent;
}

task<void> end_with(socket& to, std::string last) {
    const result<void> sent = co_await send_text(to, last);
    EXPECT_TRUE(sent.has_value());
    EXPECT_TRUE(to.shutdown_send().has_value());
}

// Fills the stream with f until not a byte more goes in.
task<void> fill(socket& to) {
    auto floods = [](socket& into) -> task<result<void>> {
        const std::string block(64 * 1024, 'f');
        for (;;) {
            const result<void> sent = co_await into.send_all(as_bytes(block));
            if (!sent) co_return sent;
        }
    };
    const result<void> full = co_await with_timeout(20ms, floods(to));
    EXPECT_EQ(full.error(), errc::timed_out);
    // the kernel may still move what is there: it is full when nothing more goes in for a while
    const std::byte one[1]{std::byte{'f'}};
    for (;;) {
        co_await sleep_for(5ms);
        int more = 0;
        for (;; ++more) {
            const result<std::size_t> sent = to.send_now(one);
            EXPECT_TRUE(sent.has_value());
            if (!sent || *sent == 0) break;
        }
        if (more == 0) co_return;
    }
}

TEST_P(small_send_on, sizes_around_the_limit_arrive_whole_however_they_are_sent) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        auto sends = [](socket& to, std::string& expected) -> task<void> {
            for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{64}, small_send::bytes_max - 1,
                                     small_send::bytes_max, small_send::bytes_max + 1, std::size_t{5000}}) {
                const std::string text(size, static_cast<char>('a' + size % 26));
                EXPECT_TRUE((co_await to.send_all(as_bytes(text))).has_value());
                const std::array<const_bytes, 3> parts{as_bytes("<"), const_bytes{}, as_bytes(text)};
                EXPECT_TRUE((co_await to.send_all(parts)).has_value());
                expected += text + "<" + text;
                if (text.empty()) continue;
                const result<std::size_t> some = co_await to.send(as_bytes(text));
                EXPECT_TRUE(some.has_value());
                expected += text.substr(0, some.value_or(0));
            }
            co_await end_with(to, ">");
            expected += ">";
        };
        std::string expected;
        auto [sent, got] = co_await when_all(sends(pair.near, expected), read_text_to_end(pair.far));
        EXPECT_EQ(got, expected);
    }(*loop));
    expect_quiet();
}

TEST_P(small_send_on, destroyed_at_any_moment_a_message_went_out_whole_or_not_at_all) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        for (int round = 0; round < 60; ++round) {
            counting_scope scope(here);
            auto sends = [](socket& to) -> task<void> {
                (void)co_await send_text(to, std::string(message_bytes, 'm'));
            };
            scope.spawn(sends(pair.near), "victim");
            for (int turn = 0; turn < round % 6; ++turn) co_await yield();
            scope.destroy_all();
        }
        auto [ended, got] = co_await when_all(end_with(pair.near, "e"), read_text_to_end(pair.far));
        EXPECT_EQ(got.size() % message_bytes, 1u);
        EXPECT_EQ(got.back(), 'e');
    }(*loop));
    expect_quiet();
}

// What goes directly must not overtake what the kernel was to send.
TEST_P(small_send_on, destroyed_before_it_left_does_not_come_behind_what_is_sent_next) {
    constexpr std::size_t next_bytes = 5'000;
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        constexpr int rounds = 24;
        auto sends = [](socket& near, event_loop& on) -> task<void> {
            for (int round = 0; round < rounds; ++round) {
                const auto letter = static_cast<char>('a' + round);
                counting_scope scope(on);
                auto victim = [](socket& to, char of) -> task<void> {
                    (void)co_await send_text(to, std::string(message_bytes, of));
                };
                scope.spawn(victim(near, letter), "victim");
                for (int turn = 0; turn < round % 4; ++turn) co_await yield();
                if (round % 8 >= 4) scope.request_stop();
                scope.destroy_all();
                const std::string next(next_bytes, static_cast<char>(letter - 'a' + 'A'));
                EXPECT_TRUE((co_await send_text(near, next)).has_value());
                if (round % 6 == 5) co_await sleep_for(100us);  // a turn, in which the kernel gets what is queued
            }
            co_await sleep_for(1ms);
            EXPECT_TRUE(near.shutdown_send().has_value());
        };
        auto [sent, got] = co_await when_all(sends(pair.near, here), read_text_to_end(pair.far));
        std::size_t at = 0;
        for (int round = 0; round < rounds; ++round) {
            const auto small = static_cast<char>('a' + round);
            const std::size_t begin = at;
            while (at < got.size() && got[at] == small) ++at;
            EXPECT_TRUE(at == begin || at == begin + message_bytes) << "round " << round;
            const std::string_view next = std::string_view(got).substr(at, next_bytes);
            EXPECT_EQ(next.find_first_not_of(static_cast<char>('A' + round)), std::string_view::npos) << round;
            at += next.size();
        }
        EXPECT_EQ(at, got.size());
    }(*loop));
    expect_quiet();
}

TEST_P(small_send_on, is_out_before_the_end_of_the_stream) {
    loop->run([](event_loop& here) -> task<void> {
        for (int round = 0; round < 10; ++round) {
            connection pair = co_await make_connection(here);
            counting_scope scope(here);
            auto sends = [](socket& to) -> task<void> {
                EXPECT_TRUE((co_await send_text(to, std::string(message_bytes, 'm'))).has_value());
            };
            scope.spawn(sends(pair.near), "sender");
            for (int turn = 0; turn < 1 + round % 3; ++turn) co_await yield();
            EXPECT_TRUE(pair.near.shutdown_send().has_value());
            const std::string got = co_await read_text_to_end(pair.far);
            EXPECT_EQ(got.size(), message_bytes);
            co_await scope.join();
        }
    }(*loop));
    expect_quiet();
}

enum class ending { room, cancelled, destroyed, closed, reset };

// A message that finds no room meets its end; then the stream is read to see that it is still in order.
task<void> block_and_end(event_loop& here, ending how) {
    connection pair = co_await make_connection(here);
    co_await fill(pair.near);
    counting_scope scope(here);
    std::optional<result<void>> ended;
    auto sends = [](socket& to, std::optional<result<void>>& out) -> task<void> {
        out = co_await send_text(to, std::string(message_bytes, 'm'));
    };
    scope.spawn(sends(pair.near, ended), "victim");
    co_await sleep_for(1ms);
    EXPECT_FALSE(ended.has_value()) << "there was room";
    switch (how) {
        case ending::room: break;
        case ending::cancelled: scope.request_stop(); break;
        case ending::destroyed: scope.destroy_all(); break;
        case ending::closed: pair.near.close(); break;
        case ending::reset: pair.far.reset(); break;
    }
    if (how == ending::closed || how == ending::reset) {
        co_await scope.join();
        EXPECT_FALSE(ended->has_value());
        if (how == ending::closed) EXPECT_EQ(ended->error(), errc::closed);
        co_return;
    }
    if (how == ending::cancelled) {
        co_await scope.join();
        EXPECT_EQ(ended->error(), errc::stopped);
    }
    auto joins_and_ends = [](counting_scope& first, socket& to) -> task<void> {
        co_await first.join();
        co_await end_with(to, "e");
    };
    auto [last, got] = co_await when_all(joins_and_ends(scope, pair.near), read_text_to_end(pair.far));
    const auto middle = got.find('m');
    EXPECT_EQ(got.find_last_not_of('e') + 2, got.size());
    if (how == ending::room) {
        EXPECT_TRUE(ended->has_value());
        EXPECT_EQ(std::count(got.begin(), got.end(), 'm'), static_cast<std::ptrdiff_t>(message_bytes));
    }
    if (middle != std::string::npos) EXPECT_EQ(got.find('f', middle), std::string::npos);
}

TEST_P(small_send_on, that_finds_no_room_meets_every_end) {
    for (const ending how : {ending::room, ending::cancelled, ending::destroyed, ending::closed, ending::reset}) {
        SCOPED_TRACE(static_cast<int>(how));
        loop->run(block_and_end(*loop, how));
    }
    expect_quiet();
    loop.destroy();
}

TEST_P(small_send_on, many_at_once_need_few_system_calls_on_a_completion_backend) {
    if (GetParam().kind != reactor_kind::uring) return;
    loop->run([](event_loop& here) -> task<void> {
        std::vector<connection> pairs;
        for (int i = 0; i < 50; ++i) pairs.push_back(co_await make_connection(here));
        const std::uint64_t before = here.reactor().stats().attempts;
        counting_scope scope(here);
        auto sends = [](socket& to) -> task<void> {
            EXPECT_TRUE((co_await send_text(to, std::string(message_bytes, 'm'))).has_value());
        };
        for (connection& pair : pairs) scope.spawn(sends(pair.near), "sender");
        co_await scope.join();
        EXPECT_EQ(here.reactor().stats().attempts, before) << "each was a call of its own";
    }(*loop));
}

INSTANTIATE_TEST_SUITE_P(reactors, small_send_on, every_reactor, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
