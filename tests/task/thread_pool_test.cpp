#include "task/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "rounds.hpp"
#include "support/says.hpp"
#include "task/post_to.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;
using test::says;

TEST(thread_pool, brings_the_result_back_to_the_awaiting_tasks_thread) {
    thread_pool pool(2);
    auto work = [&]() -> task<std::string> {
        const auto home = std::this_thread::get_id();
        auto away = co_await pool.run([] { return std::this_thread::get_id(); });
        EXPECT_NE(home, away);
        EXPECT_EQ(home, std::this_thread::get_id());
        auto call = [part = std::make_unique<std::string>("moved")] { return *part + " in"; };
        co_return co_await pool.run(std::move(call));
    };
    EXPECT_EQ(sync_wait(work()), "moved in");
}

TEST(thread_pool, brings_exceptions_back) {
    thread_pool pool(1);
    auto work = [&]() -> task<void> { co_await pool.run([] { throw std::runtime_error("over there"); }); };
    EXPECT_THROW(sync_wait(work()), std::runtime_error);
}

TEST(thread_pool, runs_what_is_queued_before_it_ends) {
    std::atomic<int> ran = 0;
    {
        thread_pool pool(2);
        for (int i = 0; i < 1'000; ++i)
            post_to(pool, [&] {
                ++ran;
                if (ran % 10 == 0) post_to(pool, [&] { ++ran; });
            });
    }
    EXPECT_GE(ran, 1'000);
}

TEST(thread_pool, runs_in_order_on_one_thread) {
    int next = 0;
    bool in_order = true;
    {
        thread_pool pool(1);
        for (int i = 0; i < 1'000; ++i) post_to(pool, [&, i] { in_order &= next++ == i; });
    }
    EXPECT_TRUE(in_order);
    EXPECT_EQ(next, 1'000);
}

TEST(thread_pool, many_tasks_await_it_at_once) {
    thread_pool pool(2);
    auto one = [](thread_pool& where, int i) -> task<int> { co_return co_await where.run([i] { return i; }); };
    auto all = [&]() -> task<int> {
        std::vector<task<int>> work;
        for (int i = 0; i < 200; ++i) work.push_back(one(pool, i));
        int sum = 0;
        for (int got : co_await when_all(std::move(work))) sum += got;
        co_return sum;
    };
    EXPECT_EQ(sync_wait(all()), 19'900);
}

// Counts how many are alive, wherever they are moved.
struct counted {
    explicit counted(std::atomic<int>& in) : alive(&in) { ++*alive; }
    counted(const counted& other) : alive(other.alive) { ++*alive; }
    counted(counted&& other) noexcept : alive(other.alive) { ++*alive; }
    ~counted() { --*alive; }
    std::atomic<int>* alive;
};

task<void> runs_slowly(thread_pool& pool, std::atomic<int>& alive, std::atomic<int>& stage, int& got) {
    auto call = [held = counted(alive), &alive, &stage] {
        stage = 1;
        while (stage == 1) std::this_thread::yield();
        return counted(alive);
    };
    co_await pool.run(std::move(call));
    ++got;
}

TEST(thread_pool, a_frame_destroyed_before_the_call_began_takes_the_call_with_it) {
    std::atomic<int> alive = 0;
    std::atomic<bool> hold = true;
    int got = 0;
    bool made = false;
    bare_workqueue queue;
    thread_pool pool(1);
    post_to(pool, [&] {
        while (hold) std::this_thread::yield();
    });
    {
        counting_scope scope(queue);
        auto never = [](thread_pool& where, bool& flag) -> task<void> { co_await where.run([&flag] { flag = true; }); };
        scope.spawn(never(pool, made), "never");
        queue.run_ready();
        EXPECT_EQ(queue.slots().live(), 1u);
    }
    EXPECT_EQ(queue.slots().live(), 0u);
    hold = false;
    sync_wait(queue, [](thread_pool& where) -> task<void> { co_await where.run([] {}); }(pool));
    EXPECT_FALSE(made);
    EXPECT_EQ(got, 0);
    EXPECT_EQ(alive, 0);
}

TEST(thread_pool, a_frame_destroyed_during_the_call_leaves_the_result_to_the_pool) {
    std::atomic<int> alive = 0;
    std::atomic<int> stage = 0;
    int got = 0;
    {
        bare_workqueue queue;
        thread_pool pool(1);
        {
            counting_scope scope(queue);
            scope.spawn(runs_slowly(pool, alive, stage, got), "slow");
            while (stage == 0) queue.run_ready();
        }
        stage = 2;
    }
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(got, 0);
}

TEST(thread_pool, completion_races_the_destruction_of_the_frame) {
    std::atomic<int> alive = 0;
    int got = 0;
    race_window window(rounds(100'000));
    {
        bare_workqueue queue;
        thread_pool pool(1);
        auto quick = [](thread_pool& where, std::atomic<int>& count, int& result) -> task<void> {
            auto call = [held = counted(count), &count] { return counted(count); };
            co_await where.run(std::move(call));
            ++result;
        };
        while (window.next()) {
            counting_scope scope(queue);
            scope.spawn(quick(pool, alive, got), "quick");
            for (int step = 0; step <= window.steps(); ++step) queue.run_ready();
            window.note(!scope.empty());
        }
        const op_counters& seen = queue.slots().counters();
        EXPECT_EQ(seen.started, static_cast<std::uint64_t>(window.done()));
        while (seen.in_flight() > 0) queue.run_ready();
        EXPECT_EQ(seen.started, seen.finished);
        EXPECT_EQ(seen.fired, static_cast<std::uint64_t>(got));
    }
    EXPECT_EQ(alive, 0);
    std::printf("  %d of %d results reached their frame\n", got, window.done());
}

TEST(thread_pool_death, an_empty_callable_is_reported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            thread_pool pool(1, "files");
            post_to(pool, std::function<void()>());
        },
        says("queue node without a callable", "queue: files"));
    EXPECT_DEATH(
        {
            thread_pool pool(1, "files");
            void (*none)() = nullptr;
            (void)pool.run(none);
        },
        "queue node without a callable");
}

}  // namespace
