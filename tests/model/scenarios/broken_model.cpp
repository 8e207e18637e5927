// Wrong on purpose: the short form checks with these that the checker finds faults at all.
#include <atomic>

#include "engine/model.hpp"

namespace {

// Two flags, each stored before the other is read: without a total order both threads may read the old value.
class store_buffer : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        shared_->flag[index].store(1, std::memory_order_release);
        shared_->saw[index] = shared_->flag[1 - index].load(std::memory_order_acquire);
    }
    void end() override {
        model::require(shared_->saw[0] + shared_->saw[1] > 0, "both read the old value");
        delete shared_;
    }

private:
    struct shared {
        std::atomic<int> flag[2] = {0, 0};
        int saw[2] = {};
    };
    shared* shared_ = nullptr;
};

class relaxed_message : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        if (index == 0) {
            shared_->message = 1;
            shared_->ready.store(true, std::memory_order_relaxed);
        } else if (shared_->ready.load(std::memory_order_acquire)) {
            model::require(shared_->message == 1, "ready without its message");
        }
    }
    void end() override { delete shared_; }

private:
    struct shared {
        int message = 0;
        std::atomic<bool> ready = false;
    };
    shared* shared_ = nullptr;
};

// Checked apart from the sleep: the ring falls between.
class missed_bell : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        if (index == 0) {
            shared_->filled.store(true);
            if (shared_->asleep.load()) shared_->bell.ring();
        } else if (!shared_->filled.load()) {
            shared_->asleep.store(true);
            shared_->bell.wait();
        }
    }
    void end() override { delete shared_; }

private:
    struct shared {
        std::atomic<bool> filled = false;
        std::atomic<bool> asleep = false;
        model::doorbell bell;
    };
    shared* shared_ = nullptr;
};

class early_free : public model::scenario {
public:
    void begin() override { shared_ = new std::atomic<int>(0); }
    void thread(unsigned index) override {
        shared_->fetch_add(1);
        if (index == 0) delete shared_;
    }

private:
    std::atomic<int>* shared_ = nullptr;
};

const model::registered<store_buffer> buffer("broken_store_buffer", "must fail: both flags read as unset", 2);
const model::registered<relaxed_message> message("broken_message", "must fail: a message without release", 2);
const model::registered<missed_bell> bell("broken_bell", "must fail: a lost wake-up", 2);
const model::registered<early_free> freed("broken_free", "must fail: freed while in use", 2);

}  // namespace
