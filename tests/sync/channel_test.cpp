#include "sync/channel.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "racing.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;

using number = std::unique_ptr<int>;  // move-only, and leaks are seen
number make(int value) { return std::make_unique<int>(value); }

task<void> sends(channel<number>& to, int first, int last, std::vector<int>& log) {
    for (int i = first; i <= last; ++i) {
        const auto sent = co_await to.send(make(i));
        log.push_back(sent ? i : -i);
    }
}
task<void> receives(channel<number>& from, std::vector<int>& log, int most) {
    for (int i = 0; i < most; ++i) {
        const auto got = co_await from.recv();
        log.push_back(got ? **got : -static_cast<int>(got.error().code()));
        if (!got) co_return;
    }
}
std::vector<int> numbers(int first, int last) {
    std::vector<int> all;
    for (int i = first; i <= last; ++i) all.push_back(i);
    return all;
}
constexpr int closed_code = -static_cast<int>(errc::closed);

class channel_of : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(capacity, channel_of, testing::Values(0, 1, 2, 64));

TEST_P(channel_of, gives_values_in_order_and_then_tells_that_it_is_closed) {
    bare_workqueue queue;
    channel<number> pipe(GetParam());
    std::vector<int> sent, got;
    counting_scope scope(queue);
    auto producer = [](channel<number>& to, std::vector<int>& log) -> task<void> {
        co_await sends(to, 1, 1'000, log);
        to.close();
    };
    scope.spawn(producer(pipe, sent), "producer");
    scope.spawn(receives(pipe, got, 2'000), "consumer");
    queue.run_until([&] { return scope.empty(); });
    auto expected = numbers(1, 1'000);
    EXPECT_EQ(sent, expected);
    expected.push_back(closed_code);
    EXPECT_EQ(got, expected);
}

TEST_P(channel_of, holds_back_a_sender_when_it_is_full) {
    bare_workqueue queue;
    channel<number> pipe(GetParam());
    std::vector<int> sent, got;
    counting_scope scope(queue);
    scope.spawn(sends(pipe, 1, 100, sent), "producer");
    queue.run_ready();
    EXPECT_EQ(sent.size(), GetParam());
    EXPECT_EQ(pipe.size(), GetParam());
    scope.spawn(receives(pipe, got, 3), "consumer");
    queue.run_ready();
    EXPECT_EQ(got, numbers(1, 3));
    EXPECT_EQ(sent.size(), GetParam() + 3);
    scope.request_stop();
    queue.run_ready();
    EXPECT_TRUE(scope.empty());
    EXPECT_EQ(sent.back() < 0, true);
}

TEST_P(channel_of, every_value_reaches_exactly_one_of_many_receivers_on_two_threads) {
    channel<number> pipe(GetParam());
    std::vector<int> got[2];
    std::vector<int> sent[2];
    const int each = rounds(2'000);
    std::atomic<int> producing = 4;
    auto producer = [&](int first, std::vector<int>& log) -> task<void> {
        co_await sends(pipe, first, first + each - 1, log);
        if (--producing == 0) pipe.close();
    };
    auto side = [&](int who) {
        bare_workqueue queue;
        counting_scope scope(queue);
        for (int i = 0; i < 2; ++i) scope.spawn(producer((who * 2 + i) * each + 1, sent[who]), "producer");
        for (int i = 0; i < 3; ++i) scope.spawn(receives(pipe, got[who], each * 4), "consumer");
        queue.run_until([&] { return scope.empty(); });
        EXPECT_EQ(queue.slots().live(), 0u);
    };
    std::thread other(side, 1);
    side(0);
    other.join();
    std::vector<int> all;
    for (auto& part : got)
        for (int value : part)
            if (value > 0) all.push_back(value);
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, numbers(1, 4 * each));
}

TEST(channel, try_send_keeps_the_value_when_it_fails) {
    channel<number> pipe(1);
    number first = make(1);
    EXPECT_TRUE(pipe.try_send(std::move(first)));
    number second = make(2);
    const auto full = pipe.try_send(std::move(second));
    EXPECT_EQ(full.error(), errc::limit_exceeded);
    ASSERT_TRUE(second);
    EXPECT_EQ(**pipe.try_recv(), 1);
    EXPECT_EQ(pipe.try_recv().error(), errc::limit_exceeded);
    pipe.close();
    EXPECT_EQ(pipe.try_send(std::move(second)).error(), errc::closed);
    EXPECT_EQ(pipe.try_recv().error(), errc::closed);
}

TEST(channel, closing_ends_waiting_senders_and_keeps_what_was_taken) {
    bare_workqueue queue;
    channel<number> pipe(2);
    std::vector<int> sent, other, got;
    counting_scope scope(queue);
    scope.spawn(sends(pipe, 1, 3, sent), "producer");
    scope.spawn(sends(pipe, 10, 10, other), "producer");
    queue.run_ready();
    pipe.close();
    queue.run_ready();
    EXPECT_EQ(sent, (std::vector<int>{1, 2, -3}));
    EXPECT_EQ(other, std::vector<int>{-10});
    scope.spawn(receives(pipe, got, 5), "consumer");
    queue.run_ready();
    EXPECT_EQ(got, (std::vector<int>{1, 2, closed_code}));
}

TEST(channel, closing_ends_waiting_receivers) {
    bare_workqueue queue;
    channel<number> pipe(2);
    std::vector<int> got;
    counting_scope scope(queue);
    for (int i = 0; i < 3; ++i) scope.spawn(receives(pipe, got, 1), "consumer");
    queue.run_ready();
    pipe.close();
    queue.run_ready();
    EXPECT_EQ(got, (std::vector<int>{closed_code, closed_code, closed_code}));
}

TEST(channel, a_value_promised_to_a_receiver_that_dies_goes_to_the_next_or_back_to_the_front) {
    bare_workqueue queue;
    channel<number> pipe(4);
    std::vector<int> sent, got;
    counting_scope scope(queue);
    {
        counting_scope dies(queue);
        dies.spawn(receives(pipe, got, 1), "dies");
        queue.run_ready();
        scope.spawn(receives(pipe, got, 1), "waits behind it");
        queue.run_ready();
        EXPECT_TRUE(pipe.try_send(make(1)));
    }
    queue.run_ready();
    EXPECT_EQ(got, std::vector<int>{1});
    {
        counting_scope dies(queue);
        dies.spawn(receives(pipe, got, 1), "dies");
        queue.run_ready();
        EXPECT_TRUE(pipe.try_send(make(2)));
        EXPECT_TRUE(pipe.try_send(make(3)));
    }
    EXPECT_EQ(**pipe.try_recv(), 2);
    EXPECT_EQ(**pipe.try_recv(), 3);
}

TEST(channel, a_meeting_survives_that_the_receiver_dies) {
    bare_workqueue queue;
    channel<number> pipe(0);
    std::vector<int> sent, got;
    counting_scope scope(queue);
    {
        counting_scope dies(queue);
        dies.spawn(receives(pipe, got, 1), "dies");
        queue.run_ready();
        scope.spawn(sends(pipe, 1, 2, sent), "producer");
        queue.run_batch(1);
        EXPECT_EQ(sent, std::vector<int>{1}) << "taken by the one that dies";
    }
    scope.spawn(receives(pipe, got, 2), "consumer");
    queue.run_ready();
    EXPECT_EQ(got, (std::vector<int>{1, 2}));
    EXPECT_EQ(sent, (std::vector<int>{1, 2}));
}

TEST(channel, one_that_comes_first_to_a_promised_value_leaves_the_next_to_the_promise) {
    bare_workqueue queue;
    channel<number> pipe(0);
    std::vector<int> sent, promised, direct;
    counting_scope scope(queue);
    counting_scope dying_sender(queue);
    scope.spawn(receives(pipe, promised, 1), "promised");
    queue.run_ready();
    EXPECT_TRUE(pipe.try_send(make(1)));
    dying_sender.spawn(sends(pipe, 2, 2, sent), "parked");
    // runs: the promised receiver first, then the sender; so take the value before both
    EXPECT_FALSE(pipe.try_recv()) << "spoken for, and nothing else there";
    queue.run_batch(1);
    EXPECT_EQ(promised, std::vector<int>{1});
    queue.run_ready();
    EXPECT_EQ(**pipe.try_recv(), 2);
    queue.run_ready();
    EXPECT_EQ(sent, std::vector<int>{2});
}

TEST(channel, frames_destroyed_in_each_state_of_a_send_lose_nothing_that_was_taken) {
    bare_workqueue queue;
    channel<number> pipe(1);
    std::vector<int> sent;
    {
        counting_scope scope(queue);
        scope.spawn(sends(pipe, 1, 2, sent), "dies parked with 2");
        queue.run_ready();
    }
    EXPECT_EQ(**pipe.try_recv(), 1);
    EXPECT_FALSE(pipe.try_recv());
    {
        counting_scope scope(queue);
        scope.spawn(sends(pipe, 3, 4, sent), "dies when 4 is taken, before it goes on");
        queue.run_ready();
        EXPECT_EQ(**pipe.try_recv(), 3);
    }
    EXPECT_EQ(**pipe.try_recv(), 4);
    {
        counting_scope scope(queue);
        scope.spawn(sends(pipe, 5, 6, sent), "dies closed");
        queue.run_ready();
        pipe.close();
    }
    queue.run_ready();
    EXPECT_EQ(**pipe.try_recv(), 5);
    EXPECT_EQ(pipe.try_recv().error(), errc::closed);
    EXPECT_EQ(queue.slots().live(), 0u);
}

TEST(channel, a_busy_channel_gives_way_and_a_frame_destroyed_meanwhile_loses_nothing) {
    bare_workqueue queue;
    channel<number> pipe(1'000);
    std::vector<int> got;
    for (int i = 1; i <= 1'000; ++i) EXPECT_TRUE(pipe.try_send(make(i)));
    std::size_t seen_by_other = 0;
    {
        counting_scope scope(queue);
        scope.spawn(receives(pipe, got, 1'000), "consumer");
        queue.post_message([&] { seen_by_other = got.size(); });
        queue.run_batch(2);
        EXPECT_GT(seen_by_other, 0u);
        EXPECT_LT(seen_by_other, 100u);
    }
    const int next = static_cast<int>(got.size()) + 1;
    EXPECT_EQ(**pipe.try_recv(), next);
    queue.run_ready();
    std::vector<int> sent;
    channel<number> wide(1'000);
    {
        counting_scope scope(queue);
        scope.spawn(sends(wide, 1, 1'000, sent), "producer");
        queue.run_batch(1);
    }
    EXPECT_EQ(wide.size(), sent.size() + 1) << "the last one was taken, and gave way";
    queue.run_ready();
}

TEST(channel, send_on_another_thread_races_the_end_of_the_receiver_without_losing_a_value) {
    bare_workqueue queue;
    channel<number> pipe(4);
    int received = 0;
    int cancelled = 0;
    race_window window(rounds(100'000));
    {
        sparring_partner sender([&] { EXPECT_TRUE(pipe.try_send(make(7))); });
        auto counts = [](channel<number>& from, int& yes, int& no) -> task<void> {
            const auto got = co_await from.recv();
            ++(got ? yes : no);
        };
        while (window.next()) {
            const int round = window.round();
            const int before = received;
            {
                counting_scope scope(queue);
                scope.spawn(counts(pipe, received, cancelled), "waits");
                queue.run_ready();
                sender.go();
                window.wait();
                if (round % 2) {
                    scope.request_stop();
                    queue.run_until([&] { return scope.empty(); });
                } else {
                    queue.run_ready();
                }
            }
            window.note(received == before);
            sender.join();
            const auto left = pipe.try_recv();
            ASSERT_EQ(left.has_value(), received == before) << round;
        }
    }
    queue.run_ready();
    std::printf("  received %d, cancelled %d, destroyed %d\n", received, cancelled,
                window.done() - received - cancelled);
}

TEST(channel, recv_on_another_thread_races_the_end_of_the_sender_without_losing_a_value) {
    bare_workqueue queue;
    channel<number> pipe(0);
    int sent = 0;
    int failed = 0;
    std::atomic<int> taken = 0;
    race_window window(rounds(100'000));
    {
        sparring_partner receiver([&] {
            if (pipe.try_recv()) ++taken;
        });
        auto counts = [](channel<number>& to, int& yes, int& no) -> task<void> {
            const auto done = co_await to.send(make(1));
            ++(done ? yes : no);
        };
        while (window.next()) {
            const int round = window.round();
            const int before = taken;
            const int sent_before = sent;
            const int failed_before = failed;
            {
                counting_scope scope(queue);
                scope.spawn(counts(pipe, sent, failed), "sends");
                queue.run_ready();
                receiver.go();
                window.wait();
                if (round % 2) {
                    scope.request_stop();
                    queue.run_until([&] { return scope.empty(); });
                } else {
                    queue.run_ready();
                }
            }
            receiver.join();
            window.note(taken == before);
            ASSERT_FALSE(sent > sent_before && taken != before + 1) << round;
            ASSERT_FALSE(failed > failed_before && taken != before) << round;
            ASSERT_FALSE(pipe.try_recv());
        }
    }
    queue.run_ready();
    std::printf("  taken %d, of which %d were told; failed %d\n", taken.load(), sent, failed);
}

TEST(channel_death, destroying_it_with_tasks_in_send_or_recv_is_reported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (bool receiver : {false, true})
        EXPECT_DEATH(
            {
                bare_workqueue queue;
                std::vector<int> log;
                std::optional<channel<number>> pipe(std::in_place, 0);
                counting_scope scope(queue);
                if (receiver) {
                    scope.spawn(receives(*pipe, log, 1), "receives");
                } else {
                    scope.spawn(sends(*pipe, 1, 1, log), "sends");
                }
                queue.run_ready();
                pipe.reset();
            },
            "a channel was destroyed while tasks are in send or recv");
}

}  // namespace
