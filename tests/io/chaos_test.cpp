// Chaos on purpose: what it may disturb, and what must hold all the same.
#include "io/chaos.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "io/reactors.hpp"
#include "io/runtime.hpp"
#include "sync/channel.hpp"
#include "sync/event.hpp"
#include "sync/sleep.hpp"

namespace co_wq::io::test {
namespace {

constexpr std::size_t text_size = 150'000;

char letter(std::size_t at) noexcept { return static_cast<char>('a' + (at * 5 + at / 97) % 26); }

struct transfer {
    std::size_t sent = 0, received = 0;
    unsigned disturbed = 0;  // operations that ended with stopped
    bool in_order = true;
};

// A single send that is cancelled has sent nothing, so what was not sent is sent again.
task<void> send_in_spite(const socket& to, const_bytes data, transfer& books) {
    while (!data.empty()) {
        const result<std::size_t> sent = co_await to.send(data);
        if (sent) {
            data = data.subspan(*sent);
        } else {
            EXPECT_EQ(sent.error(), errc::stopped);
            ++books.disturbed;
        }
    }
}

// 0 at the end.
task<std::size_t> recv_in_spite(const socket& from, bytes into, transfer& books) {
    for (;;) {
        const result<std::size_t> got = co_await from.recv(into);
        if (got) co_return *got;
        EXPECT_EQ(got.error(), errc::stopped);
        ++books.disturbed;
    }
}

// Waits for a word after each piece: so at least one operation a piece has to wait, and can be disturbed.
task<void> send_text(const socket& to, std::size_t step, transfer& books) {
    std::vector<char> piece(step);
    std::byte word[1];
    while (books.sent < text_size) {
        const std::size_t size = std::min(step, text_size - books.sent);
        for (std::size_t at = 0; at < size; ++at) piece[at] = letter(books.sent + at);
        co_await send_in_spite(to, std::as_bytes(std::span(piece.data(), size)), books);
        books.sent += size;
        EXPECT_EQ(co_await recv_in_spite(to, word, books), 1u);
    }
    EXPECT_TRUE(to.shutdown_send().has_value());
}

task<void> recv_text(const socket& from, std::size_t step, transfer& books) {
    std::array<std::byte, 4000> room;
    for (std::size_t next = step;;) {
        const std::size_t got = co_await recv_in_spite(from, room, books);
        if (got == 0) co_return;
        for (std::size_t at = 0; at < got; ++at)
            books.in_order &= static_cast<char>(room[at]) == letter(books.received + at);
        books.received += got;
        if (books.received < std::min(next, text_size)) continue;
        next += step;
        co_await send_in_spite(from, as_bytes("."), books);
    }
}

// Connections, until one was made undisturbed on both sides.
task<connection> connect_in_spite(event_loop& loop, transfer& books) {
    result<socket> listener = listen_on_loopback(loop);
    EXPECT_TRUE(listener.has_value());
    for (;;) {
        result<socket> near = co_await connect_to(loop, *listener->local_address());
        if (!near) {
            EXPECT_EQ(near.error(), errc::stopped);
            ++books.disturbed;
            continue;
        }
        for (;;) {  // those that were given up may come first
            result<socket> far = co_await listener->accept();
            EXPECT_TRUE(far.has_value()) << "a listener's operation is not cancelled";
            if (!far || far->peer_address() == near->local_address())
                co_return connection{std::move(*near), std::move(*far)};
        }
    }
}

task<void> carry(event_loop& loop, transfer& books, std::size_t step) {
    connection pair = co_await connect_in_spite(loop, books);
    counting_scope both(loop);
    both.spawn(send_text(pair.near, step, books), "sender");
    both.spawn(recv_text(pair.far, step, books), "receiver");
    co_await both.join();
}

chaos::counters run_transfer(backend which, chaos_options options, std::size_t step, transfer& books) {
    loop_under_test loop(which, options);
    loop->run(carry(*loop, books, step));
    const op_counters& count = loop->slots().counters();
    EXPECT_EQ(count.started, count.finished + loop->slots().live());
    return loop->chaos()->count();
}

class chaos_on : public testing::TestWithParam<backend> {};

TEST_P(chaos_on, every_byte_arrives_once_and_in_order) {
    for (const double rate : {0.05, 0.5, 1.0}) {
        transfer books;
        const chaos::counters did = run_transfer(GetParam(), {.seed = 11, .rate = rate}, 1777, books);
        EXPECT_EQ(books.received, text_size) << rate;
        EXPECT_EQ(books.sent, text_size) << rate;
        EXPECT_TRUE(books.in_order) << rate;
        if (rate >= 0.5) EXPECT_GT(did.held + did.behind, 0u) << rate;  // a twentieth of a few may be none
        EXPECT_LE(books.disturbed, did.cancelled) << rate;
    }
}

TEST_P(chaos_on, operations_are_cancelled_and_the_work_still_gets_done) {
    transfer books;
    const chaos::counters did = run_transfer(GetParam(), {.seed = 3, .rate = 1}, 500, books);
    EXPECT_EQ(books.received, text_size);
    EXPECT_GT(books.disturbed, 0u);
    EXPECT_GE(did.cancelled, books.disturbed);
    EXPECT_GT(did.held, 0u);
    EXPECT_GT(did.behind, 0u);
}

task<void> pass_numbers(channel<int>& through, int many) {
    for (int number = 0; number < many; ++number) EXPECT_TRUE((co_await through.send(number)).has_value());
    through.close();
}

task<void> take_numbers(channel<int>& through, int& taken) {
    for (;;) {
        const result<int> number = co_await through.recv();
        if (!number) co_return;
        EXPECT_EQ(*number, taken);
        ++taken;
    }
}

// Waits on objects are operations, too: they come late, and none is lost or cancelled.
TEST_P(chaos_on, waits_of_tasks_are_delayed_but_complete) {
    loop_under_test loop(GetParam(), {.seed = 5, .rate = 1});
    channel<int> through(1);
    int taken = 0;
    loop->root().spawn(pass_numbers(through, 50), "sender");
    loop->run(take_numbers(through, taken));
    EXPECT_EQ(taken, 50);
    EXPECT_GT(loop->chaos()->count().held, 0u);
    EXPECT_GT(loop->chaos()->count().behind, 0u);
}

task<void> wait_for(event& one, int& woken) {
    const result<void> set = co_await one.wait();
    EXPECT_TRUE(set.has_value());
    ++woken;
}

// More than fit into a batch: each is offered to chaos once, so that none is late again and again.
TEST_P(chaos_on, each_completion_is_offered_once) {
    loop_under_test loop(GetParam(), {.seed = 6, .rate = 1});
    constexpr int many = 5000;
    event one;
    int woken = 0;
    counting_scope waiting(*loop);
    for (int i = 0; i < many; ++i) waiting.spawn(wait_for(one, woken), "waiter");
    loop->run_ready();
    one.set();
    loop->run_until([&] { return woken == many; });
    const chaos::counters& did = loop->chaos()->count();
    EXPECT_LE(did.held + did.behind, static_cast<std::uint64_t>(many));
    EXPECT_GT(did.held + did.behind, static_cast<std::uint64_t>(many) * 8 / 10);
    waiting.destroy_all();
}

task<void> recv_for_ever(const socket& from) {
    std::byte room[16];
    for (;;) {
        const result<std::size_t> got = co_await from.recv(room);
        if (!got && got.error() != errc::stopped) co_return;
        if (got && *got == 0) co_return;
    }
}

task<void> chatter(const socket& to) {
    static constexpr std::byte word[8]{};
    for (;;) {
        const result<std::size_t> sent = co_await to.send(word);
        if (!sent && sent.error() != errc::stopped) co_return;
        co_await sleep_for(std::chrono::microseconds(50));
    }
}

// What chaos holds when its loop goes is ended with the rest: nothing is leaked and nothing waits for it.
TEST_P(chaos_on, a_loop_dies_with_completions_held) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        loop_under_test loop(GetParam(), {.seed = seed, .rate = 0.9});
        transfer books;
        connection pair = loop->run(connect_in_spite(*loop, books));
        // the streams outlive their tasks: the loop destroys those, then the pair lets go
        counting_scope scope(*loop);
        scope.spawn(recv_for_ever(pair.far), "receiver");
        scope.spawn(chatter(pair.near), "sender");
        const std::uint64_t until = loop->chaos()->count().held + 5;
        loop->run_until([&] { return loop->chaos()->count().held >= until; });
        scope.destroy_all();
    }
}

INSTANTIATE_TEST_SUITE_P(io, chaos_on, every_reactor, &name_of_case);

TEST(chaos, equal_seeds_disturb_a_simulated_loop_equally) {
    const backend simulated{reactor_kind::sim, 4};
    const auto counts = [&](std::uint64_t seed) {
        transfer books;
        const chaos::counters did = run_transfer(simulated, {.seed = seed, .rate = 0.3}, 1777, books);
        return std::array{did.held, did.behind, did.cancelled, std::uint64_t{books.disturbed}};
    };
    EXPECT_EQ(counts(7), counts(7));
    EXPECT_NE(counts(7), counts(8));
}

TEST(chaos, is_not_there_unless_asked_for) {
    event_loop loop;
    EXPECT_EQ(loop.chaos(), nullptr);
}

TEST(chaos, each_loop_of_a_runtime_has_its_own) {
    runtime both({.threads = 2, .chaos = {.seed = 3, .rate = 0.5}});
    std::atomic<int> with_chaos = 0;
    both.run([&](event_loop& loop, unsigned) -> task<void> {
        with_chaos += loop.chaos() != nullptr;
        co_return;
    });
    EXPECT_EQ(with_chaos, 2);
}

TEST(chaos, reads_a_seed_and_a_rate) {
    const result<chaos_options> both = chaos_from("42:0.25");
    ASSERT_TRUE(both.has_value());
    EXPECT_EQ(both->seed, 42u);
    EXPECT_EQ(both->rate, 0.25);
    EXPECT_EQ(chaos_from("0:1")->rate, 1.0);
    EXPECT_EQ(chaos_from("18446744073709551615:.5")->seed, ~std::uint64_t{0});
    for (const char* wrong :
         {"",       ":",     "7",       "7:",      ":0.5",   "7:0",    "7:0.0",  "7:-0.1", "7:1.01",
          "7:nan",  "7:inf", "7:0.5x",  "7:0.5:1", " 7:0.5", "7: 0.5", "-7:0.5", "x:0.5",  "18446744073709551616:0.5",
          "7:1e-2", "7;0.5", "7:0x1p-3"})
        EXPECT_FALSE(chaos_from(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace co_wq::io::test
