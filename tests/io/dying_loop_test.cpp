// A loop dies while tasks of other loops run on it.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/this_thread.hpp"
#include "io/event_loop.hpp"
#include "sync/event.hpp"
#include "task/run_on.hpp"

namespace co_wq::io::test {
namespace {

struct counted_frame {
    explicit counted_frame(std::atomic<int>& where) noexcept : living(where) { ++living; }
    counted_frame(const counted_frame&) = delete;
    counted_frame& operator=(const counted_frame&) = delete;
    ~counted_frame() { --living; }
    std::atomic<int>& living;
};

task<void> begin_and_stay(event& begun, std::atomic<int>& frames) {
    const counted_frame here(frames);
    begun.set();
    static event never;
    (void)co_await never.wait();
}

task<void> wait_for(event& begun) { (void)co_await begun.wait(); }

task<bool> ask(workqueue& other, event& begun, std::atomic<int>& frames) {
    try {
        co_await run_on(other, begin_and_stay(begun, frames));
    } catch (const queue_gone&) {
        co_return true;
    }
    co_return false;
}

TEST(dying_loop, a_task_that_has_begun_there_ends_with_its_loop_and_its_waiter_learns_it) {
    event begun;
    std::atomic<int> frames = 0;
    std::atomic<event_loop*> other = nullptr;
    std::thread thread([&] {
        event_loop dying({.name = "dying"});
        other = &dying;
        co_wq::detail::wake_all(other);
        dying.run(wait_for(begun));
    });
    co_wq::detail::wait_while<event_loop*>(other, nullptr);
    event_loop loop({.name = "home"});
    EXPECT_TRUE(loop.run(ask(*other, begun, frames)));
    thread.join();
    EXPECT_EQ(frames, 0);
    EXPECT_EQ(loop.slots().counters().in_flight(), 0u);
}

// Nobody waits any more: the task still ends with its loop, and its record is freed.
TEST(dying_loop, a_task_whose_waiter_is_gone_ends_with_its_loop_too) {
    event begun;
    std::atomic<int> frames = 0;
    std::atomic<event_loop*> other = nullptr;
    std::thread thread([&] {
        event_loop dying({.name = "dying"});
        other = &dying;
        co_wq::detail::wake_all(other);
        dying.run(wait_for(begun));
    });
    co_wq::detail::wait_while<event_loop*>(other, nullptr);
    {
        event_loop loop({.name = "home"});
        counting_scope scope(loop);
        scope.spawn(ask(*other, begun, frames));
        loop.run_ready();
        scope.destroy_all();
    }
    begun.set();
    thread.join();
    EXPECT_EQ(frames, 0);
}

// The message that begins the task is there, the loop never took another turn: the task must not wait on it now, which
// would keep the loop from ending until it gives up and leaks its memory.
TEST(dying_loop, a_task_that_only_just_arrived_ends_with_its_loop) {
    event begun;
    std::atomic<int> frames = 0;
    std::atomic<event_loop*> other = nullptr;
    std::atomic<bool> sent = false;
    std::thread thread([&] {
        event_loop dying({.name = "dying", .shutdown_limit = std::chrono::seconds(30)});
        other = &dying;
        co_wq::detail::wake_all(other);
        co_wq::detail::wait_while(sent, false);
    });
    co_wq::detail::wait_while<event_loop*>(other, nullptr);
    event_loop loop({.name = "home"});
    bool gone = false;
    const time_point began = loop.now();
    auto note = [](workqueue& there, event& begins, std::atomic<int>& living, bool& out) -> task<void> {
        out = co_await ask(there, begins, living);
    };
    loop.spawn(note(*other, begun, frames, gone));
    loop.run_ready();
    sent = true;
    co_wq::detail::wake_all(sent);
    loop.run_until([&] { return gone; });
    thread.join();
    EXPECT_EQ(frames, 0);
    EXPECT_LT(loop.now() - began, std::chrono::seconds(30));
}

}  // namespace
}  // namespace co_wq::io::test
