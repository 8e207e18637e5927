#include "task/completion.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "rounds.hpp"
#include "support/says.hpp"
#include "task/callback_wq.hpp"
#include "task/op_waiter.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"
#include "task/yield.hpp"

namespace {

using namespace co_wq;
using test::says;

// A library with a thread of its own that calls back, later.
class callback_library {
public:
    using callback = std::function<void(int)>;
    callback_library() : thread_([this] { run(); }) {}
    ~callback_library() {
        ended_ = true;
        thread_.join();
    }
    void submit(int value, callback done) {
        const std::scoped_lock guard(lock_);
        queue_.emplace_back(value, std::move(done));
    }

private:
    void run() {
        for (;;) {
            std::vector<std::pair<int, callback>> batch;
            {
                const std::scoped_lock guard(lock_);
                batch.swap(queue_);
            }
            if (batch.empty() && ended_) return;
            for (auto& [value, done] : batch) done(value * 2);
            if (batch.empty()) std::this_thread::yield();
        }
    }
    std::mutex lock_;
    std::vector<std::pair<int, callback>> queue_;
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};

task<int> doubled(callback_library& library, callback_wq strand, int value) {
    co_return co_await await_completion("doubling", [&](completion done) {
        // std::function wants something copyable
        auto shared = std::make_shared<completion>(std::move(done));
        library.submit(value, [strand, shared](int result) { strand.post(std::move(*shared), result); });
    });
}

TEST(completion, a_callback_on_another_thread_resumes_the_coroutine_with_its_result) {
    bare_workqueue queue;
    callback_library library;
    callback_wq strand(queue, "library");
    for (int i = 0; i < 100; ++i) EXPECT_EQ(sync_wait(queue, doubled(library, strand, i)), 2 * i);
}

TEST(completion, races_the_destruction_of_its_frame) {
    int got = 0;
    race_window window(rounds(100'000));
    {
        bare_workqueue queue;
        callback_library library;
        callback_wq strand(queue, "library");
        auto one = [](callback_library& with, callback_wq in, int& count) -> task<void> {
            const int result = co_await doubled(with, in, 4);
            EXPECT_EQ(result, 8);
            ++count;
        };
        while (window.next()) {
            counting_scope scope(queue);
            scope.spawn(one(library, strand, got), "one");
            for (int step = 0; step <= window.steps(); ++step) queue.run_ready();
            window.note(!scope.empty());
        }
    }
    std::printf("  %d of %d results reached their frame\n", got, window.done());
}

// Waits on a slot; the test completes it.
class slot_awaiter : public op_waiter {
public:
    explicit slot_awaiter(op_slot*& out) noexcept
        : op_waiter(ops, [](cancel_node&, errc, list&) noexcept {}), out_(out) {}
    ~slot_awaiter() {
        if (slot_) slot_->slab().abandon(*slot_);
    }
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        promise_base& frame = waiting.promise();
        enter(frame);
        op_slab& slab = frame.env().queue->slots();
        slot_ = out_ = &slab.fill(op_kind::remote, this);
        slab.arm(*slot_);
    }
    std::int32_t await_resume() noexcept {
        exit();
        return result_;
    }

private:
    static constexpr awaiter_ops ops{"slot"};
    op_slot*& out_;
};

task<void> waits_on_slot(op_slot*& slot, int& result) { result = co_await slot_awaiter(slot); }

TEST(completion, of_an_armed_slot_fires_it_inside_the_queue) {
    bare_workqueue queue;
    callback_wq strand(queue, "slots");
    op_slot* slot = nullptr;
    int result = 0;
    bool inside = false;
    counting_scope scope(queue);
    auto waits = [](op_slot*& out, int& value, bool& flag, callback_wq in) -> task<void> {
        value = co_await slot_awaiter(out);
        flag = in.running_here();
    };
    scope.spawn(waits(slot, result, inside, strand), "waits");
    queue.run_ready();
    strand.post(completion::of(*slot), 42);
    EXPECT_EQ(result, 0);
    queue.run_ready();
    EXPECT_EQ(result, 42);
    EXPECT_TRUE(inside);
    EXPECT_EQ(queue.slots().counters().fired, 1u);
}

TEST(completion, of_a_slot_whose_waiter_dies_while_it_is_queued_is_dropped_and_counted) {
    bare_workqueue queue;
    callback_wq strand(queue, "slots");
    op_slot* slot = nullptr;
    int result = 0;
    {
        counting_scope scope(queue);
        scope.spawn(waits_on_slot(slot, result), "waits");
        queue.run_ready();
        strand.post(completion::of(*slot), 42);
    }
    queue.run_ready();
    EXPECT_EQ(result, 0);
    EXPECT_EQ(queue.slots().live(), 0u);
    EXPECT_EQ(queue.slots().counters().dropped, 1u);
    EXPECT_EQ(queue.slots().counters().late, 1u);
}

TEST(completion, of_a_slot_whose_waiter_died_before_is_dropped_too) {
    bare_workqueue queue;
    callback_wq strand(queue, "slots");
    op_slot* slot = nullptr;
    int result = 0;
    {
        counting_scope scope(queue);
        scope.spawn(waits_on_slot(slot, result), "waits");
        queue.run_ready();
    }
    EXPECT_EQ(slot->state(), op_state::orphaned);
    strand.post(completion::of(*slot), 42);
    queue.run_ready();
    EXPECT_EQ(queue.slots().live(), 0u);
}

TEST(resume_hook, resumes_nothing_after_a_move_or_a_second_fire) {
    int resumed = 0;
    struct coroutine {
        struct promise_type {
            coroutine get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
            std::suspend_always initial_suspend() noexcept { return {}; }
            std::suspend_always final_suspend() noexcept { return {}; }
            void return_void() {}
            void unhandled_exception() {}
        };
        std::coroutine_handle<promise_type> handle;
    };
    auto body = [](int& count) -> coroutine {
        for (;;) {
            ++count;
            co_await std::suspend_always{};
        }
    };
    coroutine made = body(resumed);
    resume_hook first(made.handle);
    resume_hook second(std::move(first));
    std::move(first).fire();
    EXPECT_EQ(resumed, 0);
    std::move(second).fire();
    EXPECT_EQ(resumed, 1);
    std::move(second).fire();
    EXPECT_EQ(resumed, 1);
    made.handle.destroy();
}

class completion_death : public testing::Test {
protected:
    completion_death() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(completion_death, a_token_dropped_unposted_is_reported) {
    EXPECT_DEATH(
        {
            bare_workqueue queue("main loop");
            auto loses = []() -> task<void> { co_await await_completion("usb transfer", [](completion) {}); };
            sync_wait(queue, loses());
        },
        says("must be completed", "operation: usb transfer (generation ", ")", "queue: main loop", "await chain"));
}

TEST_F(completion_death, a_second_post_is_reported) {
    EXPECT_DEATH(
        {
            bare_workqueue queue("main loop");
            callback_wq strand(queue, "device");
            auto twice = [](callback_wq in) -> task<void> {
                auto start = [in](completion done) {
                    in.post(std::move(done));
                    in.post(std::move(done));
                };
                co_await await_completion("usb transfer", start);
            };
            sync_wait(queue, twice(strand));
        },
        says("completed once", "operation: usb transfer", "queue: device (", " references)"));
}

TEST_F(completion_death, a_foreign_queue_is_reported_as_wrong_context) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            bare_workqueue other;
            callback_wq strand(other, "foreign");
            auto wrong = [](callback_wq in) -> task<void> {
                auto start = [in](completion done) { in.post(std::move(done)); };
                co_await await_completion("usb transfer", start);
            };
            sync_wait(queue, wrong(strand));
        },
        says("does not belong to", "operation: usb transfer", "queue: foreign"));
}

TEST_F(completion_death, a_token_of_a_slot_that_is_not_armed_is_reported) {
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            op_slot& slot = queue.slots().fill(op_kind::remote, nullptr);
            (void)completion::of(slot);
        },
        says("made from an armed operation", "operation: filled"));
    EXPECT_DEATH(
        {
            bare_workqueue queue;
            op_slot& slot = queue.slots().fill(op_kind::recv, nullptr);
            queue.slots().arm(slot);
            (void)completion::of(slot);
        },
        "the reactor completes");
}

}  // namespace
