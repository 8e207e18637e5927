#include "task/task.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/counted_heap.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;

// Counts frames that are alive through a local in each.
struct live_local {
    explicit live_local(int& count) : count_(count) { ++count_; }
    ~live_local() { --count_; }
    int& count_;
};

task<int> add(int a, int b) { co_return a + b; }
task<int> add_twice(int a, int b) { co_return co_await add(a, b) + co_await add(a, b); }
task<void> fail_with(std::string text) {
    throw std::runtime_error(text);
    co_return;
}

TEST(task, returns_what_its_children_return) { EXPECT_EQ(sync_wait(add_twice(2, 3)), 10); }

TEST(task, carries_an_exception_to_whoever_awaits_it) {
    auto catches = []() -> task<std::string> {
        try {
            co_await fail_with("broken");
        } catch (const std::runtime_error& what) {
            co_return what.what();
        }
        co_return "nothing thrown";
    };
    EXPECT_EQ(sync_wait(catches()), "broken");
    EXPECT_THROW(sync_wait(fail_with("outside")), std::runtime_error);
}

TEST(task, returns_move_only_values) {
    auto make = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    EXPECT_EQ(*sync_wait(make()), 7);
}

TEST(task, is_lazy_and_destroyed_unstarted_without_a_trace) {
    bool started = false;
    auto work = [](bool& flag) -> task<void> {
        flag = true;
        co_return;
    };
    {
        auto unstarted = work(started);
        EXPECT_TRUE(unstarted.valid());
    }
    EXPECT_FALSE(started);
}

TEST(task, a_million_synchronous_completions_in_a_row_keep_the_stack_flat) {
    auto loop = []() -> task<long> {
        long sum = 0;
        for (long i = 0; i < 1'000'000; ++i) sum += co_await add(1, 0);
        co_return sum;
    };
    EXPECT_EQ(sync_wait(loop()), 1'000'000);
}

task<void> wait_forever(int depth, int& alive) {
    live_local here(alive);
    if (depth > 0) co_await wait_forever(depth - 1, alive);
    while (alive > 0) co_await yield();
}

TEST(task, a_chain_of_100000_suspended_frames_is_torn_down_without_recursion) {
    bare_workqueue queue;
    int alive = 0;
    {
        counting_scope scope(queue);
        scope.spawn(wait_forever(100'000, alive), "deep");
        queue.run_until([&] { return alive == 100'001; });
    }
    EXPECT_EQ(alive, 0);
}

TEST(task, a_chain_through_5000_fan_outs_is_torn_down_without_recursion) {
    struct nest {
        static task<void> at(int depth, int& alive) {
            live_local here(alive);
            if (depth > 0) co_await when_all(at(depth - 1, alive), at(0, alive));
            while (alive > 0) co_await yield();
        }
    };
    bare_workqueue queue;
    int alive = 0;
    {
        counting_scope scope(queue);
        scope.spawn(nest::at(5'000, alive), "deep fan");
        queue.run_until([&] { return alive == 10'001; });
    }
    EXPECT_EQ(alive, 0);
}

TEST(task, frames_are_destroyed_innermost_first) {
    struct order {
        static task<void> leaf(std::vector<std::string>& log) {
            struct note {
                std::vector<std::string>& log;
                ~note() { log.push_back("leaf"); }
            } here{log};
            for (;;) co_await yield();
        }
        static task<void> root(std::vector<std::string>& log) {
            struct note {
                std::vector<std::string>& log;
                ~note() { log.push_back("root"); }
            } here{log};
            co_await leaf(log);
        }
    };
    std::vector<std::string> log;
    bare_workqueue queue;
    {
        counting_scope scope(queue);
        scope.spawn(order::root(log), "order");
        queue.run_until([turns = 0]() mutable { return ++turns > 3; });
    }
    EXPECT_EQ(log, (std::vector<std::string>{"leaf", "root"}));
}

TEST(when_all, gives_results_in_order_and_void_as_monostate) {
    auto nothing = []() -> task<void> { co_await yield(); };
    auto both = [&]() -> task<int> {
        auto [a, b, c] = co_await when_all(add(1, 2), nothing(), add(3, 4));
        static_assert(std::is_same_v<decltype(b), std::monostate>);
        co_return a * 10 + c;
    };
    EXPECT_EQ(sync_wait(both()), 37);
}

TEST(when_all, takes_a_vector_of_tasks) {
    auto all = []() -> task<int> {
        std::vector<task<int>> work;
        for (int i = 0; i < 100; ++i) work.push_back(add(i, 0));
        int sum = 0;
        for (int one : co_await when_all(std::move(work))) sum += one;
        co_return sum;
    };
    EXPECT_EQ(sync_wait(all()), 4950);
}

task<int> until_cancelled(int& ended) {
    const task_env& env = co_await this_task::environment();
    while (!env.scope->cancelled()) co_await yield();
    ++ended;
    co_return 1;
}

TEST(when_all, cancels_and_joins_the_siblings_of_a_failure) {
    int ended = 0;
    auto fails_late = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("late");
    };
    auto all = [&]() -> task<void> { co_await when_all(until_cancelled(ended), fails_late(), until_cancelled(ended)); };
    EXPECT_THROW(sync_wait(all()), std::runtime_error);
    EXPECT_EQ(ended, 2);
}

TEST(when_any, the_first_to_end_decides_and_the_losers_are_joined) {
    int ended = 0;
    auto quick = []() -> task<std::string> {
        co_await yield();
        co_return "quick";
    };
    auto any = [&]() -> task<std::string> {
        auto first = co_await when_any(until_cancelled(ended), quick());
        EXPECT_EQ(first.index(), 1u);
        co_return std::get<1>(first);
    };
    EXPECT_EQ(sync_wait(any()), "quick");
    EXPECT_EQ(ended, 1);
}

TEST(counting_scope, joins_its_children_and_rethrows_the_first_failure) {
    auto work = []() -> task<int> {
        int done = 0;
        auto child = [](int& count) -> task<void> {
            co_await yield();
            ++count;
        };
        const task_env& env = co_await this_task::environment();
        counting_scope scope(*env.queue);
        for (int i = 0; i < 10; ++i) scope.spawn(child(done), "child");
        EXPECT_EQ(scope.size(), 10u);
        co_await scope.join();
        scope.spawn(fail_with("child"), "bad");
        bool caught = false;
        try {
            co_await scope.join();
        } catch (const std::runtime_error&) {
            caught = true;
        }
        EXPECT_TRUE(caught);
        co_return done;
    };
    EXPECT_EQ(sync_wait(work()), 10);
}

TEST(counting_scope, isolates_failures_when_asked) {
    bare_workqueue queue;
    int handled = 0;
    int finished = 0;
    counting_scope scope(queue, [&](std::exception_ptr, const char* name) {
        EXPECT_STREQ(name, "bad");
        ++handled;
    });
    auto good = [](int& count) -> task<void> {
        for (int i = 0; i < 5; ++i) co_await yield();
        ++count;
    };
    scope.spawn(good(finished), "good");
    scope.spawn(fail_with("x"), "bad");
    scope.spawn(good(finished), "good");
    queue.run_until([&] { return scope.empty(); });
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(finished, 2);
}

TEST(counting_scope, destroying_it_destroys_children_where_they_stand) {
    bare_workqueue queue;
    int alive = 0;
    {
        counting_scope scope(queue);
        for (int i = 0; i < 3; ++i) scope.spawn(wait_forever(i, alive), "child");
        queue.run_until([&] { return alive == 6; });
    }
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(queue.depth(), 0u);
}

// Alive from its making on.
struct counted {
    explicit counted(int& alive) : alive_(&alive) { ++alive; }
    counted(counted&& other) noexcept : alive_(std::exchange(other.alive_, nullptr)) {}
    ~counted() {
        if (alive_) --*alive_;
    }
    int* alive_;
};
task<void> holds_one(counted) { co_return; }
task<void> holds(int& alive) { return holds_one(counted(alive)); }

// The argument that exists already when the other one suspends goes with the frame.
task<void> takes_a_task_and_a_number(task<void> first, int) { co_await std::move(first); }

task<void> builds_arguments_around_an_await(int& alive) {
    auto number = [](int& while_positive) -> task<int> {
        while (while_positive > 0) co_await yield();
        co_return 1;
    };
    co_await takes_a_task_and_a_number(holds(alive), co_await number(alive));
}

TEST(task, destroyed_between_two_arguments_takes_the_first_one_with_it) {
    bare_workqueue queue;
    int alive = 0;
    {
        counting_scope scope(queue);
        scope.spawn(builds_arguments_around_an_await(alive), "child");
        int turns = 0;
        queue.run_until([&] { return ++turns > 10; });
        EXPECT_EQ(alive, 1);
        scope.destroy_all();
    }
    EXPECT_EQ(alive, 0);
}

struct throws_at_its_end {
    ~throws_at_its_end() noexcept(false) { throw std::runtime_error("late"); }
};

TEST(task, an_exception_behind_co_return_replaces_the_result) {
    auto work = [](std::shared_ptr<int> value) -> task<std::shared_ptr<int>> {
        const throws_at_its_end late;
        co_return value;
    };
    auto value = std::make_shared<int>(1);
    EXPECT_THROW((void)sync_wait(work(value)), std::runtime_error);
    EXPECT_EQ(value.use_count(), 1);
}

TEST(task, that_finds_no_memory_for_its_frame_throws_and_destroys_its_arguments) {
    auto big = [](task<void> first, int& bytes_seen) -> task<void> {
        [[maybe_unused]] static void* volatile seen_by_others;
        std::array<std::byte, 4000> local{};  // more than the pool has blocks for: the heap is asked
        seen_by_others = local.data();
        co_await std::move(first);
        bytes_seen += static_cast<int>(local.size());
    };
    int alive = 0;
    int seen = 0;
    task<void> first = holds(alive);
    EXPECT_EQ(alive, 1);
    if (!heap_is_counted) return;
    heap_fails(true);
    bool thrown = false;
    try {
        task<void> never = big(std::move(first), seen);
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    heap_fails(false);
    EXPECT_TRUE(thrown);
    EXPECT_EQ(alive, 0);
}

TEST(backtrace, names_every_awaiting_frame_with_its_line) {
    static std::string chain;
    struct look {
        static task<void> inner() {
            char text[2048];
            co_await yield();
            write_await_chain(detail::innermost_running(), text, sizeof text);
            chain = text;
        }
        static task<void> outer() { co_await inner(); }
    };
    sync_wait(look::outer());
    EXPECT_NE(chain.find("inner"), std::string::npos) << chain;
    EXPECT_NE(chain.find("outer"), std::string::npos) << chain;
    EXPECT_NE(chain.find("task_test.cpp:"), std::string::npos) << chain;
}

TEST(workqueue, takes_messages_from_other_threads_in_order_per_thread) {
    bare_workqueue queue;
    int received = 0;
    int last[3] = {-1, -1, -1};
    bool in_order = true;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 10'000; ++i)
                queue.post_message([&, t, i] {
                    in_order &= last[t] + 1 == i;
                    last[t] = i;
                    ++received;
                });
        });
    queue.run_until([&] { return received == 30'000; });
    for (auto& one : threads) one.join();
    EXPECT_TRUE(in_order);
}

}  // namespace
