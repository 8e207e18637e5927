// Rows of what other threads and libraries complete.
#include <atomic>
#include <optional>

#include "base/this_thread.hpp"
#include "rows.hpp"
#include "sync/event.hpp"
#include "task/callback_wq.hpp"
#include "task/run_on.hpp"
#include "task/sync_wait.hpp"
#include "task/thread_pool.hpp"

namespace co_wq::contract {
namespace {

// Lets threads through once it is open; the semaphores of libstdc++ lose wake-ups where there is no futex.
class door {
public:
    void open() noexcept {
        open_.store(1, std::memory_order_release);
        detail::wake_all(open_);
    }
    void pass() const noexcept { detail::wait_while(open_, 0u); }

private:
    std::atomic<unsigned> open_{0};
};

constexpr const char* not_closed = "it is destroyed, not closed";

consteval plan uncancelled_plan(expectation value, expectation failure, expectation destroyed) {
    return {.complete = value,
            .ready = value,
            .error = failure,
            .cancel = outlasts(value.text()),
            .completing = value,
            .timeout = outlasts(value.text()),
            .owner_closed = none(not_closed),
            .owner_destroyed = destroyed,
            .frame_destroyed = gone(),
            .scope_cancelled = outlasts(value.text()),
            .runtime_stopping = outlasts(value.text()),
            .runtime_destroyed = gone()};
}

// ---- completion

class completing_token : public subject {
public:
    explicit completing_token(const setting& where) : subject(where), strand_(where.loop, "strand") {}
    ~completing_token() override { post_all(7); }
    task<std::string> wait() override {
        auto start = [this](completion done) {
            tokens_.push_back(std::move(done));
            if (at == cell::ready) post_all(7);
        };
        const std::int32_t got = co_await await_completion("operation", start);
        co_return "ok " + std::to_string(got);
    }
    task<void> complete() override {
        post_all(7);
        co_return;
    }
    task<void> fail() override {
        post_all(-5);
        co_return;
    }
    void destroy_owner() override { tokens_.clear(); }
    bool keeps() const override { return false; }

private:
    void post_all(std::int32_t result) {
        for (completion& one : tokens_) strand_.post(std::move(one), result);
        tokens_.clear();
    }
    callback_wq strand_;
    std::vector<completion> tokens_;
};

// ---- callback_wq

class scheduling : public subject {
public:
    explicit scheduling(const setting& where) : subject(where), strand_(std::in_place, where.loop, "strand") {}
    task<std::string> wait() override {
        co_await strand_->schedule();
        co_return !strand_ || strand_->running_here() ? "ok" : "outside of the queue";
    }
    task<void> complete() override { co_return; }
    void destroy_owner() override { strand_.reset(); }
    bool holds() const override { return false; }
    int turns_to_wait() const override { return 1; }

private:
    std::optional<callback_wq> strand_;
};

// A call that another thread makes, and that stays in it until it is let go.
class calling : public subject {
public:
    using subject::subject;
    ~calling() override { gate_->open(); }
    task<void> set_up() override {
        if (at == cell::ready) gate_->open();
        co_return;
    }
    task<void> complete() override {
        gate_->open();
        co_return;
    }
    task<void> fail() override {
        gate_->fails = true;
        gate_->open();
        co_return;
    }

protected:
    struct gate {
        door way;
        std::atomic<bool> fails{false};
        void open() { way.open(); }
        int pass() {
            way.pass();
            if (fails) throw std::runtime_error("boom");
            return 7;
        }
    };
    std::shared_ptr<gate> gate_ = std::make_shared<gate>();
};

class pool_call : public calling {
public:
    using calling::calling;
    ~pool_call() override { gate_->open(); }
    task<std::string> wait() override {
        auto call = [way = gate_] { return way->pass(); };
        const int got = co_await pool_->run(std::move(call));
        co_return "ok " + std::to_string(got);
    }
    void destroy_owner() override {
        gate_->open();
        pool_.reset();
    }

private:
    std::optional<thread_pool> pool_{std::in_place, 2u};
};

class strand_call : public calling {
public:
    using calling::calling;
    ~strand_call() override { gate_->open(); }
    task<std::string> wait() override {
        auto call = [way = gate_] { return way->pass(); };
        const int got = co_await strand_->run(std::move(call));
        co_return "ok " + std::to_string(got);
    }
    void destroy_owner() override {
        strand_.reset();  // what was posted is still run
        gate_->open();
    }

private:
    thread_pool pool_{2};
    std::optional<callback_wq> strand_{std::in_place, pool_, "strand"};
};

// ---- run_on

// A queue that a thread runs until the tasks on it have ended.
class other_thread {
public:
    other_thread()
        : thread_([this] {
              queue.adopt();
              adopted_.open();
              queue.run_until([this] { return ending_ && tasks == 0; });
          }) {
        adopted_.pass();  // posting from here is posting from another thread
    }
    other_thread(const other_thread&) = delete;
    ~other_thread() {
        ending_ = true;
        queue.post_message([] {});
        thread_.join();
        queue.adopt();
    }
    bare_workqueue queue{"there"};
    std::atomic<int> tasks{0};

private:
    std::atomic<bool> ending_{false};
    door adopted_;
    std::thread thread_;
};

class on_other_queue : public subject {
public:
    explicit on_other_queue(const setting& where) : subject(where) {
        if (where.at == cell::ready) shared_->go.set();
        if (where.at == cell::owner_destroyed) {
            idle_.emplace("idle");
        } else {
            there_.emplace();
        }
    }
    ~on_other_queue() override { shared_->go.set(); }
    task<std::string> wait() override {
        workqueue& queue = idle_ ? static_cast<workqueue&>(*idle_) : there_->queue;
        std::atomic<int>* const tasks = there_ ? &there_->tasks : nullptr;
        std::string got = co_await run_on(queue, far(shared_, tasks));
        co_return got;
    }
    task<void> complete() override {
        shared_->go.set();
        co_return;
    }
    task<void> fail() override {
        shared_->fails = true;
        shared_->go.set();
        co_return;
    }
    void destroy_owner() override { idle_.reset(); }

private:
    struct state {
        event go;
        std::atomic<bool> fails{false};
    };
    struct counted {
        explicit counted(std::atomic<int>* of) : number(of) {
            if (number) ++*number;
        }
        counted(const counted&) = delete;
        ~counted() {
            if (number) --*number;
        }
        std::atomic<int>* number;
    };
    static task<std::string> far(std::shared_ptr<state> with, std::atomic<int>* tasks) {
        const counted alive(tasks);
        const result<void> came = co_await with->go.wait();
        if (with->fails) throw std::runtime_error("boom");
        co_return text_of(came);
    }

    std::shared_ptr<state> shared_ = std::make_shared<state>();
    std::optional<other_thread> there_;
    std::optional<bare_workqueue> idle_;
};

constexpr plan run_on_plan{.complete = ends("ok"),
                           .ready = ends("ok"),
                           .error = ends("threw boom"),
                           .cancel = stopped,
                           .completing = ends("ok|stopped"),
                           .timeout = timed_out,
                           .owner_closed = none(not_closed),
                           .owner_destroyed = ends("threw the queue was destroyed before it ran the work"),
                           .frame_destroyed = gone(),
                           .scope_cancelled = stopped,
                           .runtime_stopping = stopped,
                           .runtime_destroyed = gone()};

}  // namespace

std::vector<variant> completion_awaiter_rows() {
    return {{"await_completion", &make<completing_token>,
             uncancelled_plan(ends("ok 7"), ends("ok -5"), faults("a started operation must be completed"))}};
}
std::vector<variant> schedule_awaiter_rows() {
    return {{"callback_wq schedule", &make<scheduling>,
             uncancelled_plan(ends("ok"), none("getting a turn cannot fail"), ends("ok"))}};
}
std::vector<variant> callback_wq_rows() {
    return {{"callback_wq run", &make<strand_call>, uncancelled_plan(ends("ok 7"), ends("threw boom"), ends("ok 7"))}};
}
std::vector<variant> thread_pool_rows() {
    return {{"thread_pool run", &make<pool_call>, uncancelled_plan(ends("ok 7"), ends("threw boom"), ends("ok 7"))}};
}
std::vector<variant> run_on_awaiter_rows() { return {{"run_on", &make<on_other_queue>, run_on_plan}}; }

}  // namespace co_wq::contract
