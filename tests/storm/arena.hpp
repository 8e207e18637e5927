// arena: an operation that completes on one side while it is cancelled on the other, again and again.
//
// Each bout starts a victim, a coroutine that waits for one operation, in a loop on the backend. A partner on a thread
// of its own, or the kernel, completes it; the loop's thread cancels it some turns later: through its scope, a stop
// token, a deadline, or by destroying its frame. How many is drawn up to twice of what completions have taken lately,
// so that either side wins about every other time.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "io/event_loop.hpp"
#include "sync/racing.hpp"
#include "task/with_stop.hpp"

namespace co_wq::storm {

// by_closing only where a bout says how.
enum class ending : unsigned char { by_scope, by_token, by_deadline, by_destruction, by_closing };
const char* name_of(ending how) noexcept;

// What the victim says at its end; a frame that was destroyed says nothing.
struct last_words {
    bool ended = false;
    bool won = false;            // the result reached it
    errc reason = errc::other;   // of one that was cancelled

    template <class T>
    bool say(const result<T>& outcome) {
        ended = true;
        won = outcome.has_value();
        if (!won) reason = outcome.error().code();
        return won;
    }
};

struct report {
    long races = 0;
    long completed = 0;
    long cancelled = 0;
    long destroyed = 0;
    long lost = 0;
    std::string first_loss;
};

class arena {
public:
    arena(io::reactor_kind kind, long bouts);
    ~arena();

    io::event_loop& loop() noexcept { return loop_; }
    bool next();
    long bout() const noexcept { return report_.races; }
    ending how() const noexcept { return how_; }

    // Every fifth victim ends because its owner closes what it waits on.
    void also_close(std::function<void()> close) { close_ = std::move(close); }
    // One bout. completes runs on the partner's thread; without it the kernel completes by itself.
    void fight(task<void> victim, std::function<void()> completes = {});
    // Runs the loop until this is so; a loss if it is not within some seconds.
    bool eventually(const char* what, const std::function<bool()>& condition);
    // Runs the loop until no operation is in flight but those that were when the arena was ready.
    void settle();
    bool settled() noexcept { return loop_.slots().live() <= standing_; }
    // The victim has ended: a partner that still makes room for it may stop.
    bool over() const noexcept { return over_.load(std::memory_order_relaxed); }
    // The victim's last words of this bout; cleared by next().
    last_words words;
    bool destroyed() const noexcept { return !words.ended; }

    void check(bool holds, const char* what) {
        if (!holds) lose(what);
    }
    // Counts what is left over; after the stage of the race is gone.
    report finish();
    // What stands from here on is part of the stage.
    void ready() noexcept { standing_ = loop_.slots().live(); }

private:
    void lose(const char* what);
    void turn() noexcept;
    // Turns until the bout is over or so many have passed.
    int take_turns(int most, const counting_scope& until_empty) noexcept;
    time_point deadline_ahead() const noexcept;
    void count();

    io::event_loop loop_;
    long bouts_;
    report report_;
    ending how_ = ending::by_scope;
    std::array<int, 5> usual_{8, 8, 8, 8, 8};          // turns that a completion takes
    std::uint64_t random_ = 88172645463325252ull;
    std::atomic<bool> over_ = false;
    duration lead_ = std::chrono::microseconds(2);  // of the partner before a deadline
    std::size_t standing_ = 0;
    std::function<void()> completes_, close_;
    sparring_partner partner_;
};

// Descriptors this process has open.
std::size_t open_descriptors();

struct race {
    const char* name;
    report (*run)(io::reactor_kind kind, long bouts);
};
const std::vector<race>& every_race();
const std::vector<race>& stream_races();
const std::vector<race>& waiting_races();
const std::vector<race>& file_races();
const std::vector<race>& system_races();

}  // namespace co_wq::storm
