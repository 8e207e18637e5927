#include "task/run_on.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "rounds.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;

// A workqueue with a thread of its own.
class other_thread {
public:
    other_thread() {
        thread_ = std::thread([this] {
            queue_.run_until([this] {
                running_ = true;  // from here on the queue is this thread's
                return ended_;
            });
        });
        while (!running_) std::this_thread::yield();
    }
    ~other_thread() {
        queue_.post_message([this] { ended_ = true; });
        thread_.join();
    }
    bare_workqueue& queue() { return queue_; }
    std::thread::id id() const { return thread_.get_id(); }

private:
    bare_workqueue queue_{"other"};
    std::atomic<bool> running_ = false;
    bool ended_ = false;
    std::thread thread_;
};

task<std::thread::id> where_am_i() {
    co_await yield();
    co_return std::this_thread::get_id();
}

TEST(run_on, moves_a_coroutine_to_another_thread_and_its_result_back) {
    other_thread other;
    auto work = [&]() -> task<void> {
        const auto home = std::this_thread::get_id();
        auto away = co_await run_on(other.queue(), where_am_i());
        EXPECT_EQ(away, other.id());
        EXPECT_EQ(std::this_thread::get_id(), home);
    };
    sync_wait(work());
}

TEST(run_on, goes_there_and_back_and_there_again) {
    other_thread other;
    struct hop {
        static task<int> at(bare_workqueue& here, bare_workqueue& there, int depth) {
            if (depth == 0) co_return 0;
            co_return 1 + co_await run_on(there, at(there, here, depth - 1));
        }
    };
    bare_workqueue home;
    EXPECT_EQ(sync_wait(home, hop::at(home, other.queue(), 20)), 20);
}

TEST(run_on, brings_exceptions_and_move_only_values_back) {
    other_thread other;
    auto throws = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("over there");
    };
    auto makes = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
    auto work = [&]() -> task<int> {
        auto got = co_await run_on(other.queue(), makes());
        co_await run_on(other.queue(), throws());
        co_return *got;
    };
    EXPECT_THROW(sync_wait(work()), std::runtime_error);
}

task<int> until_cancelled(std::atomic<int>& state) {
    const task_env& env = co_await this_task::environment();
    state = 1;
    while (!env.scope->cancelled()) co_await yield();
    state = 2;
    co_return static_cast<int>(env.scope->reason());
}

task<void> waits_for(bare_workqueue& other, std::atomic<int>& state, int& got) {
    got = co_await run_on(other, until_cancelled(state));
}

TEST(run_on, cancelling_the_waiter_cancels_over_there_and_still_brings_the_result) {
    other_thread other;
    bare_workqueue queue;
    std::atomic<int> state = 0;
    int got = 0;
    counting_scope scope(queue);
    scope.spawn(waits_for(other.queue(), state, got), "waits");
    queue.run_ready();
    while (state != 1) std::this_thread::yield();
    scope.request_stop(errc::timed_out);
    queue.run_until([&] { return scope.empty(); });
    EXPECT_EQ(got, static_cast<int>(errc::timed_out));
    EXPECT_EQ(state, 2);
}

TEST(run_on, a_task_awaited_in_a_cancelled_scope_starts_cancelled) {
    other_thread other;
    bare_workqueue queue;
    std::atomic<int> state = 0;
    int got = 0;
    counting_scope scope(queue);
    scope.request_stop();
    scope.spawn(waits_for(other.queue(), state, got), "waits");
    queue.run_until([&] { return scope.empty(); });
    EXPECT_EQ(got, static_cast<int>(errc::stopped));
}

TEST(run_on, destroying_the_waiter_cancels_over_there_and_drops_the_result) {
    other_thread other;
    bare_workqueue queue;
    std::atomic<int> state = 0;
    int got = 0;
    {
        counting_scope scope(queue);
        scope.spawn(waits_for(other.queue(), state, got), "waits");
        queue.run_ready();
        while (state != 1) std::this_thread::yield();
    }
    while (state != 2) std::this_thread::yield();
    EXPECT_EQ(got, 0);
    EXPECT_EQ(queue.slots().live(), 0u);
}

TEST(run_on, a_queue_that_dies_before_the_task_began_tells_the_waiter) {
    bare_workqueue queue;
    auto dead = std::make_unique<bare_workqueue>("dead");
    bool told = false;
    counting_scope scope(queue);
    auto waits = [](bare_workqueue& other, bool& flag) -> task<void> {
        try {
            co_await run_on(other, where_am_i());
        } catch (const queue_gone&) {
            flag = true;
        }
    };
    scope.spawn(waits(*dead, told), "waits");
    queue.run_ready();
    dead.reset();
    queue.run_until([&] { return scope.empty(); });
    EXPECT_TRUE(told);
}

TEST(run_on, the_end_over_there_races_the_destruction_of_the_waiter) {
    other_thread other;
    std::atomic<int> alive = 0;
    struct held {
        explicit held(std::atomic<int>& in) : count(in) { ++count; }
        ~held() { --count; }
        std::atomic<int>& count;
    };
    auto short_work = [](std::atomic<int>& count, int turns) -> task<std::unique_ptr<held>> {
        auto mine = std::make_unique<held>(count);
        for (int i = 0; i < turns; ++i) co_await yield();
        co_return mine;
    };
    auto waits = [&](int turns, int& got) -> task<void> {
        co_await run_on(other.queue(), short_work(alive, turns));
        ++got;
    };
    int got = 0;
    race_window window(rounds(20'000));
    {
        bare_workqueue queue;
        while (window.next()) {
            counting_scope scope(queue);
            scope.spawn(waits(window.round() % 5, got), "waits");
            for (int step = 0; step <= window.steps(); ++step) queue.run_ready();
            window.note(!scope.empty());
        }
    }
    sync_wait([](bare_workqueue& there) -> task<void> { co_await run_on(there, where_am_i()); }(other.queue()));
    EXPECT_EQ(alive, 0);
    std::printf("  %d of %d results reached their frame\n", got, window.done());
}

}  // namespace
