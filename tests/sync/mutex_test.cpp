#include "sync/mutex.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "racing.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;

task<void> locks(mutex& one, std::vector<int>& log, int id, int turns) {
    const auto held = co_await one.lock();
    log.push_back(held ? id : -id);
    for (int i = 0; i < turns; ++i) co_await yield();
}

TEST(mutex, is_held_across_suspensions_and_handed_over_in_order) {
    bare_workqueue queue;
    mutex one;
    std::vector<int> log;
    counting_scope scope(queue);
    for (int i = 1; i <= 4; ++i) scope.spawn(locks(one, log, i, 3), "locks");
    while (!scope.empty()) {
        queue.run_batch(1);
        EXPECT_FALSE(!scope.empty() && !log.empty() && one.try_lock().has_value()) << "nobody overtakes";
    }
    EXPECT_EQ(log, (std::vector<int>{1, 2, 3, 4}));
    EXPECT_FALSE(one.is_locked());
}

TEST(mutex, guards_move_and_unlock_once) {
    mutex one;
    mutex two;
    std::optional<mutex::guard> first = one.try_lock();
    ASSERT_TRUE(first);
    EXPECT_FALSE(one.try_lock());
    mutex::guard second = std::move(*first);
    EXPECT_FALSE(first->owns_lock());
    first.reset();
    EXPECT_TRUE(one.is_locked());
    second.unlock();
    second.unlock();
    EXPECT_FALSE(one.is_locked());
    second = std::move(*two.try_lock());
    EXPECT_TRUE(two.is_locked());
}

TEST(mutex, a_cancelled_wait_does_not_hold_it) {
    bare_workqueue queue;
    mutex one;
    std::vector<int> log;
    counting_scope scope(queue);
    auto held = one.try_lock();
    scope.spawn(locks(one, log, 1, 0), "is cancelled");
    queue.run_ready();
    scope.request_stop();
    held.reset();
    queue.run_ready();
    EXPECT_EQ(log, std::vector<int>{-1});
    EXPECT_FALSE(one.is_locked());
}

TEST(mutex, a_lock_handed_to_a_task_before_its_cancellation_counts) {
    bare_workqueue queue;
    mutex one;
    std::vector<int> log;
    counting_scope scope(queue);
    auto held = one.try_lock();
    scope.spawn(locks(one, log, 1, 0), "gets it");
    queue.run_ready();
    held.reset();
    scope.request_stop();
    queue.run_ready();
    EXPECT_EQ(log, std::vector<int>{1});
}

TEST(mutex, a_frame_destroyed_while_linked_or_served_leaves_it_to_the_next) {
    bare_workqueue queue;
    mutex one;
    std::vector<int> log;
    counting_scope last(queue);
    auto held = one.try_lock();
    std::optional<counting_scope> linked(std::in_place, queue);
    std::optional<counting_scope> served(std::in_place, queue);
    served->spawn(locks(one, log, 1, 0), "served");
    queue.run_ready();
    linked->spawn(locks(one, log, 2, 0), "linked");
    queue.run_ready();
    last.spawn(locks(one, log, 3, 0), "last");
    queue.run_ready();
    linked.reset();
    held.reset();  // handed to the first
    served.reset();
    EXPECT_TRUE(one.is_locked());
    queue.run_ready();
    EXPECT_EQ(log, std::vector<int>{3});
    EXPECT_FALSE(one.is_locked());
    EXPECT_EQ(queue.slots().live(), 0u);
}

TEST(mutex, a_frame_destroyed_while_it_holds_the_lock_unlocks) {
    bare_workqueue queue;
    mutex one;
    std::vector<int> log;
    {
        counting_scope scope(queue);
        scope.spawn(locks(one, log, 1, 1'000'000), "holds");
        queue.run_batch(5);
        EXPECT_TRUE(one.is_locked());
    }
    EXPECT_FALSE(one.is_locked());
}

TEST(mutex, excludes_tasks_of_two_threads_from_each_other) {
    mutex one;
    long plain = 0;  // guarded by one
    const int each = rounds(5'000);
    auto counts = [&](int times, bool suspends) -> task<void> {
        for (int i = 0; i < times; ++i) {
            const auto held = co_await one.lock();
            EXPECT_TRUE(held);
            const long seen = plain;
            if (suspends && i % 64 == 0) co_await yield();
            plain = seen + 1;
        }
    };
    auto side = [&] {
        bare_workqueue queue;
        counting_scope scope(queue);
        for (int i = 0; i < 3; ++i) scope.spawn(counts(each, i == 0), "counts");
        queue.run_until([&] { return scope.empty(); });
    };
    std::thread other(side);
    side();
    other.join();
    EXPECT_EQ(plain, 6L * each);
    EXPECT_FALSE(one.is_locked());
}

TEST(mutex, unlock_on_another_thread_races_cancellation_and_destruction_without_losing_the_lock) {
    bare_workqueue queue;
    mutex one;
    std::optional<mutex::guard> held;
    int locked = 0;
    int cancelled = 0;
    race_window window(rounds(100'000));
    {
        sparring_partner unlocker([&] { held.reset(); });
        auto counts = [](mutex& what, int& yes, int& no) -> task<void> {
            const auto mine = co_await what.lock();
            ++(mine ? yes : no);
        };
        while (window.next()) {
            const int round = window.round();
            const int before = locked;
            held = one.try_lock();
            ASSERT_TRUE(held) << round;
            {
                counting_scope scope(queue);
                scope.spawn(counts(one, locked, cancelled), "waits");
                queue.run_ready();
                unlocker.go();
                window.wait();
                if (round % 2) {
                    scope.request_stop();
                    queue.run_until([&] { return scope.empty(); });
                } else {
                    queue.run_ready();
                }
            }
            window.note(locked == before);
            unlocker.join();
        }
    }
    queue.run_ready();
    EXPECT_FALSE(one.is_locked());
    EXPECT_EQ(queue.slots().counters().in_flight(), 0u);
    std::printf("  locked %d, cancelled %d, destroyed %d\n", locked, cancelled, window.done() - locked - cancelled);
}

TEST(mutex_death, destroying_it_locked_is_reported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<mutex> one(std::in_place);
            auto held = one->try_lock();
            one.reset();
        },
        "a mutex was destroyed while it is locked");
}

}  // namespace
