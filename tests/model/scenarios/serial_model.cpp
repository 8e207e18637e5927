// callback_wq: posters, drains that move from thread to thread, handles, and an executor that dies.
#include "engine/model.hpp"
#include "task/callback_wq.hpp"

namespace {

using namespace co_wq;

// An executor of several threads without a lock that would order more than execute must: each thread has an inbox, and
// which one gets a node is tried in every way.
template <unsigned threads>
class runners final : public executor {
public:
    void execute(worknode& node) noexcept override { give(node, model::choose(threads)); }
    const char* name() const noexcept override { return "runners"; }

    // From the last callback: every thread ends when it comes to its end node.
    void end() noexcept {
        for (unsigned i = 0; i < threads; ++i) give(ends_[i], i);
    }
    // Until the end node; then nothing is left. false: what comes up is dropped, as by a queue that dies.
    void run(unsigned index, bool alive = true) noexcept {
        for (bool ended = false; !ended;) {
            worknode* list = sides_[index].box.take_all();
            if (!list && sides_[index].box.try_sleep()) sides_[index].bell.wait();
            while (list) {
                worknode& node = inbox::pop(list);
                if (&node == &ends_[index]) {
                    ended = true;
                } else if (alive) {
                    node.run();
                } else {
                    detail::discard(node);
                }
            }
        }
    }
    void give(worknode& node, unsigned to) noexcept {
        if (sides_[to].box.push(node)) sides_[to].bell.ring();
    }
    worknode& end_node(unsigned index) noexcept { return ends_[index]; }

private:
    struct side {
        inbox box;
        model::doorbell bell;
    };
    struct end_mark : worknode {
        end_mark() noexcept : worknode([](worknode&) noexcept {}) {}
    };
    side sides_[threads];
    end_mark ends_[threads];
};

// Each thread posts, drops its handle, and then runs what the executor gives it.
template <unsigned threads, unsigned each>
class serial_posts : public model::scenario {
public:
    void begin() override {
        shared_ = new shared;
        callback_wq first(shared_->pool, "strand");
        for (callback_wq*& one : shared_->handles) one = new callback_wq(first);
    }
    void thread(unsigned index) override {
        for (unsigned i = 0; i < each; ++i) {
            shared_->handles[index]->post([this, index, i] {
                model::require(!std::exchange(shared_->inside, true), "two callbacks run at once");
                model::require(shared_->seen[index]++ == i, "out of order, lost or twice");
                shared_->inside = false;
                if (++shared_->ran == threads * each) shared_->pool.end();
            });
        }
        delete shared_->handles[index];
        shared_->pool.run(index);
    }
    void end() override {
        model::require(shared_->ran == threads * each, "a callback did not run");
        delete shared_;
    }

private:
    struct shared {
        runners<threads> pool;
        callback_wq* handles[threads];
        bool inside = false;
        unsigned seen[threads] = {};
        unsigned ran = 0;
    };
    shared* shared_ = nullptr;
};

// More callbacks than one drain runs: it goes to the end of its executor's queue, on whichever thread.
class serial_long : public model::scenario {
public:
    void begin() override {
        shared_ = new shared;
        shared_->handle = new callback_wq(shared_->pool, "strand");
        // all but one are there before the drain starts
        for (unsigned i = 0; i + 1 < count; ++i) post(i);
    }
    void thread(unsigned index) override {
        if (index == 0) {
            post(count - 1);
            delete shared_->handle;
        }
        shared_->pool.run(index);
    }
    void end() override {
        model::require(shared_->ran == count, "a callback did not run");
        delete shared_;
    }

private:
    static constexpr unsigned count = 66;  // a drain runs 64
    struct shared {
        runners<2> pool;
        callback_wq* handle;
        unsigned ran = 0;
    };
    void post(unsigned number) {
        shared_->handle->post([this, number] {
            model::require(shared_->ran++ == number, "out of order, lost or twice");
            if (shared_->ran == count) shared_->pool.end();
        });
    }
    shared* shared_ = nullptr;
};

// Thread 1 is the executor, and dies: what it holds is dropped, what is posted later never runs; all is freed by
// whoever holds the last reference.
class serial_executor_dies : public model::scenario {
public:
    void begin() override {
        shared_ = new shared;
        shared_->handle = new callback_wq(shared_->pool, "strand");
    }
    void thread(unsigned index) override {
        if (index == 1) return shared_->pool.run(0, false);
        for (unsigned i = 0; i < 2; ++i) shared_->handle->post([] { model::fail("ran on a dead executor"); });
        shared_->pool.give(shared_->pool.end_node(0), 0);
        delete shared_->handle;
    }
    void end() override { delete shared_; }

private:
    struct shared {
        runners<1> pool;
        callback_wq* handle;
    };
    shared* shared_ = nullptr;
};

// One callback posts another from inside, handles come and go meanwhile.
class serial_handles : public model::scenario {
public:
    void begin() override {
        shared_ = new shared;
        shared_->handle = new callback_wq(shared_->pool, "strand");
    }
    void thread(unsigned index) override {
        if (index == 0) {
            auto* mine = new callback_wq(*shared_->handle);
            mine->post([this, inner = callback_wq(*mine)] {
                model::require(inner.running_here(), "not inside");
                inner.post([this] { shared_->pool.end(); });
            });
            delete mine;
        } else {
            model::require(shared_->handle->references() >= 1, "no reference though a handle is here");
            model::require(!shared_->handle->running_here(), "inside, though not in a callback");
        }
        shared_->pool.run(index);
    }
    void end() override {
        model::require(shared_->handle->references() == 1, "references are left over");
        delete shared_->handle;
        delete shared_;
    }

private:
    struct shared {
        runners<2> pool;
        callback_wq* handle;
    };
    shared* shared_ = nullptr;
};

const model::registered<serial_posts<2, 1>> posts_2x1(
    "serial_2x1", "two threads post one callback each and run the drains: in order, one at a time, all freed", 2);
const model::registered<serial_posts<2, 2>> posts_2x2("serial_2x2", "the same with two callbacks each", 2);
const model::registered<serial_posts<3, 1>> posts_3x1("serial_3x1", "the same with three threads", 3);
const model::registered<serial_long> long_queue(
    "serial_long", "66 callbacks: a drain that has done its batch goes on later, maybe on another thread", 2);
const model::registered<serial_executor_dies> dies(
    "serial_executor_dies", "the executor dies with the drain scheduled: nothing runs, all is freed", 2);
const model::registered<serial_handles> handles("serial_handles",
                                                "a callback posts another; handles are copied and dropped meanwhile",
                                                2);

}  // namespace
