#include "task/stop_token.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "rounds.hpp"
#include "task/sync_wait.hpp"
#include "task/with_stop.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;

TEST(inplace_stop_source, calls_each_callback_once) {
    inplace_stop_source source;
    int calls = 0;
    inplace_stop_callback first(source.get_token(), [&] { ++calls; });
    inplace_stop_callback second(source.get_token(), [&] { ++calls; });
    EXPECT_FALSE(source.get_token().stop_requested());
    EXPECT_TRUE(source.request_stop());
    EXPECT_FALSE(source.request_stop());
    EXPECT_TRUE(source.get_token().stop_requested());
    EXPECT_EQ(calls, 2);
}

TEST(inplace_stop_source, a_late_callback_runs_in_its_registration) {
    inplace_stop_source source;
    source.request_stop();
    bool called = false;
    inplace_stop_callback late(source.get_token(), [&] { called = true; });
    EXPECT_TRUE(called);
}

TEST(inplace_stop_source, a_deregistered_callback_is_not_called) {
    inplace_stop_source source;
    int calls = 0;
    auto callback = [&] { ++calls; };
    std::optional<inplace_stop_callback<decltype(callback)>> a, b, c;
    a.emplace(source.get_token(), callback);
    b.emplace(source.get_token(), callback);
    c.emplace(source.get_token(), callback);
    b.reset();
    source.request_stop();
    EXPECT_EQ(calls, 2);
}

TEST(inplace_stop_source, a_token_without_a_source_never_stops) {
    inplace_stop_token none;
    EXPECT_FALSE(none.stop_possible());
    inplace_stop_callback never(none, [] { FAIL(); });
}

TEST(inplace_stop_callback, may_destroy_itself_and_others_from_inside) {
    inplace_stop_source source;
    struct self_destroying {
        std::function<void()> call;
        void operator()() const { call(); }
    };
    std::optional<inplace_stop_callback<self_destroying>> one, two;
    int calls = 0;
    auto ends_both = [&] {
        ++calls;
        one.reset();
        two.reset();
    };
    one.emplace(source.get_token(), self_destroying(ends_both));
    two.emplace(source.get_token(), self_destroying(ends_both));
    source.request_stop();
    EXPECT_EQ(calls, 1);
}

TEST(inplace_stop_callback, deregistration_waits_for_a_callback_that_runs_on_another_thread) {
    for (int round = 0; round < rounds(2'000); ++round) {
        inplace_stop_source source;
        std::atomic<bool> entered = false;
        auto flag = std::make_unique<int>(0);
        auto body = [&] {
            entered = true;
            std::this_thread::yield();
            *flag = 1;  // freed below, right after the deregistration
        };
        std::optional<inplace_stop_callback<decltype(body)>> callback;
        callback.emplace(source.get_token(), body);
        std::thread stopper([&] { source.request_stop(); });
        while (round % 2 && !entered) std::this_thread::yield();
        callback.reset();
        EXPECT_EQ(*flag, entered ? 1 : 0);
        flag.reset();
        stopper.join();
    }
}

TEST(inplace_stop_callback, registration_and_stop_race_without_losing_a_call) {
    for (int round = 0; round < rounds(2'000); ++round) {
        inplace_stop_source source;
        std::atomic<int> calls = 0;
        auto registers = [&] {
            inplace_stop_callback a(source.get_token(), [&] { ++calls; });
            while (!source.stop_requested()) std::this_thread::yield();
        };
        std::thread one(registers), two(registers);
        source.request_stop();
        one.join();
        two.join();
        EXPECT_LE(calls.load(), 2);
        // either it was called, or deregistered before its turn came; after the stop every registration calls
        inplace_stop_callback last(source.get_token(), [&] { calls += 10; });
        EXPECT_GE(calls.load(), 10);
    }
}

task<int> until_stopped(int& reason) {
    const task_env& env = co_await this_task::environment();
    while (!env.scope->cancelled()) co_await yield();
    reason = static_cast<int>(env.scope->reason());
    co_return 5;
}

TEST(with_stop, a_stop_from_another_thread_cancels_the_task_on_its_own_queue) {
    inplace_stop_source source;
    int reason = 0;
    std::thread stopper([&] { source.request_stop(); });
    auto waits = [&]() -> task<int> { co_return co_await with_stop(source.get_token(), until_stopped(reason)); };
    EXPECT_EQ(sync_wait(waits()), 5);
    EXPECT_EQ(reason, static_cast<int>(errc::stopped));
    stopper.join();
}

TEST(with_stop, a_stop_requested_before_cancels_at_once) {
    inplace_stop_source source;
    source.request_stop();
    int reason = 0;
    auto waits = [&]() -> task<int> { co_return co_await with_stop(source.get_token(), until_stopped(reason)); };
    EXPECT_EQ(sync_wait(waits()), 5);
}

TEST(with_stop, passes_on_cancellation_of_the_surrounding_scope_and_exceptions) {
    inplace_stop_source source;
    int reason = 0;
    bare_workqueue queue;
    counting_scope scope(queue);
    int got = 0;
    auto waits = [](inplace_stop_source& from, int& why, int& value) -> task<void> {
        value = co_await with_stop(from.get_token(), until_stopped(why));
    };
    scope.spawn(waits(source, reason, got), "waits");
    queue.run_until([turns = 0]() mutable { return ++turns > 3; });
    scope.request_stop();
    queue.run_until([&] { return scope.empty(); });
    EXPECT_EQ(got, 5);
    auto throws = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("inside");
    };
    auto outer = [&]() -> task<int> { co_return co_await with_stop(source.get_token(), throws()); };
    EXPECT_THROW(sync_wait(outer()), std::runtime_error);
}

TEST(with_stop, a_stop_races_the_end_and_the_destruction_of_the_task) {
    for (int round = 0; round < rounds(2'000); ++round) {
        inplace_stop_source source;
        bare_workqueue queue;
        std::atomic<bool> go = false;
        std::thread stopper([&] {
            while (!go) std::this_thread::yield();
            source.request_stop();
        });
        int reason = 0;
        auto waits = [](inplace_stop_source& from, int& why) -> task<void> {
            co_await with_stop(from.get_token(), until_stopped(why));
        };
        {
            counting_scope scope(queue);
            scope.spawn(waits(source, reason), "waits");
            queue.run_until([turns = 0]() mutable { return ++turns > 2; });
            go = true;
            if (round % 3) queue.run_until([&, turns = 0]() mutable { return scope.empty() || ++turns > round % 7; });
            if (round % 3 == 2) queue.run_until([&] { return scope.empty(); });
        }
        if (round % 2) queue.run_ready();
        stopper.join();
    }
}

}  // namespace
