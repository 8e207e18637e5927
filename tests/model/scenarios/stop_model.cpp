// Stop sources, and the lock under everything else.
#include "engine/model.hpp"
#include "sync/detail/spin_lock.hpp"
#include "task/stop_token.hpp"

namespace {

using namespace co_wq;

// Thread 0 asks for the stop; thread 1 registers a callback and takes it away again at once. What the callback uses is
// freed when its registration is gone.
template <unsigned requesters>
class stop_against_registration : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        if (index < requesters) {
            shared_->message[index] = 1;
            const bool first = shared_->source.request_stop();
            if (first) shared_->first = int(index);
            if (!first) model::require(shared_->message[1 - index] == 1, "second, without what came before the first");
            return;
        }
        int* calls = new int(0);
        {
            auto on_stop = [this, calls]() noexcept {
                ++*calls;
                check_message();
            };
            auto* registration = new inplace_stop_callback(shared_->source.get_token(), on_stop);
            if (shared_->source.stop_requested()) check_message();
            delete registration;
        }
        model::require(*calls <= 1, "called twice");
        delete calls;
    }
    void end() override {
        model::require(shared_->source.stop_requested(), "the request got lost");
        model::require(shared_->first >= 0, "nobody was the first to ask");
        delete shared_;
    }

private:
    struct shared {
        inplace_stop_source source;
        int message[requesters] = {};
        int first = -1;
    };
    void check_message() noexcept {
        if (requesters == 1) model::require(shared_->message[0] == 1, "stopped without what came before the request");
    }
    shared* shared_ = nullptr;
};

// The registration stays: the callback runs exactly once, whoever runs it. Two threads register.
class stop_runs_all : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        if (index == 0) {
            shared_->source.request_stop();
            return;
        }
        registration*& mine = shared_->mine[index - 1];
        mine = new registration(shared_->source.get_token(), counter{&shared_->calls[index - 1]});
    }
    void end() override {
        for (unsigned i = 0; i < 2; ++i) {
            model::require(shared_->calls[i] == 1, "a callback did not run exactly once");
            delete shared_->mine[i];
        }
        delete shared_;
    }

private:
    struct counter {
        int* calls;
        void operator()() const noexcept { ++*calls; }
    };
    using registration = inplace_stop_callback<counter>;
    struct shared {
        inplace_stop_source source;
        int calls[2] = {};
        registration* mine[2] = {};
    };
    shared* shared_ = nullptr;
};

// A callback that takes itself away while it runs, and one that another thread takes away meanwhile.
class stop_ends_itself : public model::scenario {
public:
    void begin() override {
        shared_ = new shared;
        shared_->suicidal = new registration(shared_->source.get_token(), call{shared_, true});
        shared_->other = new registration(shared_->source.get_token(), call{shared_, false});
    }
    void thread(unsigned index) override {
        if (index == 0) {
            shared_->source.request_stop();
        } else {
            delete shared_->other;
            ++shared_->others_calls;  // the callback has ended, or never runs
        }
    }
    void end() override {
        model::require(shared_->suicidal == nullptr, "the callback did not run");
        model::require(shared_->others_calls <= 2, "called twice");
        delete shared_;
    }

private:
    struct shared;
    struct call {
        shared* with;
        bool suicidal;
        void operator()() const noexcept {
            shared* const our = with;  // this object may be gone in a moment
            if (suicidal) {
                delete std::exchange(our->suicidal, nullptr);
            } else {
                ++our->others_calls;
            }
        }
    };
    using registration = inplace_stop_callback<call>;
    struct shared {
        inplace_stop_source source;
        registration* suicidal = nullptr;
        registration* other = nullptr;
        int others_calls = 0;
    };
    shared* shared_ = nullptr;
};

// One after the other, and each sees what the last holder did.
template <unsigned threads>
class spin_lock_excludes : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned) override {
        for (unsigned i = 0; i < 2; ++i) {
            shared_->lock.lock();
            ++shared_->count;
            shared_->lock.unlock();
        }
    }
    void end() override {
        model::require(shared_->count == 2 * threads, "two held the lock at once");
        delete shared_;
    }

private:
    struct shared {
        detail::spin_lock lock;
        unsigned count = 0;
    };
    shared* shared_ = nullptr;
};

const model::registered<stop_against_registration<1>> stop_one(
    "stop_registration", "request against registration and its end: once or never, and never afterwards", 2);
const model::registered<stop_against_registration<2>> stop_two(
    "stop_two_requests", "two requests against a registration: one of them is the first", 3);
const model::registered<stop_runs_all> stop_all("stop_runs_all", "every callback registered runs once", 3);
const model::registered<stop_ends_itself> stop_self(
    "stop_ends_itself", "a callback may end itself; another thread's end waits for a running one", 2);
const model::registered<spin_lock_excludes<2>> spin_two("spin_lock_2", "two threads, twice each", 2);
const model::registered<spin_lock_excludes<3>> spin_three("spin_lock_3", "three threads, twice each", 3);

}  // namespace
