#include "task/callback_wq.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "rounds.hpp"
#include "support/says.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"
#include "task/thread_pool.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;
using test::says;

static_assert(!std::is_default_constructible_v<callback_wq>);
static_assert(!std::is_constructible_v<callback_wq, void*>);
static_assert(!std::is_constructible_v<callback_wq, detail::serial_state*>);
static_assert(!std::is_constructible_v<callback_wq, detail::serial_state&>);
static_assert(!std::is_convertible_v<executor&, callback_wq>);
static_assert(!std::is_default_constructible_v<resume_hook> && !std::is_copy_constructible_v<resume_hook>);
static_assert(!std::is_constructible_v<resume_hook, std::nullptr_t>);
static_assert(!std::is_default_constructible_v<completion> && !std::is_copy_constructible_v<completion>);
static_assert(!std::is_constructible_v<completion, void*> && !std::is_constructible_v<worknode, std::nullptr_t>);

TEST(callback_wq, runs_what_is_posted_in_order) {
    bare_workqueue queue;
    callback_wq strand(queue, "order");
    std::vector<int> seen;
    for (int i = 0; i < 200; ++i) strand.post([&, i] { seen.push_back(i); });
    EXPECT_TRUE(seen.empty());
    queue.run_ready();
    ASSERT_EQ(seen.size(), 200u);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(callback_wq, gives_way_to_its_executor_after_a_batch) {
    bare_workqueue queue;
    callback_wq strand(queue, "fair");
    int posted = 0;
    int seen_by_other = -1;
    for (int i = 0; i < 1'000; ++i) strand.post([&] { ++posted; });
    queue.post_message([&] { seen_by_other = posted; });
    queue.run_ready();
    EXPECT_EQ(posted, 1'000);
    EXPECT_GT(seen_by_other, 0);
    EXPECT_LT(seen_by_other, 100);
}

TEST(callback_wq, posting_from_inside_runs_later_and_does_not_recurse) {
    bare_workqueue queue;
    callback_wq strand(queue, "nested");
    int depth = 0;
    int deepest = 0;
    int left = 100'000;
    std::function<void()> again = [&] {
        deepest = std::max(deepest, ++depth);
        if (--left > 0) strand.post([&] { again(); });
        --depth;
    };
    strand.post([&] { again(); });
    queue.run_ready();
    EXPECT_EQ(left, 0);
    EXPECT_EQ(deepest, 1);
}

TEST(callback_wq, one_runs_at_a_time_over_a_pool_and_each_sees_what_the_one_before_did) {
    const int each = rounds(20'000);
    long plain_counter = 0;  // unguarded on purpose
    std::vector<int> last(3, -1);
    bool in_order = true;
    std::atomic<int> inside = 0;
    bool alone = true;
    {
        thread_pool pool(3);
        callback_wq strand(pool, "strand over a pool");
        std::vector<std::thread> producers;
        for (int p = 0; p < 3; ++p)
            producers.emplace_back([&, p, strand] {
                for (int i = 0; i < each; ++i)
                    strand.post([&, p, i] {
                        alone &= inside.fetch_add(1) == 0;
                        in_order &= last[static_cast<std::size_t>(p)] + 1 == i;
                        last[static_cast<std::size_t>(p)] = i;
                        ++plain_counter;
                        --inside;
                    });
            });
        for (auto& one : producers) one.join();
    }
    EXPECT_EQ(plain_counter, 3L * each);
    EXPECT_TRUE(in_order);
    EXPECT_TRUE(alone);
}

TEST(callback_wq, the_state_lives_as_long_as_handles_and_drains) {
    bare_workqueue queue;
    auto token = std::make_shared<int>(0);
    std::optional<callback_wq> strand(std::in_place, queue, "short-lived");
    EXPECT_EQ(strand->references(), 1u);
    callback_wq copy = *strand;
    EXPECT_EQ(strand->references(), 2u);
    callback_wq moved = std::move(copy);
    EXPECT_EQ(strand->references(), 3u) << "a moved-from handle stays valid";
    EXPECT_TRUE(moved == *strand && copy == *strand);
    int ran = 0;
    strand->post([&, token] { ++ran; });
    EXPECT_EQ(strand->references(), 4u) << "the scheduled drain";
    {
        callback_wq other(queue, "other");
        moved = other;
        copy = other;
    }
    strand.reset();  // only the drain holds it now
    queue.run_ready();
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(token.use_count(), 1);
}

TEST(callback_wq, drops_what_is_queued_when_its_executor_dies) {
    auto token = std::make_shared<int>(0);
    auto queue = std::make_unique<bare_workqueue>();
    callback_wq strand(*queue, "survivor");
    strand.post([token] { FAIL(); });
    strand.post([token] { FAIL(); });
    {
        const callback_wq to_be_dropped(*queue, "dropped");
        to_be_dropped.post([token] { FAIL(); });
    }
    queue.reset();
    EXPECT_EQ(token.use_count(), 3);
    strand = callback_wq(strand);
    {
        bare_workqueue next;
        strand = callback_wq(next, "next");
    }
    EXPECT_EQ(token.use_count(), 1);
}

TEST(callback_wq, tells_who_runs_inside_it) {
    bare_workqueue queue;
    callback_wq strand(queue, "a");
    callback_wq other(queue, "b");
    auto work = [](callback_wq in, callback_wq out) -> task<void> {
        EXPECT_FALSE(in.running_here());
        co_await in.schedule();
        EXPECT_TRUE(in.running_here());
        EXPECT_FALSE(out.running_here());
        co_await out.schedule();
        EXPECT_FALSE(in.running_here());
        EXPECT_TRUE(out.running_here());
        co_await yield();
        EXPECT_FALSE(out.running_here());
    };
    sync_wait(queue, work(strand, other));
}

TEST(callback_wq, runs_a_call_of_another_thread_and_brings_its_result_back) {
    thread_pool pool(2);
    callback_wq strand(pool, "shared");
    long value = 0;
    auto work = [](callback_wq in, long& shared) -> task<long> {
        const auto home = std::this_thread::get_id();
        long last = 0;
        for (int i = 0; i < 1'000; ++i) last = co_await in.run([&shared] { return ++shared; });
        EXPECT_EQ(home, std::this_thread::get_id());
        co_return last;
    };
    long results[2] = {};
    std::thread other([&] { results[0] = sync_wait(work(strand, value)); });
    results[1] = sync_wait(work(strand, value));
    other.join();
    EXPECT_EQ(std::max(results[0], results[1]), 2'000);
}

task<void> schedules_once(callback_wq in, int& resumed) {
    co_await in.schedule();
    ++resumed;
}

TEST(callback_wq, a_frame_destroyed_while_its_node_is_queued_is_drained_as_a_no_op) {
    bare_workqueue queue;
    callback_wq strand(queue, "drained");
    int resumed = 0;
    int after = 0;
    {
        counting_scope scope(queue);
        scope.spawn(schedules_once(strand, resumed), "dies");
        EXPECT_EQ(queue.run_batch(1), 1u);  // the task has posted itself, the drain has not run
        strand.post([&] { ++after; });
    }
    queue.run_ready();
    EXPECT_EQ(resumed, 0);
    EXPECT_EQ(after, 1);
    EXPECT_EQ(strand.references(), 1u);
}

TEST(callback_wq, a_frame_destroyed_by_the_node_before_its_own_is_not_resumed) {
    bare_workqueue queue;
    callback_wq strand(queue, "same drain");
    int resumed = 0;
    auto scope = std::make_unique<counting_scope>(queue);
    strand.post([&] { scope.reset(); });
    scope->spawn(schedules_once(strand, resumed), "dies");
    scope->spawn(schedules_once(strand, resumed), "dies too");
    queue.run_ready();
    EXPECT_EQ(resumed, 0);
}

TEST(callback_wq, many_tasks_take_turns_in_it) {
    bare_workqueue queue;
    callback_wq strand(queue, "turns");
    int resumed = 0;
    auto turns = [](callback_wq in, int& count) -> task<void> {
        for (int i = 0; i < 1'000; ++i) {
            co_await in.schedule();
            ++count;
        }
    };
    counting_scope scope(queue);
    for (int i = 0; i < 10; ++i) scope.spawn(turns(strand, resumed), "turns");
    queue.run_until([&] { return scope.empty(); });
    EXPECT_EQ(resumed, 10'000);
}

// Faults

class callback_wq_death : public testing::Test {
protected:
    callback_wq_death() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(callback_wq_death, an_empty_callable_is_reported_with_queue_and_references) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            callback_wq strand(queue, "device strand");
            callback_wq second = strand;
            strand.post(std::function<void()>());
        },
        says("queue node without a callable", "queue: device strand (2 references)"));
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            callback_wq strand(queue, "device strand");
            void (*none)() = nullptr;
            strand.post(none);
        },
        "queue node without a callable");
}

TEST_F(callback_wq_death, a_null_coroutine_handle_is_reported) {
    EXPECT_DEATH({ resume_hook hook{std::coroutine_handle<>()}; }, "queue node without a callable");
}

TEST_F(callback_wq_death, a_coroutine_of_another_queue_is_reported_as_wrong_context) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            bare_workqueue other;
            int resumed = 0;
            sync_wait(queue, schedules_once(callback_wq(other, "foreign"), resumed));
        },
        says("does not belong to", "operation: schedule", "queue: foreign"));
}

TEST_F(callback_wq_death, a_node_whose_callable_was_overwritten_is_met_with_a_report_not_a_jump_to_null) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            callback_wq strand(queue, "overwritten");
            set_fault_hook([](const fault_report& report) noexcept {
                std::fprintf(stderr, "hook saw kind %d queue %s references %u stack %d\n", int(report.kind),
                             report.queue, report.guard_references, report.stack_depth > 0);
            });
            alignas(16) unsigned char memory[sizeof(worknode)];
            auto* node = ::new (memory) worknode([](worknode&) noexcept {});
            detail::serial_state state(queue, "overwritten");
            state.post(*node);
            std::memset(memory + 2 * sizeof(void*), 0, sizeof(void*));
            queue.run_ready();
        },
        says("lost its callable", "queue: overwritten", "hook saw kind 2 queue overwritten references 2 stack 1"));
}

}  // namespace
