// What ends the process rather than go on wrongly, and the rare ends of operations that do not.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "support/says.hpp"
#include "task/callback_wq.hpp"
#include "task/completion.hpp"
#include "task/run_on.hpp"
#include "task/scope.hpp"
#include "task/stop_token.hpp"
#include "task/sync_wait.hpp"
#include "task/thread_pool.hpp"
#include "task/when.hpp"
#include "task/with_stop.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;
using detail::hook_block;
using test::says;

task<void> throws(const char* text) {
    co_await yield();
    throw std::runtime_error(text);
}

// Sets a flag when it is resumed.
struct flag_coroutine {
    struct promise_type {
        flag_coroutine get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
    std::coroutine_handle<promise_type> handle;
};
flag_coroutine sets(bool& flag) {
    flag = true;
    co_return;
}

class fault_death : public testing::Test {
protected:
    fault_death() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST(resume_hook, assigned_to_resumes_what_the_other_would_have) {
    bool first_ran = false;
    bool second_ran = false;
    const flag_coroutine first = sets(first_ran);
    const flag_coroutine second = sets(second_ran);
    resume_hook target(first.handle);
    resume_hook source(second.handle);
    target = std::move(source);
    std::move(source).fire();
    EXPECT_FALSE(second_ran);
    std::move(target).fire();
    EXPECT_TRUE(second_ran);
    EXPECT_FALSE(first_ran);
    first.handle.destroy();
    second.handle.destroy();
}

TEST(callback_operation, that_is_never_armed_goes_without_a_trace) {
    bare_workqueue queue;
    bool ran = false;
    const flag_coroutine waiter = sets(ran);
    {
        callback_operation never(resume_hook(waiter.handle), queue, "never");
    }
    queue.run_ready();
    EXPECT_FALSE(ran);
    waiter.handle.destroy();
}

TEST(callback_operation, whose_queue_dies_first_is_dropped_and_its_waiter_frees_it) {
    bool ran = false;
    const flag_coroutine waiter = sets(ran);
    auto queue = std::make_unique<bare_workqueue>();
    auto strand = std::make_unique<callback_wq>(*queue, "dies");
    callback_operation left(resume_hook(waiter.handle), *queue, "left");
    strand->post(left.arm(), 5);
    queue.reset();
    strand.reset();
    EXPECT_FALSE(ran);
    waiter.handle.destroy();  // and `left` goes after its queue: the sanitizer watches
}

TEST_F(fault_death, an_operation_that_is_armed_twice_is_reported) {
    EXPECT_DEATH(
        {
            hook_block block{resume_hook(std::noop_coroutine())};
            block.arm();
            block.arm();
        },
        "only a filled operation can be armed");
}

TEST_F(fault_death, an_operation_that_is_completed_unarmed_or_twice_is_reported) {
    EXPECT_DEATH(
        {
            hook_block block{resume_hook(std::noop_coroutine())};
            block.run();
        },
        "completed once");
    EXPECT_DEATH(
        {
            hook_block block{resume_hook(std::noop_coroutine())};
            block.arm();
            block.run();
            block.run();
        },
        says("completed once", "callback operation"));
}

TEST_F(fault_death, a_frame_destroyed_while_its_completion_resumes_it_is_reported) {
    EXPECT_DEATH(
        {
            hook_block block{resume_hook(std::noop_coroutine())};
            block.arm();
            block.run();
            block.leave(false);
        },
        "while another thread resumes it");
}

TEST_F(fault_death, an_operation_that_is_abandoned_twice_is_reported) {
    EXPECT_DEATH(
        {
            hook_block block{resume_hook(std::noop_coroutine())};
            block.arm();
            block.leave(false);
            block.leave(false);
        },
        "abandoned once");
}

TEST_F(fault_death, a_token_of_a_slot_that_is_dropped_is_reported_with_the_slots_generation) {
    EXPECT_DEATH(
        {
            bare_workqueue queue("slots");
            op_slot& slot = queue.slots().fill(op_kind::remote, nullptr);
            queue.slots().arm(slot);
            (void)completion::of(slot);
        },
        says("must be completed", "operation: remote (generation 1)", "queue: slots"));
}

TEST_F(fault_death, a_used_token_in_a_foreign_queue_is_reported) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            bare_workqueue other;
            callback_wq strand(queue, "home");
            callback_wq foreign(other, "foreign");
            callback_operation operation(resume_hook(std::noop_coroutine()), queue, "used");
            completion token = operation.arm();
            strand.post(std::move(token));
            foreign.post(std::move(token));
        },
        says("operation: used", "queue: foreign"));
}

TEST(completion, of_a_slot_that_is_asked_to_end_is_made_like_any_other) {
    bare_workqueue queue;
    callback_wq strand(queue, "slots");
    op_slot& slot = queue.slots().fill(op_kind::wait, nullptr);
    queue.slots().arm(slot);
    EXPECT_TRUE(queue.slots().request_cancel(slot));
    strand.post(completion::of(slot), 3);
    queue.run_ready();
    EXPECT_EQ(queue.slots().live(), 0u);
    EXPECT_EQ(queue.slots().counters().late, 1u) << "a success although it was cancelled";
}

TEST_F(fault_death, a_node_that_is_posted_while_it_waits_is_reported_with_its_queue) {
    EXPECT_DEATH(
        {
            bare_workqueue queue("busy");
            worknode node([](worknode&) noexcept {});
            queue.post(node);
            queue.post(node);
        },
        says("still waits in a queue", "queue: busy"));
}

TEST_F(fault_death, a_node_without_a_callable_is_reported) {
    EXPECT_DEATH({ worknode node(static_cast<worknode::function>(nullptr)); }, "queue node is built with its callable");
}

TEST_F(fault_death, a_slot_that_comes_up_without_having_been_posted_is_reported) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            op_slot& slot = queue.slots().fill(op_kind::wait, nullptr);
            queue.post(slot);
            queue.run_ready();
        },
        says("comes up in its queue", "wait #1 in state filled"));
}

TEST_F(fault_death, an_operation_of_nobody_that_is_served_is_reported) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            op_slot& slot = queue.slots().fill(op_kind::recv, nullptr);
            queue.slots().arm(slot);
            queue.slots().deliver(slot, 1);
        },
        "waited-for, armed operation");
}

TEST_F(fault_death, an_exception_that_nobody_handles_in_an_isolating_scope_is_reported) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            counting_scope scope(queue, counting_scope::failure_handler());
            scope.spawn(throws("unheard"), "isolated");
            queue.run_ready();
        },
        "no failure handler");
}

TEST(counting_scope, keeps_the_first_of_two_failures) {
    bare_workqueue queue;
    counting_scope scope(queue);
    scope.spawn(throws("first"), "first");
    scope.spawn(throws("second"), "second");
    queue.run_ready();
    auto joins = [](counting_scope& joined) -> task<std::string> {
        try {
            co_await joined.join();
        } catch (const std::runtime_error& failure) {
            co_return failure.what();
        }
        co_return "nothing";
    };
    EXPECT_EQ(sync_wait(queue, joins(scope)), "first");
    EXPECT_EQ(sync_wait(queue, joins(scope)), "nothing") << "a failure is thrown once";
}

TEST(counting_scope, that_is_closed_destroys_what_is_spawned_unstarted) {
    bare_workqueue queue;
    counting_scope scope(queue);
    auto held = std::make_shared<int>(1);
    auto never = [](std::shared_ptr<int> kept) -> task<void> {
        ADD_FAILURE() << *kept;
        co_return;
    };
    scope.close();
    scope.spawn(never(held), "late");
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_TRUE(scope.empty());
    EXPECT_EQ(queue.run_ready(), 0u);
}

TEST(counting_scope, destroyed_children_wake_its_joiner_once) {
    bare_workqueue queue;
    counting_scope scope(queue);
    counting_scope outer(queue);
    int joined = 0;
    auto joins = [](counting_scope& which, int& count) -> task<void> {
        co_await which.join();
        ++count;
    };
    auto forever = []() -> task<void> {
        for (;;) co_await yield();
    };
    scope.spawn(forever(), "forever");
    outer.spawn(joins(scope, joined), "joins");
    queue.run_batch(3);
    scope.destroy_all();
    scope.destroy_all();  // its joiner has not come up yet
    queue.run_ready();
    EXPECT_EQ(joined, 1);
    EXPECT_TRUE(outer.empty());
}

TEST(counting_scope, destroyed_with_a_child_that_waits_for_another_takes_both) {
    bare_workqueue queue;
    auto held = std::make_shared<int>(1);
    auto inner = [](std::shared_ptr<int>) -> task<void> {
        for (;;) co_await yield();
    };
    auto outer = [](task<void> child) -> task<void> { co_await std::move(child); };
    {
        counting_scope scope(queue);
        scope.spawn(outer(inner(held)), "pair");
        queue.run_batch(2);
        EXPECT_EQ(held.use_count(), 2);
    }
    EXPECT_EQ(held.use_count(), 1);
}

// A child below an awaiter that dies with its frame's locals still suspended: the walk starts at the awaiter.
TEST(task, an_awaiter_that_dies_takes_a_child_that_still_waits_with_it) {
    auto held = std::make_shared<int>(1);
    auto inner = [](std::shared_ptr<int>) -> task<void> { co_await std::suspend_always{}; };
    auto outer = [](task<void> child) -> task<void> { co_await std::move(child); };
    {
        detail::task_awaiter<void> waits = outer(inner(held)).operator co_await();
        auto begins = [](detail::task_awaiter<void>& on) -> task<void> { co_await on; };
        task<void> root = begins(waits);
        detail::promise<void>& frame = std::move(root).release();
        frame.self().resume();
        EXPECT_EQ(held.use_count(), 2);
        frame.self().destroy();  // a frame that does not own its awaiter
        EXPECT_EQ(held.use_count(), 2);
    }
    EXPECT_EQ(held.use_count(), 1);
}

TEST(when_all, runs_below_a_frame_without_an_environment) {
    int ran = 0;
    auto counts = [](int& count) -> task<void> {
        ++count;
        co_return;
    };
    auto all = [](task<void> first, task<void> second, int& count) -> task<void> {
        co_await when_all(std::move(first), std::move(second));
        ++count;
        co_await std::suspend_always{};
    };
    task<void> work = all(counts(ran), counts(ran), ran);
    detail::promise<void>& frame = std::move(work).release();
    frame.self().resume();
    EXPECT_EQ(ran, 3);
    destroy_tree(frame);
}

TEST(run_on, that_is_never_awaited_destroys_its_task_unstarted) {
    bare_workqueue there;
    auto held = std::make_shared<int>(1);
    auto never = [](std::shared_ptr<int> kept) -> task<void> {
        ADD_FAILURE() << *kept;
        co_return;
    };
    {
        auto unused = run_on(there, never(held));
    }
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_EQ(there.run_ready(), 0u);
}

TEST(with_stop, without_a_source_runs_its_task_to_the_end) {
    auto value = []() -> task<int> {
        co_await yield();
        co_return 4;
    };
    auto waits = [](task<int> work) -> task<int> { co_return co_await with_stop({}, std::move(work)); };
    EXPECT_EQ(sync_wait(waits(value())), 4);
    EXPECT_FALSE(inplace_stop_token().stop_requested());
}

TEST(flight_recorder, keeps_the_newest_and_clips_results) {
    flight_recorder recorder;
    for (std::uint32_t at = 0; at < flight_recorder::capacity + 3; ++at)
        recorder.record(at, 1, op_kind::recv, op_state::final, at % 2 == 0 ? -40'000 : 40'000);
    const auto kept = recorder.snapshot();
    ASSERT_EQ(kept.size(), flight_recorder::capacity);
    EXPECT_EQ(recorder.recorded(), flight_recorder::capacity + 3);
    EXPECT_EQ(kept.front().index, 3u);
    EXPECT_EQ(kept.front().result, 32767);
    EXPECT_EQ(kept.back().index, flight_recorder::capacity + 2);
    EXPECT_EQ(kept.back().result, -32768);
}

TEST(bare_workqueue, dies_only_after_the_signal_to_a_waiter_that_is_gone) {
    std::optional<bare_workqueue> queue(std::in_place);
    op_slot& slot = queue->slots().fill(op_kind::remote, nullptr);
    queue->slots().arm(slot);
    queue->slots().abandon(slot);
    bool signalled = false;
    std::atomic<bool> dying = false;
    std::thread signaller([&] {
        while (!dying) std::this_thread::yield();
        signalled = true;
        op_slab::signal(slot, 0);
    });
    // the message is dropped by the destructor, which waits for the slot next
    queue->post_message([notify = std::shared_ptr<void>(nullptr, [&](void*) { dying = true; })] { FAIL(); });
    queue.reset();
    EXPECT_TRUE(signalled);
    signaller.join();
}

TEST(bare_workqueue, runs_no_longer_than_until_it_is_done) {
    bare_workqueue queue;
    int asked = 0;
    queue.run_until([&] { return ++asked >= 2; });  // done between the turn that ran nothing and the sleep
    EXPECT_EQ(asked, 3);
}

}  // namespace
