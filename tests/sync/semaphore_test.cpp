#include "sync/semaphore.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "racing.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;

task<void> takes(semaphore& from, std::vector<int>& log, int id) {
    const auto permit = co_await from.acquire();
    log.push_back(permit ? id : -id);
}

TEST(semaphore, gives_permits_first_come_first_served) {
    bare_workqueue queue;
    semaphore permits(2);
    std::vector<int> log;
    counting_scope scope(queue);
    for (int i = 1; i <= 5; ++i) scope.spawn(takes(permits, log, i), "takes");
    queue.run_ready();
    EXPECT_EQ(log, (std::vector<int>{1, 2}));
    EXPECT_FALSE(permits.try_acquire());
    permits.release();
    EXPECT_FALSE(permits.try_acquire()) << "the permit is task 3's already";
    permits.release(2);
    queue.run_ready();
    EXPECT_EQ(log, (std::vector<int>{1, 2, 3, 4, 5}));
    permits.release(3);
    EXPECT_EQ(permits.available(), 3);
    EXPECT_TRUE(permits.try_acquire());
}

TEST(semaphore, surplus_permits_of_one_release_stay) {
    bare_workqueue queue;
    semaphore permits(0);
    std::vector<int> log;
    counting_scope scope(queue);
    scope.spawn(takes(permits, log, 1), "takes");
    queue.run_ready();
    permits.release(5);
    queue.run_ready();
    EXPECT_EQ(log, std::vector<int>{1});
    EXPECT_EQ(permits.available(), 4);
}

TEST(semaphore, a_cancelled_wait_holds_no_permit) {
    bare_workqueue queue;
    semaphore permits(0);
    std::vector<int> log;
    counting_scope scope(queue);
    counting_scope other(queue);
    scope.spawn(takes(permits, log, 1), "is cancelled");
    other.spawn(takes(permits, log, 2), "stays");
    queue.run_ready();
    scope.request_stop();
    queue.run_ready();
    EXPECT_EQ(log, std::vector<int>{-1});
    permits.release();
    queue.run_ready();
    EXPECT_EQ(log, (std::vector<int>{-1, 2}));
    EXPECT_EQ(permits.available(), 0);
}

TEST(semaphore, the_last_waiter_that_leaves_makes_it_countable_again) {
    bare_workqueue queue;
    semaphore permits(0);
    std::vector<int> log;
    {
        counting_scope scope(queue);
        scope.spawn(takes(permits, log, 1), "dies linked");
        queue.run_ready();
    }
    permits.release();
    EXPECT_TRUE(permits.try_acquire());
}

TEST(semaphore, a_permit_given_to_a_frame_that_dies_is_passed_on) {
    bare_workqueue queue;
    semaphore permits(0);
    std::vector<int> log;
    counting_scope other(queue);
    {
        counting_scope scope(queue);
        scope.spawn(takes(permits, log, 1), "dies served");
        queue.run_ready();
        other.spawn(takes(permits, log, 2), "gets it");
        queue.run_ready();
        permits.release();
    }
    queue.run_ready();
    EXPECT_EQ(log, std::vector<int>{2});
    {
        counting_scope scope(queue);
        scope.spawn(takes(permits, log, 3), "dies served, alone");
        queue.run_ready();
        permits.release();
    }
    EXPECT_EQ(permits.available(), 1);
}

TEST(semaphore, release_on_another_thread_races_cancellation_and_destruction_without_losing_a_permit) {
    bare_workqueue queue;
    semaphore permits(0);
    int taken = 0;
    int cancelled = 0;
    race_window window(rounds(100'000));
    {
        sparring_partner releaser([&] { permits.release(); });
        auto counts = [](semaphore& from, int& yes, int& no) -> task<void> {
            const auto permit = co_await from.acquire();
            ++(permit ? yes : no);
        };
        while (window.next()) {
            const int round = window.round();
            const int before = taken;
            {
                counting_scope scope(queue);
                scope.spawn(counts(permits, taken, cancelled), "waits");
                queue.run_ready();
                releaser.go();
                window.wait();
                if (round % 2) {
                    scope.request_stop();
                    queue.run_until([&] { return scope.empty(); });
                } else {
                    queue.run_ready();
                }
            }
            window.note(taken == before);
            releaser.join();
            // exactly one permit exists: with the task, or here
            ASSERT_EQ(permits.available(), taken == before ? 1 : 0) << round;
            ASSERT_TRUE(taken != before || permits.try_acquire());
        }
    }
    queue.run_ready();
    EXPECT_EQ(queue.slots().counters().in_flight(), 0u);
    std::printf("  taken %d, cancelled %d, destroyed %d\n", taken, cancelled, window.done() - taken - cancelled);
}

TEST(semaphore, bounds_how_many_are_inside_over_two_threads) {
    semaphore permits(3);
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    std::atomic<int> passed = 0;
    const int each = rounds(2'000);
    auto enters = [&](int times) -> task<void> {
        for (int i = 0; i < times; ++i) {
            const auto permit = co_await permits.acquire();
            EXPECT_TRUE(permit);
            const int now = ++inside;
            if (now > most) most = now;
            co_await yield();
            --inside;
            ++passed;
            permits.release();
        }
    };
    auto side = [&] {
        bare_workqueue queue;
        counting_scope scope(queue);
        for (int i = 0; i < 4; ++i) scope.spawn(enters(each), "enters");
        queue.run_until([&] { return scope.empty(); });
    };
    std::thread other(side);
    side();
    other.join();
    EXPECT_EQ(passed, 8 * each);
    EXPECT_LE(most, 3);
    EXPECT_EQ(permits.available(), 3);
}

TEST(semaphore_death, destroying_it_with_waiting_or_served_tasks_is_reported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (bool served : {false, true})
        EXPECT_DEATH(
            {
                bare_workqueue queue;
                std::vector<int> log;
                std::optional<semaphore> permits(std::in_place, 0);
                counting_scope scope(queue);
                scope.spawn(takes(*permits, log, 1), "waits");
                queue.run_ready();
                if (served) permits->release();
                permits.reset();
            },
            "a semaphore was destroyed while tasks wait for it");
    EXPECT_DEATH(semaphore(-1), "no permit or more");
}

}  // namespace
