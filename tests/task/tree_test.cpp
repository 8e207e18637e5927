// The tree of waiting tasks, as whoever draws it sees it: every awaiter with children names them, in order, and ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "support/task_tree.hpp"
#include "task/run_on.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"
#include "task/when.hpp"
#include "task/with_stop.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;
using test::draw;

task<void> leaf() { co_await yield(); }
task<void> branch() { co_await leaf(); }
task<int> numbered(int value) {
    co_await yield();
    co_return value;
}

// What the one child of a fresh scope waits for, after its first turn.
std::string first_turn_of(task<void> work) {
    bare_workqueue queue;
    counting_scope scope(queue);
    scope.spawn(std::move(work), "root");
    queue.run_batch(1);
    std::string drawn = draw(scope);
    queue.run_ready();
    EXPECT_TRUE(scope.empty());
    EXPECT_EQ(draw(scope), "");
    return drawn;
}

TEST(task_tree, shows_a_task_below_a_task) { EXPECT_EQ(first_turn_of(branch()), "root: spawned(task(yield))"); }

TEST(task_tree, shows_every_child_of_a_fan_out_in_order) {
    auto all = []() -> task<void> {
        auto [first, second] = co_await when_all(numbered(1), branch());
        EXPECT_EQ(first, 1);
        (void)second;
    };
    EXPECT_EQ(first_turn_of(all()), "root: spawned(when_all or when_any(yield task(yield)))");
    auto any = []() -> task<void> {
        auto winner = co_await when_any(branch(), numbered(2), branch());
        EXPECT_EQ(winner.index(), 0u) << "its leaf came up first";
    };
    EXPECT_EQ(first_turn_of(any()), "root: spawned(when_all or when_any(task(yield) yield task(yield)))");
}

TEST(task_tree, shows_a_child_that_has_ended_and_is_kept_for_its_siblings) {
    auto at_once = []() -> task<int> { co_return 7; };
    auto waits = [](task<int> quick) -> task<void> {
        auto [value, nothing] = co_await when_all(std::move(quick), leaf());
        EXPECT_EQ(value, 7);
        (void)nothing;
    };
    EXPECT_EQ(first_turn_of(waits(at_once())), "root: spawned(when_all or when_any(- yield))");
}

TEST(task_tree, shows_a_task_with_a_stop_token) {
    inplace_stop_source source;
    auto stoppable = [](inplace_stop_token token) -> task<void> { co_await with_stop(token, branch()); };
    EXPECT_EQ(first_turn_of(stoppable(source.get_token())), "root: spawned(task with a stop token(task(yield)))");
}

TEST(task_tree, shows_what_the_joiner_of_a_scope_waits_for) {
    bare_workqueue queue;
    counting_scope outer(queue);
    counting_scope inner(queue);
    inner.spawn(branch(), "one");
    inner.spawn(leaf(), "two");
    inner.spawn(leaf(), "three");
    auto joins = [](counting_scope& scope) -> task<void> { co_await scope.join(); };
    outer.spawn(joins(inner), "joiner");
    queue.run_batch(4);
    EXPECT_EQ(draw(outer), "joiner: spawned(scope join(task(yield) yield yield))");
    queue.run_batch(2);
    EXPECT_EQ(draw(outer), "joiner: spawned(scope join(yield))") << "two have ended and are gone";
    queue.run_ready();
    EXPECT_TRUE(outer.empty());
}

TEST(task_tree, shows_the_root_of_a_task_from_another_queue) {
    bare_workqueue home;
    bare_workqueue there;
    op_slot& slot = home.slots().fill(op_kind::remote, nullptr);
    home.slots().arm(slot);
    auto* record = pool_new<detail::typed_remote_task<void>>(there, branch());
    record->bind(slot);
    record->send(task_env{.queue = &home, .name = "far"});
    there.run_batch(1);
    EXPECT_EQ(draw(*record), "root from another queue(task(yield))");
    there.run_ready();
    EXPECT_EQ(draw(*record), "root from another queue") << "its task has ended";
    record->take();
    record->release();
    home.run_ready();
    EXPECT_EQ(home.slots().live(), 0u);
}

// A frame and its synchronous children: none of them tells anybody that it runs.
TEST(backtrace, finds_the_innermost_of_tasks_that_have_not_suspended_yet) {
    static std::string chain;
    struct look {
        static task<void> innermost() {
            std::array<char, 2048> text{};
            write_await_chain(detail::innermost_running(), text.data(), text.size());
            chain = text.data();
            co_return;
        }
        static task<void> middle() { co_await innermost(); }
        static task<void> outermost() { co_await middle(); }
    };
    sync_wait(look::outermost());
    const auto inner = chain.find("innermost");
    const auto middle = chain.find("middle");
    const auto outer = chain.find("outermost");
    EXPECT_LT(inner, middle) << chain;
    EXPECT_LT(middle, outer) << chain;
    EXPECT_NE(outer, std::string::npos) << chain;
}

task<void> deep(int levels, std::string& chain, std::size_t room, std::size_t& wrote) {
    if (levels > 0) co_return co_await deep(levels - 1, chain, room, wrote);
    chain.assign(room, '?');
    co_await yield();
    wrote = write_await_chain(detail::innermost_running(), chain.data(), room);
}

TEST(backtrace, ends_with_the_room_there_is_and_after_64_frames) {
    std::string chain;
    std::size_t wrote = 0;
    sync_wait(deep(3, chain, 100, wrote));
    EXPECT_EQ(wrote, 99u);
    EXPECT_EQ(chain.find('\0'), 99u) << "text, and no byte behind its room";
    sync_wait(deep(99, chain, 1 << 20, wrote));
    EXPECT_EQ(std::count(chain.begin(), chain.begin() + static_cast<std::ptrdiff_t>(wrote), '\n'), 64);
}

}  // namespace
