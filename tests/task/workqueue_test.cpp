#include "task/workqueue.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "support/says.hpp"
#include "task/post_to.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"
#include "task/thread_pool.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;
using test::says;

TEST(workqueue, frees_the_messages_it_did_not_run) {
    auto token = std::make_shared<int>(1);
    {
        bare_workqueue queue;
        queue.post_message([token] { FAIL(); });
        post_to(queue, [token] { FAIL(); });
        std::thread([&] { queue.post_message([token] { FAIL(); }); }).join();
        EXPECT_EQ(token.use_count(), 4);
    }
    EXPECT_EQ(token.use_count(), 1);
}

TEST(workqueue, its_end_waits_for_signals_that_are_on_their_way_to_waiters_that_are_gone) {
    thread_pool pool(1);
    for (int round = 0; round < 1'000; ++round) {
        bare_workqueue queue;
        counting_scope scope(queue);
        auto work = [](thread_pool& where) -> task<void> { co_await where.run([] {}); };
        scope.spawn(work(pool), "work");
        queue.run_ready();
        for (int i = 0; i < round % 64; ++i) std::this_thread::yield();
    }
}

TEST(workqueue, may_die_on_another_thread_than_it_ran_on) {
    auto token = std::make_shared<int>(1);
    auto queue = std::make_unique<bare_workqueue>();
    std::thread([&] {
        queue->adopt();
        queue->post_message([token] { FAIL(); });
    }).join();
    queue.reset();
    EXPECT_EQ(token.use_count(), 1);
}

TEST(workqueue_death, a_fault_in_a_message_does_not_name_the_task_that_ran_before) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            set_fault_hook([](const fault_report& report) noexcept {
                std::fprintf(stderr, "chain is %s", *report.await_chain ? "there" : "empty");
            });
            bare_workqueue queue;
            auto work = []() -> task<void> { co_await yield(); };
            auto scope = std::make_unique<counting_scope>(queue);
            scope->spawn(work(), "ran before");
            queue.post_message([&] {
                scope.reset();
                CO_WQ_ASSERT(!queue.ready() && queue.ready(), "on purpose");
            });
            queue.run_ready();
        },
        says("on purpose", "chain is empty"));
}

}  // namespace
