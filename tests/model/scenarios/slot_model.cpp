// Slots across threads: what another thread signals against the owner that cancels, destroys, goes on.
#include "scenarios/loop.hpp"
#include "sync/event.hpp"
#include "sync/mutex.hpp"
#include "sync/semaphore.hpp"

namespace {

using namespace co_wq;

enum class ending { waits, cancels, destroys };

task<void> awaits_event(event& on, const int& message, int& resumed, bool& released) {
    const auto outcome = co_await on.wait();
    ++resumed;
    released = outcome.has_value();
    if (released) model::require(message == 1, "released without what the setter did before");
}

// Thread 0 sets the event, thread 1 owns the task that waits.
template <ending how>
class event_against_owner : public model::scenario {
public:
    void begin() override {
        loop_.belongs_to(1);
        shared_ = new shared(loop_);
    }
    void thread(unsigned index) override {
        shared& our = *shared_;
        if (index == 0) {
            our.message = 1;
            our.fired.set();
            return;
        }
        our.scope.spawn(awaits_event(our.fired, our.message, our.resumed, our.released), "waiter");
        loop_.run_once();
        if (how == ending::cancels) our.scope.request_stop(errc::stopped);
        if (how == ending::destroys) our.scope.destroy_all();
        loop_.run_until([&] { return our.scope.empty() && loop_.slots().live() == 0; });
    }
    void end() override {
        model::require(shared_->fired.is_set(), "not set");
        if (how != ending::destroys) model::require(shared_->resumed == 1, "not resumed exactly once");
        if (how == ending::waits) model::require(shared_->released, "not released");
        model::act_as(1);
        delete shared_;
        model::act_as(model::outside);
        loop_.require_quiet();
    }

private:
    struct shared {
        explicit shared(workqueue& queue) : scope(queue) {}
        event fired;
        int message = 0;
        int resumed = 0;
        bool released = false;
        counting_scope scope;
    };
    model::loop loop_{"owner"};
    shared* shared_ = nullptr;
};

// Thread 0 sets the event; a task of each other thread waits, and the last one's owner ends it meanwhile.
template <ending how>
class event_of_two_loops : public model::scenario {
public:
    void begin() override {
        shared_ = new shared;
        for (unsigned i = 0; i < 2; ++i) {
            loops_[i].belongs_to(i + 1);
            shared_->scopes[i] = new counting_scope(loops_[i]);
        }
    }
    void thread(unsigned index) override {
        shared& our = *shared_;
        if (index == 0) {
            our.message = 1;
            our.fired.set();
            return;
        }
        const unsigned mine = index - 1;
        our.scopes[mine]->spawn(awaits_event(our.fired, our.message, our.resumed[mine], our.released[mine]), "waiter");
        loops_[mine].run_once();
        if (mine == 1 && how == ending::cancels) our.scopes[mine]->request_stop(errc::stopped);
        if (mine == 1 && how == ending::destroys) our.scopes[mine]->destroy_all();
        loops_[mine].run_until([&] { return our.scopes[mine]->empty() && loops_[mine].slots().live() == 0; });
    }
    void end() override {
        model::require(shared_->resumed[0] == 1 && shared_->released[0], "not released exactly once");
        for (unsigned i = 0; i < 2; ++i) {
            model::act_as(i + 1);
            delete shared_->scopes[i];
            model::act_as(model::outside);
            loops_[i].require_quiet();
        }
        delete shared_;
    }

private:
    struct shared {
        event fired;
        int message = 0;
        int resumed[2] = {};
        bool released[2] = {};
        counting_scope* scopes[2] = {};
    };
    model::loop loops_[2] = {model::loop("first"), model::loop("second")};
    shared* shared_ = nullptr;
};

task<void> acquires(semaphore& from, int& holders, const int& message) {
    const auto permit = co_await from.acquire();
    if (!permit) co_return;
    model::require(message == 1, "a permit without what the releaser did before");
    ++holders;
}

// Thread 0 gives a permit while the owner's task waits for it, is cancelled or destroyed: it is never lost.
template <ending how>
class permit_against_owner : public model::scenario {
public:
    void begin() override {
        loop_.belongs_to(1);
        shared_ = new shared(loop_);
    }
    void thread(unsigned index) override {
        shared& our = *shared_;
        if (index == 0) {
            our.message = 1;
            our.permits.release();
            return;
        }
        our.scope.spawn(acquires(our.permits, our.holders, our.message), "waiter");
        loop_.run_once();
        if (how == ending::cancels) our.scope.request_stop(errc::stopped);
        if (how == ending::destroys) our.scope.destroy_all();
        loop_.run_until([&] { return our.scope.empty() && loop_.slots().live() == 0; });
        if (our.holders == 0 && our.permits.try_acquire()) {
            model::require(our.message == 1, "a permit without what the releaser did before");
            ++our.holders;
        }
    }
    void end() override {
        model::require(shared_->permits.available() + shared_->holders == 1, "a permit was lost or doubled");
        model::act_as(1);
        delete shared_;
        model::act_as(model::outside);
        loop_.require_quiet();
    }

private:
    struct shared {
        explicit shared(workqueue& queue) : scope(queue) {}
        semaphore permits{0};
        int message = 0;
        int holders = 0;
        counting_scope scope;
    };
    model::loop loop_{"owner"};
    shared* shared_ = nullptr;
};

// Each thread's loop runs a task that takes the lock; the last one's owner may give up.
template <unsigned threads, ending how>
class lock_between_loops : public model::scenario {
public:
    lock_between_loops() {
        for (model::loop*& one : loops_) one = new model::loop("one of several");
    }
    void begin() override {
        shared_ = new shared;
        for (unsigned i = 0; i < threads; ++i) {
            loops_[i]->belongs_to(i);
            shared_->scopes[i] = new counting_scope(*loops_[i]);
        }
    }
    void thread(unsigned index) override {
        counting_scope& scope = *shared_->scopes[index];
        scope.spawn(increments(shared_->lock, shared_->count, shared_->took[index]), "worker");
        loops_[index]->run_once();
        if (index + 1 == threads) {
            if (how == ending::cancels) scope.request_stop(errc::stopped);
            if (how == ending::destroys) scope.destroy_all();
        }
        loops_[index]->run_until([&] { return scope.empty() && loops_[index]->slots().live() == 0; });
    }
    void end() override {
        model::require(!shared_->lock.is_locked(), "the lock is held for ever");
        int took = 0;
        for (unsigned i = 0; i < threads; ++i) {
            if (how == ending::waits || i + 1 < threads) model::require(shared_->took[i], "never got the lock");
            took += shared_->took[i];
            model::act_as(i);
            delete shared_->scopes[i];
            model::act_as(model::outside);
            loops_[i]->require_quiet();
        }
        model::require(shared_->count == took, "two held the lock at once");
        delete shared_;
    }

private:
    struct shared {
        mutex lock;
        int count = 0;
        bool took[threads] = {};
        counting_scope* scopes[threads] = {};
    };
    static task<void> increments(mutex& lock, int& count, bool& took) {
        auto guard = co_await lock.lock();
        if (!guard) co_return;
        ++count;
        took = true;
    }
    model::loop* loops_[threads];
    shared* shared_ = nullptr;
};

const model::registered<event_against_owner<ending::waits>> event_waits(
    "slot_event", "a set event resumes the task that waits, once, with what the setter did before", 2);
const model::registered<event_against_owner<ending::cancels>> event_cancels(
    "slot_event_cancel", "set against cancel: resumed once; the event may be gone then", 2);
const model::registered<event_against_owner<ending::destroys>> event_destroys(
    "slot_event_destroy", "set against the frame's destruction: nobody is resumed, the slot comes back", 2);
const model::registered<event_of_two_loops<ending::cancels>> event_two_cancels(
    "slot_event_two_cancel", "one event releases tasks of two loops; one of them is cancelled meanwhile", 3);
const model::registered<event_of_two_loops<ending::destroys>> event_two_destroys(
    "slot_event_two_destroy", "one event releases tasks of two loops; one of them is destroyed meanwhile", 3);
const model::registered<permit_against_owner<ending::waits>> permit_waits(
    "slot_permit", "a released permit reaches the task that waits", 2);
const model::registered<permit_against_owner<ending::cancels>> permit_cancels(
    "slot_permit_cancel", "release against cancel: the permit is with the task or back", 2);
const model::registered<permit_against_owner<ending::destroys>> permit_destroys(
    "slot_permit_destroy", "release against the frame's destruction: the permit is back", 2);
const model::registered<lock_between_loops<2, ending::waits>> lock_waits("slot_lock",
                                                                         "tasks of two loops take one mutex in turn",
                                                                         2);
const model::registered<lock_between_loops<2, ending::destroys>> lock_destroys(
    "slot_lock_destroy", "hand-over against the frame's destruction: the lock goes on", 2);
const model::registered<lock_between_loops<3, ending::cancels>> lock_three(
    "slot_lock_3", "tasks of three loops; one is cancelled meanwhile", 3);

}  // namespace
