#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "sync/timer_queue.hpp"

namespace {

using namespace co_wq;
using namespace std::chrono_literals;

time_point at(duration since_start) { return time_point(since_start); }

struct probe : timer {
    explicit probe(std::vector<int>& log, int number) : timer(&fired), log(log), number(number) {}
    static void fired(timer& self) noexcept {
        static_cast<probe&>(self).log.push_back(static_cast<probe&>(self).number);
    }
    std::vector<int>& log;
    int number;
};

TEST(timer_queue, fires_in_order_never_early_and_within_a_tick) {
    timer_queue queue(at(0s));
    std::vector<int> log;
    probe late(log, 2), soon(log, 1);
    queue.arm(late, at(20ms));
    queue.arm(soon, at(10ms));
    EXPECT_EQ(queue.advance(at(9ms)), 0u);
    EXPECT_GE(queue.next(), at(10ms));
    EXPECT_EQ(queue.advance(at(10ms + timer_queue::tick)), 1u);
    EXPECT_EQ(queue.advance(at(1s)), 1u);
    EXPECT_EQ(log, (std::vector<int>{1, 2}));
    EXPECT_EQ(queue.next(), no_deadline);
}

TEST(timer_queue, agrees_with_a_sorted_list_over_random_times_of_all_sizes) {
    std::mt19937_64 random(20240001);
    for (int round = 0; round < 30; ++round) {
        const auto start = duration(static_cast<std::int64_t>(random() >> 3));
        timer_queue queue(at(start));
        struct timed : timer {
            explicit timed(timer_queue& q) : timer(&fired), queue(q) {}
            static void fired(timer& self) noexcept {
                auto& me = static_cast<timed&>(self);
                EXPECT_LE(me.due, *me.now) << "early";
                EXPECT_LE(*me.previous, me.due - duration{0}) << "missed in an earlier step";
                ++*me.count;
            }
            timer_queue& queue;
            time_point due;
            const time_point* now = nullptr;
            const time_point* previous = nullptr;
            std::size_t* count = nullptr;
        };
        time_point now = at(start), previous = at(start);
        std::size_t fired = 0;
        std::vector<std::unique_ptr<timed>> timers;
        for (int i = 0; i < 2000; ++i) {
            auto one = std::make_unique<timed>(queue);
            one->due = at(start) + duration(static_cast<std::int64_t>(random() >> (22 + random() % 40)));
            one->now = &now;
            one->previous = &previous;
            one->count = &fired;
            queue.arm(*one, one->due);
            timers.push_back(std::move(one));
        }
        std::size_t cancelled = 0;
        for (int i = 0; i < 2000; i += 7, ++cancelled) timers[static_cast<std::size_t>(i)]->cancel();
        for (;;) {
            const time_point next = queue.next();
            if (next == no_deadline) break;
            // due times are rounded up by less than a tick
            previous = now - timer_queue::tick;
            now = std::max(next, now);
            queue.advance(now);
        }
        EXPECT_EQ(fired + cancelled, 2000u);
    }
}

TEST(timer_queue, destroying_an_armed_timer_cancels_it) {
    timer_queue queue(at(0s));
    std::vector<int> log;
    {
        probe gone(log, 1);
        queue.arm(gone, at(1ms));
    }
    queue.advance(at(1s));
    EXPECT_TRUE(log.empty());
    EXPECT_EQ(queue.next(), no_deadline);
}

TEST(timer_queue, a_million_timers_due_at_once_fire_without_recursion) {
    timer_queue queue(at(0s));
    static std::size_t fired;
    fired = 0;
    struct counted : timer {
        counted() : timer([](timer&) noexcept { ++fired; }) {}
    };
    auto timers = std::make_unique<counted[]>(1'000'000);
    for (int i = 0; i < 1'000'000; ++i) queue.arm(timers[static_cast<std::size_t>(i)], at(50ms));
    EXPECT_EQ(queue.advance(at(51ms)), 1'000'000u);
    EXPECT_EQ(fired, 1'000'000u);
}

TEST(timer_queue, a_callback_may_destroy_its_timer_and_cancel_and_arm_others) {
    timer_queue queue(at(0s));
    struct other : timer {
        explicit other(int& count)
            : timer([](timer& self) noexcept { ++static_cast<other&>(self).count; }), count(count) {}
        int& count;
    };
    int fired = 0;
    other cancelled(fired), armed_late(fired);
    struct actor : timer {
        actor(timer_queue& q, other& a, other& b)
            : timer([](timer& self) noexcept {
                  auto& me = static_cast<actor&>(self);
                  me.first.cancel();
                  me.queue.arm(me.second, at(2ms));
                  delete &me;
              }),
              queue(q),
              first(a),
              second(b) {}
        timer_queue& queue;
        other& first;
        other& second;
    };
    queue.arm(*new actor(queue, cancelled, armed_late), at(1ms));
    queue.arm(cancelled, at(1ms));
    queue.advance(at(1100us));
    EXPECT_EQ(fired, 0);
    queue.advance(at(3ms));
    EXPECT_EQ(fired, 1);
}

}  // namespace
