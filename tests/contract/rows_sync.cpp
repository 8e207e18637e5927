// Rows of the synchronisation objects and of time.
#include <optional>

#include "rows.hpp"
#include "sync/channel.hpp"
#include "sync/event.hpp"
#include "sync/mutex.hpp"
#include "sync/semaphore.hpp"

namespace co_wq::contract {
namespace {

using namespace std::chrono_literals;

constexpr const char* cannot_fail = "waiting for it cannot fail";
constexpr const char* not_closed = "it is destroyed, not closed";

// Objects that release their waiters themselves: a result that was given is not taken back by a cancel.
consteval plan object_plan(expectation value, expectation closed, expectation destroyed) {
    return {.complete = value,
            .ready = value,
            .error = none(cannot_fail),
            .cancel = stopped,
            .completing = value,
            .timeout = timed_out,
            .owner_closed = closed,
            .owner_destroyed = destroyed,
            .frame_destroyed = gone(),
            .scope_cancelled = stopped,
            .runtime_stopping = stopped,
            .runtime_destroyed = gone()};
}

class on_event : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        if (at == cell::ready) event_->set();
        co_return;
    }
    task<std::string> wait() override {
        const result<void> seen = co_await event_->wait();
        co_return text_of(seen);
    }
    task<void> complete() override {
        event_->set();
        co_return;
    }
    void destroy_owner() override { event_.reset(); }
    bool shared() const override { return true; }

private:
    std::optional<event> event_{std::in_place};
};

class on_semaphore : public subject {
public:
    explicit on_semaphore(const setting& where)
        : subject(where), permits_(std::in_place, where.at == cell::ready ? 1 : 0) {}
    task<std::string> wait() override {
        const result<void> got = co_await permits_->acquire();
        co_return text_of(got);
    }
    task<void> complete() override {
        permits_->release();
        co_return;
    }
    void destroy_owner() override { permits_.reset(); }
    bool shared() const override { return true; }

private:
    std::optional<semaphore> permits_;
};

class on_mutex : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        if (at != cell::ready) held_ = lock_->try_lock();
        co_return;
    }
    task<std::string> wait() override {
        const result<mutex::guard> got = co_await lock_->lock();
        co_return got ? std::string("ok") : got.error().message();
    }
    task<void> complete() override {
        held_.reset();
        co_return;
    }
    void destroy_owner() override { lock_.reset(); }
    bool shared() const override { return true; }

private:
    std::optional<mutex> lock_{std::in_place};
    std::optional<mutex::guard> held_;
};

template <std::size_t Capacity>
class channel_recv : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        if (at == cell::ready) (void)values_->try_send(7);
        co_return;
    }
    task<std::string> wait() override {
        const result<int> got = co_await values_->recv();
        co_return got ? "ok " + std::to_string(*got) : got.error().message();
    }
    task<void> complete() override {
        (void)values_->try_send(7);
        co_return;
    }
    void close_owner() override { values_->close(); }
    void destroy_owner() override { values_.reset(); }
    bool shared() const override { return true; }

private:
    std::optional<channel<int>> values_{std::in_place, Capacity};
};

template <std::size_t Capacity>
class channel_send : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        if (at != cell::ready && Capacity > 0) (void)values_->try_send(1);
        co_return;
    }
    task<std::string> wait() override {
        const result<void> sent = co_await values_->send(2);
        co_return text_of(sent);
    }
    // Makes room.
    task<void> complete() override {
        (void)values_->try_recv();
        co_return;
    }
    void close_owner() override { values_->close(); }
    void destroy_owner() override { values_.reset(); }
    bool shared() const override { return true; }
    bool keeps() const override { return false; }  // the room is taken by the value of a sender that then dies

private:
    std::optional<channel<int>> values_{std::in_place, Capacity};
};

// Long, but where it is to end by itself.
class sleeping : public subject {
public:
    using subject::subject;
    task<std::string> wait() override {
        duration wait = 1h;
        if (again_ || at == cell::complete || at == cell::completing) wait = 300us;
        if (at == cell::ready) wait = 0s;
        again_ = true;
        const result<void> slept = co_await sleep_for(wait);
        co_return text_of(slept);
    }
    task<void> complete() override { co_return; }
    bool holds() const override { return at != cell::complete && at != cell::completing; }

private:
    bool again_ = false;
};

}  // namespace

std::vector<variant> event_awaiter_rows() {
    return {{"event", &make<on_event>,
             object_plan(at_once("ok"), none(not_closed), faults("an event was destroyed while tasks wait for it"))}};
}
std::vector<variant> semaphore_awaiter_rows() {
    return {
        {"semaphore", &make<on_semaphore>,
         object_plan(at_once("ok"), none(not_closed), faults("a semaphore was destroyed while tasks wait for it"))}};
}
std::vector<variant> mutex_awaiter_rows() {
    return {{"mutex", &make<on_mutex>,
             object_plan(at_once("ok"), none(not_closed), faults("a mutex was destroyed while it is locked"))}};
}
std::vector<variant> recv_awaiter_rows() {
    return {{"channel recv", &make<channel_recv<1>>,
             object_plan(at_once("ok 7"), ends("closed"),
                         faults("a channel was destroyed while tasks are in send or recv"))}};
}
std::vector<variant> send_awaiter_rows() {
    return {{"channel send", &make<channel_send<1>>,
             object_plan(at_once("ok"), ends("closed"),
                         faults("a channel was destroyed while tasks are in send or recv"))}};
}
std::vector<variant> sleep_awaiter_rows() {
    constexpr const char* own = "its timer is in the frame itself";
    return {{"sleep_for",
             &make<sleeping>,
             {.complete = ends("ok"),
              .ready = ends("ok"),
              .error = none(cannot_fail),
              .cancel = stopped,
              .completing = ends("ok|stopped"),
              .timeout = timed_out,
              .owner_closed = none(own),
              .owner_destroyed = none(own),
              .frame_destroyed = gone(),
              .scope_cancelled = stopped,
              .runtime_stopping = stopped,
              .runtime_destroyed = gone()}}};
}

}  // namespace co_wq::contract
