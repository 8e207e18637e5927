// Scenarios of waiting: limits, cancellations, closing, wake-ups, time.
#include <thread>

#include "stage.hpp"
#include "sync/event.hpp"

namespace co_wq::conformance {
namespace {

using io::direction;

task<void> deadline_in_the_middle(stage& on) {
    co_await on.connected();
    co_await on.sends(on.far, "half");
    co_await on.limited(5ms, on.reads(on.near, 8));
    co_await on.sends(on.far, "rest");
    co_await on.reads(on.near, 4);
}

// Whether the receive or the cancel is first is the backend's matter; the bytes come once.
task<void> cancelled_with_bytes(stage& on) {
    co_await on.connected();
    std::size_t total = 0;
    auto receive = [](io::socket& from, std::size_t& sum) -> task<void> {
        std::byte into[4];
        const result<std::size_t> got = co_await from.recv(into);
        if (got) sum += *got;
    };
    for (int round = 0; round < 40; ++round) {
        counting_scope waiting(on.loop);
        waiting.spawn(receive(on.near.at, total), "recv");
        co_await yield();
        (void)co_await on.far.at.send_all(as_bytes("x"));
        for (int i = 0; i < round % 5; ++i) co_await yield();
        if (round % 3 == 0) (void)co_await sleep_for(100us);
        if (round % 2) waiting.request_stop();
        if (round % 2) co_await waiting.join();
    }
    (void)on.far.at.shutdown_send();
    for (;;) {
        std::byte into[64];
        const result<std::size_t> got = co_await on.near.at.recv(into);
        if (!got || *got == 0) break;
        total += *got;
    }
    on.log("of 40 bytes came " + std::to_string(total));
}

task<void> closed_under_reader(stage& on) {
    co_await on.connected();
    on.others.spawn(on.reads(on.near, 1), "read");
    (void)co_await sleep_for(1ms);
    on.closes(on.near);
    co_await on.others.join();
    co_await on.reads(on.far, 1);
}

task<void> closed_under_both(stage& on) {
    co_await on.connected();
    co_await on.fills_near();
    on.others.spawn(on.reads(on.near, 1), "read");
    co_await yield();
    on.others.spawn(on.sends(on.near, "one more"), "send");
    (void)co_await sleep_for(1ms);
    on.closes(on.near);
    co_await on.others.join();
}

// The descriptor number of a closed stream comes back for the next one, whose waiter hears of its own only.
task<void> numbers_come_back(stage& on) {
    int right = 0;
    for (int round = 0; round < 20; ++round) {
        co_await on.connected();
        actor old_near{"old near", std::move(on.near.at)}, old_far{"old far", std::move(on.far.at)};
        counting_scope waiting(on.loop);
        waiting.spawn(on.arrived(old_near, direction::read), "wait");
        co_await yield();
        if (round % 2) (void)co_await old_far.at.send_all(as_bytes("old"));
        waiting.destroy_all();
        old_near.at.close();
        old_far.at.reset();
        co_await on.connected();
        (void)co_await on.far.at.send_all(as_bytes("n"));
        std::byte into[8];
        const result<std::size_t> got = co_await on.near.at.recv(into);
        if (got && *got == 1 && into[0] == std::byte{'n'}) ++right;
    }
    on.log(std::to_string(right) + " of 20 new streams have their own bytes");
}

task<void> woken_by_a_thread(stage& on) {
    event told;
    std::thread other([&] { on.loop.post_message([&] { told.set(); }); });
    const result<void> came = co_await told.wait();
    other.join();
    on.log("told by message: " + (came ? "ok" : came.error().message()));
    event set;
    std::thread second([&] { set.set(); });
    const result<void> released = co_await set.wait();
    second.join();
    on.log("released by another thread: " + (released ? "ok" : released.error().message()));
}

task<void> sleeps(stage& on, time_point when, const char* name) {
    const result<void> slept = co_await sleep_until(when);
    on.log(name + std::string(slept ? "" : " was stopped"));
}

task<void> same_instant(stage& on) {
    const time_point when = on.loop.now() + 3ms;
    for (const char* name : {"first", "second", "third", "fourth"}) on.others.spawn(sleeps(on, when, name), name);
    co_await on.others.join();
}

task<void> by_time(stage& on) {
    const time_point now = on.loop.now();
    on.others.spawn(sleeps(on, now + 9ms, "latest"), "9");
    on.others.spawn(sleeps(on, now + 3ms, "earliest"), "3");
    on.others.spawn(sleeps(on, now + 6ms, "between"), "6");
    co_await on.others.join();
}

task<void> limits_nest(stage& on) {
    co_await on.connected();
    co_await on.limited(1h, on.limited(2ms, on.reads(on.near, 1)));
    co_await on.limited(2ms, on.limited(1h, on.reads(on.near, 1)));
    co_await on.sends(on.far, "x");
    co_await on.limited(1h, on.reads(on.near, 1));
}

task<void> cancelled_before(stage& on) {
    co_await on.connected();
    co_await on.sends(on.far, "x");
    co_await on.arrived(on.near, direction::read);
    counting_scope stopped(on.loop);
    stopped.request_stop();
    stopped.spawn(on.reads(on.near, 1), "read");
    co_await stopped.join();
    co_await on.reads(on.near, 1);
}

}  // namespace

std::vector<scenario> waiting_scenarios() {
    return {
        {"a deadline in the middle", &deadline_in_the_middle,
         "far sends: ok\nnear reads: 'half', timed out\nfar sends: ok\nnear reads: 'rest'\n"},
        {"cancelled with bytes arrived", &cancelled_with_bytes, "of 40 bytes came 40\n"},
        {"closed under its reader", &closed_under_reader, "near closes\nnear reads: closed\nfar reads: end\n"},
        {"closed under both", &closed_under_both, "near closes\nnear reads: closed\nnear sends: closed\n"},
        {"descriptor numbers come back", &numbers_come_back, "20 of 20 new streams have their own bytes\n"},
        {"woken by a thread", &woken_by_a_thread, "told by message: ok\nreleased by another thread: ok\n"},
        {"timers of one instant", &same_instant, "first\nsecond\nthird\nfourth\n"},
        {"timers by time", &by_time, "earliest\nbetween\nlatest\n"},
        {"limits nest", &limits_nest, "near reads: timed out\nnear reads: timed out\nfar sends: ok\nnear reads: 'x'\n"},
        {"cancelled before it began", &cancelled_before, "far sends: ok\nnear reads: stopped\nnear reads: 'x'\n"},
    };
}

}  // namespace co_wq::conformance
