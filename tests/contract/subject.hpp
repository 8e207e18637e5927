// subject: one awaiter with what it waits on; a row says how to make one and what each cell must come to.
//
// The driver (driver.hpp) does the same things to every subject. All functions run on the loop's own thread.
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cell.hpp"
#include "io/event_loop.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::contract {

struct setting {
    io::event_loop& loop;
    cell at;  // what is going to happen
    bool simulated;
};

class subject {
public:
    explicit subject(const setting& where) : loop(where.loop), at(where.at), simulated(where.simulated) {}
    subject(const subject&) = delete;
    subject& operator=(const subject&) = delete;
    virtual ~subject() = default;

    // Makes what is waited on; for cell::ready so that the wait has nothing to wait for.
    virtual task<void> set_up() { co_return; }
    // The wait itself: "ok", "ok VALUE", "threw TEXT", or the error's text.
    virtual task<std::string> wait() = 0;
    // Brings what is waited for.
    virtual task<void> complete() = 0;
    // Makes it fail.
    virtual task<void> fail() { throw std::logic_error("this row has no way to fail"); }
    virtual void close_owner() { throw std::logic_error("this row has no owner to close"); }
    virtual void destroy_owner() { throw std::logic_error("this row has no owner to destroy"); }
    // The wait has ended; for what fail() has to put back.
    virtual void settled() {}

    // Whether the wait lasts until complete().
    virtual bool holds() const { return true; }
    // Turns of the loop until a wait that was spawned is in its awaiter.
    virtual int turns_to_wait() const { return 3; }
    // What complete() brought is still there when its waiter got nothing of it.
    virtual bool keeps() const { return true; }
    // Several may wait at once, and are served in order.
    virtual bool shared() const { return false; }
    // Open files that are not sockets of the loop.
    virtual std::size_t other_files() const { return 0; }

    io::event_loop& loop;
    const cell at;
    const bool simulated;
};

struct variant {
    const char* name;
    std::unique_ptr<subject> (*make)(const setting&);
    plan expected;
    // Why the simulated backend cannot have it; null: it can.
    const char* not_simulated = nullptr;
    const char* error_not_simulated = nullptr;
    // How many seeds of the simulation play it: fewer where the wait itself computes long.
    std::size_t seeds = seeds_max;
    static constexpr std::size_t seeds_max = 20;
    const char* error_not_on_wine = nullptr;  // why it cannot be had there, though Windows has it
};

// Handshakes compute for milliseconds, and a sanitizer makes that tenfold.
inline std::vector<variant> with_few_seeds(std::vector<variant> all) {
    for (variant& one : all) one.seeds = 2;
    return all;
}

template <class T>
std::unique_ptr<subject> make(const setting& where) {
    return std::make_unique<T>(where);
}

inline std::string text_of(const result<void>& got) { return got ? "ok" : got.error().message(); }

// Turns, and a moment of the loop's time now and then, until it is so; false: not within ten seconds.
// Not impressed by a cancelled scope.
inline task<void> nap() { (void)co_await sleep_for(std::chrono::microseconds(100)); }

template <class Condition>
task<bool> until(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (int turn = 1; std::chrono::steady_clock::now() < limit; ++turn) {
        if (condition()) co_return true;
        if (turn % 8 == 0) {
            std::this_thread::yield();  // virtual time does not wait for other threads
            co_await shield(nap());
        } else {
            co_await yield();
        }
    }
    co_return condition();
}

inline task<void> turns(int count) {
    for (int i = 0; i < count; ++i) co_await yield();
}

// What most waits that can be cancelled come to.
inline constexpr expectation stopped = ends("stopped");
inline constexpr expectation timed_out = ends("timed out");

// Of an operation on a socket or a device.
consteval plan operation_plan(expectation complete, expectation ready, expectation error, expectation completing) {
    return {.complete = complete,
            .ready = ready,
            .error = error,
            .cancel = stopped,
            .completing = completing,
            .timeout = timed_out,
            .owner_closed = ends("closed"),
            .owner_destroyed = ends("closed"),
            .frame_destroyed = gone(),
            .scope_cancelled = stopped,
            .runtime_stopping = stopped,
            .runtime_destroyed = gone()};
}

// Of what a system does not have; the reason stands in the table in every cell.
consteval plan absent_plan(const char* reason) {
    const expectation absent = none(reason);
    return {.complete = absent,
            .ready = absent,
            .error = absent,
            .cancel = absent,
            .completing = absent,
            .timeout = absent,
            .owner_closed = absent,
            .owner_destroyed = absent,
            .frame_destroyed = absent,
            .scope_cancelled = absent,
            .runtime_stopping = absent,
            .runtime_destroyed = absent};
}

}  // namespace co_wq::contract
