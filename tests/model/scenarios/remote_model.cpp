// Work on another thread whose result comes back: run_on, callback_wq::run, callback operations.
#include <atomic>

#include "scenarios/loop.hpp"
#include "task/callback_wq.hpp"
#include "task/run_on.hpp"

namespace {

using namespace co_wq;

enum class ending { waits, cancels, destroys, cancels_then_destroys };

task<int> answers(int question) { co_return question + 1; }

task<void> asks(workqueue& there, int& answer) { answer = co_await run_on(there, answers(41)); }

// Thread 0 has the waiter, thread 1 the loop that does the work.
template <ending how>
class run_on_model : public model::scenario {
public:
    void begin() override {
        here_.belongs_to(0);
        there_.belongs_to(1);
        shared_ = new shared(here_);
    }
    void thread(unsigned index) override {
        if (index == 1) return there_.run_until([&] { return shared_->ended; });
        counting_scope& scope = shared_->scope;
        scope.spawn(asks(there_, shared_->answer), "asks");
        here_.run_once();
        if (how == ending::cancels || how == ending::cancels_then_destroys) scope.request_stop(errc::stopped);
        if (how == ending::destroys || how == ending::cancels_then_destroys) scope.destroy_all();
        here_.run_until([&] { return scope.empty() && here_.slots().live() == 0; });
        there_.execute(shared_->end);
    }
    void end() override {
        if (how == ending::waits || how == ending::cancels) model::require(shared_->answer == 42, "no result");
        model::act_as(0);
        delete shared_;
        model::act_as(model::outside);
        here_.require_quiet();
        there_.require_quiet();
    }

private:
    struct shared {
        explicit shared(workqueue& home) : scope(home), end(*this) {}
        counting_scope scope;
        int answer = 0;
        bool ended = false;
        struct end_mark : worknode {
            explicit end_mark(shared& all) noexcept
                : worknode([](worknode& self) noexcept { static_cast<end_mark&>(self).owner.ended = true; }),
                  owner(all) {}
            shared& owner;
        } end;
    };
    model::loop here_{"here"};
    model::loop there_{"there"};
    shared* shared_ = nullptr;
};

// The work is a callable in a callback_wq over thread 1's loop.
template <ending how>
class serial_run_model : public model::scenario {
public:
    void begin() override {
        here_.belongs_to(0);
        there_.belongs_to(1);
        shared_ = new shared(here_, there_);
    }
    void thread(unsigned index) override {
        if (index == 1) return there_.run_until([&] { return shared_->ended; });
        counting_scope& scope = shared_->scope;
        scope.spawn(calls(shared_->strand, shared_->calls, shared_->answer), "calls");
        here_.run_once();
        if (how == ending::destroys) scope.destroy_all();
        here_.run_until([&] { return scope.empty() && here_.slots().live() == 0; });
        shared_->strand.post([this] { shared_->ended = true; });
    }
    void end() override {
        if (how != ending::destroys) model::require(shared_->answer == 7 && shared_->calls == 1, "no result");
        model::require(shared_->calls <= 1, "called twice");
        model::act_as(0);
        delete shared_;
        model::act_as(model::outside);
        here_.require_quiet();
        there_.require_quiet();
    }

private:
    struct shared {
        shared(workqueue& home, workqueue& away) : scope(home), strand(away, "away") {}
        counting_scope scope;
        callback_wq strand;
        int calls = 0;
        int answer = 0;
        bool ended = false;
    };
    static task<void> calls(callback_wq strand, int& count, int& answer) {
        auto call = [&count] {
            ++count;
            return 7;
        };
        answer = co_await strand.run(call);
    }
    model::loop here_{"here"};
    model::loop there_{"there"};
    shared* shared_ = nullptr;
};

// A library's callback on thread 0 completes an operation of thread 1's task, or finds that task gone.
template <ending how>
class completion_model : public model::scenario {
public:
    void begin() override {
        loop_.belongs_to(1);
        shared_ = new shared(loop_);
    }
    void thread(unsigned index) override {
        if (index == 0) {
            completion* token = nullptr;
            while (!(token = shared_->token.load(std::memory_order_acquire))) detail::spin_pause(1);
            shared_->message = 1;
            shared_->strand.post(std::move(*token), 5);
            shared_->strand.post([this] { shared_->ended = true; });
            return;
        }
        shared_->scope.spawn(waits(*shared_), "waits");
        loop_.run_once();
        if (how == ending::destroys) shared_->scope.destroy_all();
        loop_.run_until([&] { return shared_->ended; });
    }
    void end() override {
        if (how == ending::waits) model::require(shared_->result == 5, "no result");
        model::act_as(1);
        delete shared_->token.load();
        delete shared_;
        model::act_as(model::outside);
        loop_.require_quiet();
    }

private:
    struct shared {
        explicit shared(workqueue& queue) : scope(queue), strand(queue, "library") {}
        counting_scope scope;
        callback_wq strand;
        std::atomic<completion*> token = nullptr;
        int message = 0;
        int result = 0;
        bool ended = false;
    };
    static task<void> waits(shared& our) {
        auto start = [&our](completion done) {
            our.token.store(new completion(std::move(done)), std::memory_order_release);  // the library has it
        };
        our.result = co_await await_completion("library call", start);
        model::require(our.message == 1, "resumed without what the library did before");
    }
    model::loop loop_{"owner"};
    shared* shared_ = nullptr;
};

// A task of thread 1 goes on inside a callback_wq that thread 0 posts to.
template <ending how>
class schedule_model : public model::scenario {
public:
    void begin() override {
        loop_.belongs_to(1);
        shared_ = new shared(loop_);
    }
    void thread(unsigned index) override {
        if (index == 0) {
            shared_->strand.post([this] { ++shared_->inside; });
            shared_->strand.post([this] { shared_->ended = true; });
            return;
        }
        shared_->scope.spawn(enters(*shared_), "enters");
        loop_.run_once();
        if (how == ending::destroys) shared_->scope.destroy_all();
        loop_.run_until([&] { return shared_->ended && (how == ending::destroys || shared_->scope.empty()); });
        loop_.run_once();
    }
    void end() override {
        if (how == ending::waits) model::require(shared_->inside == 2, "did not get inside once");
        model::act_as(1);
        delete shared_;
        model::act_as(model::outside);
        loop_.require_quiet();
    }

private:
    struct shared {
        explicit shared(workqueue& queue) : scope(queue), strand(queue, "strand") {}
        counting_scope scope;
        callback_wq strand;
        int inside = 0;
        bool ended = false;
    };
    static task<void> enters(shared& our) {
        co_await our.strand.schedule();
        model::require(our.strand.running_here(), "not inside");
        ++our.inside;
    }
    model::loop loop_{"owner"};
    shared* shared_ = nullptr;
};

const model::registered<schedule_model<ending::waits>> schedule_waits(
    "completion_schedule", "a task goes on inside a callback_wq that another thread posts to", 2);
const model::registered<schedule_model<ending::destroys>> schedule_destroys("completion_schedule_destroy",
                                                                            "the task dies while it waits for its turn",
                                                                            2);
const model::registered<run_on_model<ending::waits>> run_waits("remote_run_on", "the result comes back, once", 2);
const model::registered<run_on_model<ending::cancels>> run_cancels(
    "remote_run_on_cancel", "a cancel message against the task's end; the result comes all the same", 2);
const model::registered<run_on_model<ending::destroys>> run_destroys(
    "remote_run_on_destroy", "the waiter's frame dies: the task ends by itself, the record is freed by the last", 2);
const model::registered<run_on_model<ending::cancels_then_destroys>> run_cancels_destroys(
    "remote_run_on_cancel_destroy", "cancelled, and destroyed at once: one cancel message", 2);
const model::registered<serial_run_model<ending::waits>> call_waits("remote_call", "a call in a callback_wq", 2);
const model::registered<serial_run_model<ending::destroys>> call_destroys(
    "remote_call_destroy", "the waiter's frame dies before, during or after the call", 2);
const model::registered<completion_model<ending::waits>> done_waits("completion", "a posted result arrives", 2);
const model::registered<completion_model<ending::destroys>> done_destroys("completion_destroy",
                                                                          "a result posted for a frame that dies", 2);

}  // namespace
