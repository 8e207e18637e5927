// What the awaiters of this room tell whoever draws the tree of waiting tasks.
#include <gtest/gtest.h>

#include "support/task_tree.hpp"
#include "sync/deadline.hpp"
#include "sync/with_scope.hpp"
#include "task/sync_wait.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;
using test::draw;

task<void> leaf() { co_await yield(); }

TEST(task_tree, shows_a_task_that_is_shielded) {
    bare_workqueue queue;
    counting_scope scope(queue);
    auto shielded = []() -> task<void> { co_await shield(leaf()); };
    scope.spawn(shielded(), "root");
    queue.run_batch(1);
    EXPECT_EQ(draw(scope), "root: spawned(task with a deadline(yield))");
    queue.run_ready();
    EXPECT_TRUE(scope.empty());
}

TEST(task_tree, shows_a_task_in_a_scope) {
    bare_workqueue queue;
    counting_scope scope(queue);
    cancel_scope own;
    auto scoped = [](cancel_scope& inside) -> task<void> { co_await with_scope(inside, leaf()); };
    scope.spawn(scoped(own), "root");
    queue.run_batch(1);
    EXPECT_EQ(draw(scope), "root: spawned(task in a scope(yield))");
    queue.run_ready();
    EXPECT_TRUE(scope.empty());
}

TEST(with_scope, in_the_scope_that_surrounds_it_already_stays_there) {
    bare_workqueue queue;
    counting_scope scope(queue);
    bool cancelled = false;
    auto asks = [](bool& answer) -> task<void> {
        co_await yield();
        const task_env& env = co_await this_task::environment();
        answer = env.scope->cancelled();
    };
    auto twice = [](cancel_scope& inside, task<void> work) -> task<void> {
        co_await with_scope(inside, std::move(work));
    };
    cancel_scope& own = scope.cancellation();
    scope.spawn(twice(own, asks(cancelled)), "root");
    queue.run_batch(1);
    scope.request_stop();
    queue.run_ready();
    EXPECT_TRUE(cancelled);
}

}  // namespace
