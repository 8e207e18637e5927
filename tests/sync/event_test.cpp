#include "sync/event.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "racing.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;

task<void> waits(event& on, std::vector<int>& log, int id) {
    const auto ended = co_await on.wait();
    log.push_back(ended ? id : -id);
}

TEST(event, releases_those_that_wait_in_order_and_stays_set) {
    bare_workqueue queue;
    event ready;
    std::vector<int> log;
    counting_scope scope(queue);
    for (int i = 1; i <= 3; ++i) scope.spawn(waits(ready, log, i), "waits");
    queue.run_ready();
    EXPECT_TRUE(log.empty());
    ready.set();
    EXPECT_TRUE(log.empty()) << "set resumes nobody itself";
    queue.run_ready();
    EXPECT_EQ(log, (std::vector<int>{1, 2, 3}));
    scope.spawn(waits(ready, log, 4), "waits");
    queue.run_ready();
    EXPECT_EQ(log.back(), 4);
    EXPECT_EQ(queue.slots().live(), 0u);
}

TEST(event, a_reset_right_after_set_takes_back_nothing) {
    bare_workqueue queue;
    event ready;
    std::vector<int> log;
    counting_scope scope(queue);
    scope.spawn(waits(ready, log, 1), "waits");
    queue.run_ready();
    ready.set();
    ready.reset();
    EXPECT_FALSE(ready.is_set());
    scope.spawn(waits(ready, log, 2), "waits");
    queue.run_ready();
    EXPECT_EQ(log, std::vector<int>{1});
    ready.set();
    queue.run_ready();
    EXPECT_EQ(log, (std::vector<int>{1, 2}));
}

TEST(event, waiting_ends_with_the_reason_of_a_cancelled_scope) {
    bare_workqueue queue;
    event ready;
    std::vector<error> seen;
    auto fails = [](event& on, std::vector<error>& out) -> task<void> {
        const auto ended = co_await on.wait();
        out.push_back(ended.error());
    };
    counting_scope scope(queue);
    scope.spawn(fails(ready, seen), "waits");
    queue.run_ready();
    scope.request_stop(errc::timed_out);
    scope.spawn(fails(ready, seen), "waits in a cancelled scope");
    queue.run_ready();
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0], errc::timed_out);
    EXPECT_EQ(seen[1], errc::timed_out);
}

TEST(event, what_was_set_before_the_cancellation_counts) {
    bare_workqueue queue;
    event ready;
    std::vector<int> log;
    counting_scope scope(queue);
    scope.spawn(waits(ready, log, 1), "waits");
    queue.run_ready();
    ready.set();
    scope.request_stop();
    queue.run_ready();
    EXPECT_EQ(log, std::vector<int>{1});
}

TEST(event, a_frame_destroyed_while_linked_or_released_is_not_resumed) {
    bare_workqueue queue;
    event ready;
    std::vector<int> log;
    {
        counting_scope scope(queue);
        scope.spawn(waits(ready, log, 1), "linked");
        queue.run_ready();
    }
    {
        counting_scope scope(queue);
        scope.spawn(waits(ready, log, 2), "released");
        queue.run_ready();
        ready.set();
    }
    {
        counting_scope scope(queue);
        ready.reset();
        scope.spawn(waits(ready, log, 3), "cancelled");
        queue.run_ready();
        scope.request_stop();
    }
    queue.run_ready();
    EXPECT_TRUE(log.empty());
    EXPECT_EQ(queue.slots().live(), 0u);
    EXPECT_EQ(queue.slots().counters().started, queue.slots().counters().finished);
}

TEST(event, may_be_destroyed_before_those_it_released_go_on) {
    bare_workqueue queue;
    std::vector<int> log;
    auto ready = std::make_unique<event>();
    counting_scope scope(queue);
    std::optional<counting_scope> dies(std::in_place, queue);
    scope.spawn(waits(*ready, log, 1), "goes on");
    scope.spawn(waits(*ready, log, 2), "is cancelled too late");
    dies->spawn(waits(*ready, log, 3), "dies");
    queue.run_ready();
    ready->set();
    ready.reset();
    dies.reset();
    scope.request_stop();
    queue.run_ready();
    EXPECT_EQ(log, (std::vector<int>{1, 2}));
}

TEST(event, set_on_another_thread_races_cancellation_and_destruction) {
    bare_workqueue queue;
    event ready;
    int released = 0;
    int cancelled = 0;
    int destroyed = 0;
    race_window window(rounds(100'000));
    {
        sparring_partner setter([&] { ready.set(); });
        auto counts = [](event& on, int& yes, int& no) -> task<void> {
            const auto ended = co_await on.wait();
            ++(ended ? yes : no);
        };
        while (window.next()) {
            const int round = window.round();
            ready.reset();
            const int before = released;
            counting_scope scope(queue);
            scope.spawn(counts(ready, released, cancelled), "waits");
            queue.run_ready();
            setter.go();
            window.wait();
            if (round % 2) {
                scope.request_stop();
                queue.run_until([&] { return scope.empty(); });
            } else {
                queue.run_ready();
                scope.destroy_all();
            }
            window.note(released == before);
            destroyed = round + 1 - released - cancelled;
            setter.join();
        }
    }
    queue.run_ready();
    EXPECT_EQ(released + cancelled + destroyed, window.done());
    EXPECT_GT(released, 0);
    EXPECT_EQ(queue.slots().counters().in_flight(), 0u);
    std::printf("  released %d, cancelled %d, destroyed %d\n", released, cancelled, destroyed);
}

TEST(event_death, destroying_it_with_waiting_tasks_is_reported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            std::vector<int> log;
            std::optional<event> ready(std::in_place);
            counting_scope scope(queue);
            scope.spawn(waits(*ready, log, 1), "waits");
            queue.run_ready();
            ready.reset();
        },
        "an event was destroyed while tasks wait for it");
}

}  // namespace
