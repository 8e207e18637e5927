// sim_clock: virtual time, what happens when, the dice, and the trace of a simulated run.
//
// For:        the simulated network and reactors. Equal seeds and equal calls give equal runs, and the trace's hash
//             says so.
// Guarantees: events of one time run in the order they were asked for. Time never goes back.
// Threads:    one. Lifetime: outlives what it calls; who dies earlier calls forget first.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"

namespace co_wq::io {

// What happened, as one number; and line by line for who wants to read it.
class sim_trace {
public:
    using reader = void (*)(void* context, time_point when, std::string_view what, std::int64_t first,
                            std::int64_t second);
    void note(time_point when, std::string_view what, std::int64_t first, std::int64_t second) noexcept {
        std::uint64_t word = 0;
        std::memcpy(&word, what.data(), what.size() < sizeof word ? what.size() : sizeof word);
        mix(word ^ static_cast<std::uint64_t>(when.time_since_epoch().count()));
        mix(static_cast<std::uint64_t>(first) * 31 ^ static_cast<std::uint64_t>(second));
        if (read_) [[unlikely]]
            read_(context_, when, what, first, second);
    }
    void set_reader(reader read, void* context) noexcept {
        read_ = read;
        context_ = context;
    }
    std::uint64_t hash() const noexcept { return hash_; }

private:
    void mix(std::uint64_t word) noexcept {
        hash_ = (hash_ ^ word) * 0x9FB21C651E98DF25ull;
        hash_ ^= hash_ >> 29;
    }
    std::uint64_t hash_ = 0x1234567;
    reader read_ = nullptr;
    void* context_ = nullptr;
};

class sim_clock {
public:
    using action = void (*)(void* self, std::uint64_t first, std::uint64_t second);

    explicit sim_clock(std::uint64_t seed) noexcept : random_(seed) {}
    sim_clock(const sim_clock&) = delete;
    sim_clock& operator=(const sim_clock&) = delete;

    time_point now() const noexcept { return now_; }
    seeded_random& random() noexcept { return random_; }
    sim_trace& trace() noexcept { return trace_; }
    void note(std::string_view what, std::int64_t first = 0, std::int64_t second = 0) noexcept {
        trace_.note(now_, what, first, second);
    }

    // Runs act(self, first, second) at a virtual time from now.
    void after(duration delay, action act, void* self, std::uint64_t first = 0, std::uint64_t second = 0);
    // Whatever would call self does not.
    void forget(const void* self) noexcept;
    // Runs what is due next, if that is not later than limit; false: nothing was, and now is limit, unless that is
    // for ever.
    bool step(time_point limit);
    // no_deadline: nothing is going to happen.
    time_point next_event() const noexcept { return events_.empty() ? no_deadline : events_.front().at; }
    // Time passes and nothing happens, although something may be due by now.
    void pass(duration time) noexcept { now_ += time; }

private:
    struct event {
        time_point at;
        std::uint64_t order;
        action act;
        void* self;
        std::uint64_t first, second;
    };
    static bool later(const event& a, const event& b) noexcept {
        return a.at != b.at ? a.at > b.at : a.order > b.order;
    }

    time_point now_{std::chrono::seconds(1)};
    std::uint64_t order_ = 0;
    std::vector<event> events_;  // a heap, the next event first
    seeded_random random_;
    sim_trace trace_;
};

}  // namespace co_wq::io
