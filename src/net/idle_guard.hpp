// idle_guard: ends what runs in its scope when nothing has moved for a while.
//
// For:        tunnels and exchanges: one timer for any number of reads and writes, touched at the cost of a store.
// Guarantees: its scope is cancelled with timed_out no sooner than limit after the last touch, and at most one tick and
//             a turn later.
// Threads:    the loop's own.
//
//   idle_guard guard(loop, 300s);
//   co_await with_scope(guard.scope(), carry(guard));      // carry calls guard.touch()
#pragma once

#include "io/event_loop.hpp"

namespace co_wq::net {

class idle_guard : private timer {
public:
    // A limit of zero never ends anything.
    idle_guard(io::event_loop& loop, duration limit) noexcept
        : timer(&expired), loop_(loop), limit_(limit), touched_(loop.turn_time()) {
        start();
    }

    io::event_loop& loop() const noexcept { return loop_; }
    cancel_scope& scope() noexcept { return scope_; }
    void touch() noexcept { touched_ = loop_.turn_time(); }
    // From now on this long. A limit shorter than the one before takes effect at once.
    void set_limit(duration limit) noexcept {
        touch();
        const bool sooner = limit_ == duration::zero() || limit < limit_;
        limit_ = limit;
        if (sooner) start();
    }

private:
    void start() noexcept {
        timer::cancel();
        if (limit_ > duration::zero()) loop_.timers()->arm(*this, saturating_add(touched_, limit_));
    }
    static void expired(timer& self) noexcept {
        auto& me = static_cast<idle_guard&>(self);
        if (me.limit_ == duration::zero()) return;
        const time_point due = saturating_add(me.touched_, me.limit_);
        if (due > me.loop_.now()) return me.loop_.timers()->arm(me, due);
        me.scope_.cancel(errc::timed_out);
    }

    io::event_loop& loop_;
    cancel_scope scope_;
    duration limit_;
    time_point touched_;
};

}  // namespace co_wq::net
