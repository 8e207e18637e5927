// Races of what tasks wait for besides descriptors: time, each other, and other threads.
#include <memory>

#include "arena.hpp"
#include "sync/channel.hpp"
#include "sync/event.hpp"
#include "sync/mutex.hpp"
#include "sync/semaphore.hpp"
#include "sync/sleep.hpp"
#include "task/callback_wq.hpp"
#include "task/run_on.hpp"
#include "task/thread_pool.hpp"
#include "task/yield.hpp"

namespace co_wq::storm {
namespace {

using namespace std::chrono_literals;

task<void> sleeps(time_point until, last_words& words) {
    const result<void> slept = co_await sleep_until(until);
    words.say(slept);
}

report race_sleeps(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    while (in.next()) {
        const time_point until = in.loop().now() + 40us;
        in.fight(sleeps(until, in.words));
        if (in.words.won) in.check(in.loop().now() >= until, "woken too early");
    }
    return in.finish();
}

task<void> waits(event& on, last_words& words) {
    const result<void> set = co_await on.wait();
    words.say(set);
}

report race_events(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    while (in.next()) {
        event on;
        in.fight(waits(on, in.words), [&] { on.set(); });
        in.settle();
        in.check(on.is_set(), "it was set and is not");
    }
    return in.finish();
}

task<void> acquires(semaphore& on, last_words& words) {
    const result<void> permit = co_await on.acquire();
    words.say(permit);
}

report race_semaphores(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    semaphore on(0);
    while (in.next()) {
        in.fight(acquires(on, in.words), [&] { on.release(); });
        if (!in.words.won) in.eventually("a permit is lost", [&] { return on.try_acquire(); });
        in.check(on.available() == 0, "a permit too many");
    }
    return in.finish();
}

task<void> locks(mutex& on, last_words& words) {
    const result<mutex::guard> held = co_await on.lock();
    words.say(held);
}

report race_mutexes(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    mutex on;
    while (in.next()) {
        std::optional<mutex::guard> held = on.try_lock();
        in.check(held.has_value(), "it is locked for ever");
        in.fight(locks(on, in.words), [&] { held.reset(); });
        in.eventually("the lock is lost", [&] { return !on.is_locked(); });
    }
    return in.finish();
}

// A value that is counted while it lives, wherever it is.
class counted {
public:
    explicit counted(std::atomic<long>& alive, long value) : alive_(&alive), value_(value) { ++*alive_; }
    counted(counted&& other) noexcept : alive_(other.alive_), value_(other.value_) { ++*alive_; }
    counted& operator=(counted&& other) noexcept {
        value_ = other.value_;
        return *this;
    }
    ~counted() { --*alive_; }
    long value() const { return value_; }

private:
    std::atomic<long>* alive_;
    long value_;
};

task<void> receives(channel<counted>& from, long& value, last_words& words) {
    const result<counted> got = co_await from.recv();
    if (words.say(got)) value = got->value();
}

report race_channel_receivers(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    std::atomic<long> alive = 0;
    {
        channel<counted> on(1);
        while (in.next()) {
            long value = -1;
            const long expected = in.bout();
            in.fight(receives(on, value, in.words), [&] {
                counted made(alive, expected);
                if (!on.try_send(std::move(made))) std::abort();
            });
            if (!in.words.won) {
                in.eventually("an item is lost", [&] {
                    result<counted> left = on.try_recv();
                    if (left) value = left->value();
                    return left.has_value();
                });
            }
            in.check(value == expected, "another item");
            in.check(!on.try_recv().has_value(), "an item came twice");
            in.settle();
            in.check(alive == 0, "an item lives on");
        }
    }
    return in.finish();
}

task<void> hands_over(channel<counted>& to, counted item, last_words& words) {
    const result<void> sent = co_await to.send(std::move(item));
    words.say(sent);
}

report race_channel_senders(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    std::atomic<long> alive = 0;
    {
        channel<counted> on(1);
        while (in.next()) {
            const long mine = in.bout();
            in.check(on.try_send(counted(alive, -2)).has_value(), "no room for the first");
            long first = -1;
            in.fight(hands_over(on, counted(alive, mine), in.words), [&] {
                const result<counted> taken = on.try_recv();
                if (taken) first = taken->value();
            });
            in.check(first == -2, "the first item is lost");
            in.settle();
            const result<counted> second = on.try_recv();
            if (second) in.check(second->value() == mine, "another item");
            if (in.words.won) in.check(second.has_value(), "an item that was sent is lost");
            if (in.words.ended && !in.words.won) in.check(!second.has_value(), "sent and called cancelled");
            in.check(alive == second.has_value(), "an item lives on");
        }
    }
    return in.finish();
}

// A loop on a thread of its own.
class other_loop {
public:
    explicit other_loop(io::reactor_kind kind) {
        thread_ = std::thread([this, kind] {
            io::event_loop made({.reactor = kind, .name = "other"});
            loop_ = &made;
            made.run_until([this] { return ended_; });
        });
        while (!loop_) std::this_thread::yield();
    }
    ~other_loop() {
        loop_.load()->post_message([this] { ended_ = true; });
        thread_.join();
    }
    io::event_loop& operator*() { return *loop_; }

private:
    std::atomic<io::event_loop*> loop_ = nullptr;
    bool ended_ = false;
    std::thread thread_;
};

constexpr long given_up = -1;

task<counted> works_elsewhere(std::atomic<long>& alive, long value) {
    const task_env& env = co_await this_task::environment();
    co_await yield();
    const bool cancelled = env.scope && env.scope->cancelled();
    co_return counted(alive, cancelled ? given_up : value);
}

task<void> asks_elsewhere(io::event_loop& other, std::atomic<long>& alive, long value, ending how, last_words& words) {
    const counted got = co_await run_on(other, works_elsewhere(alive, value));
    words.ended = true;
    words.won = got.value() == value;
    if (got.value() == given_up) words.reason = how == ending::by_deadline ? errc::timed_out : errc::stopped;
}

report race_run_on(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    std::atomic<long> alive = 0;
    {
        other_loop other(kind);
        while (in.next()) {
            in.fight(asks_elsewhere(*other, alive, in.bout(), in.how(), in.words));
            in.eventually("a result lives on", [&] { return alive == 0; });
        }
    }
    in.check(alive == 0, "a result lives on");
    return in.finish();
}

task<void> asks_pool(thread_pool& pool, std::atomic<long>& alive, long value, last_words& words) {
    auto call = [&alive, value] { return counted(alive, value); };
    const counted got = co_await pool.run(std::move(call));
    words.ended = true;
    words.won = got.value() == value;
}

// A cancelled scope does not end a call: its result arrives all the same.
report race_pool(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    std::atomic<long> alive = 0;
    {
        thread_pool pool(1, "pool");
        while (in.next()) {
            in.fight(asks_pool(pool, alive, in.bout(), in.words));
            in.check(in.words.won || in.how() == ending::by_destruction, "a result is lost");
        }
    }
    in.check(alive == 0, "a result lives on");
    return in.finish();
}

task<void> asks_strand(callback_wq strand, std::atomic<long>& alive, long value, last_words& words) {
    auto call = [&alive, value] { return counted(alive, value); };
    const counted got = co_await strand.run(std::move(call));
    words.ended = true;
    words.won = got.value() == value;
}

report race_strand_run(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    std::atomic<long> alive = 0;
    {
        thread_pool pool(1, "pool");
        const callback_wq strand(pool, "strand");
        while (in.next()) {
            in.fight(asks_strand(strand, alive, in.bout(), in.words));
            in.check(in.words.won || in.how() == ending::by_destruction, "a result is lost");
        }
    }
    in.check(alive == 0, "a result lives on");
    return in.finish();
}

task<void> awaits_callback(std::optional<completion>& place, std::int32_t expected, last_words& words) {
    auto start = [&place](completion done) { place.emplace(std::move(done)); };
    const std::int32_t got = co_await await_completion("callback", start);
    words.ended = true;
    words.won = got == expected;
}

// The callback of a library on another thread.
report race_callbacks(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        const callback_wq strand(in.loop(), "callbacks");
        while (in.next()) {
            const auto value = static_cast<std::int32_t>(in.bout());
            std::optional<completion> token;
            in.fight(awaits_callback(token, value, in.words), [&] { strand.post(std::move(*token), value); });
            in.check(in.words.won || in.how() == ending::by_destruction, "a result is lost");
        }
        in.settle();
    }
    return in.finish();
}

}  // namespace

const std::vector<race>& waiting_races() {
    static const std::vector<race> all{
        {"sleep_until", &race_sleeps},
        {"event", &race_events},
        {"semaphore", &race_semaphores},
        {"mutex", &race_mutexes},
        {"channel_recv", &race_channel_receivers},
        {"channel_send", &race_channel_senders},
        {"run_on", &race_run_on},
        {"thread_pool_run", &race_pool},
        {"callback_wq_run", &race_strand_run},
        {"callback_wq_completion", &race_callbacks},
    };
    return all;
}

}  // namespace co_wq::storm
