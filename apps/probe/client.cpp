#include "probe/client.hpp"

#include <algorithm>

#include "sync/deadline.hpp"
#include "sync/sleep.hpp"

namespace co_wq::probe {
namespace {

using namespace std::chrono_literals;

std::uint64_t nanoseconds(duration span) noexcept {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(span.count(), 0));
}

// Of all loops' requests those that belong to this one.
pace pace_of(const load_options& chosen, const times& when, unsigned index) noexcept {
    pace made;
    made.start = when.start;
    made.end = when.end;
    made.rate = chosen.rate;
    made.loops = chosen.threads;
    made.index = index;
    return made;
}

}  // namespace

load_loop::load_loop(io::event_loop& on, const load_options& options,
                     const std::optional<net::tls::client_context>& context, const times& moments, unsigned index)
    : loop(on),
      chosen(options),
      when(moments),
      ways(on, options.way, context),
      request(options, options.keep_alive),
      pace(pace_of(options, moments, index)) {}

void load_loop::record(time_point due, time_point started, const outcome& how) {
    const time_point now = loop.now();
    if (now < when.begin || how.how == ending::stopped) return;
    const bool disturbed = now >= when.rude;
    if (!how) {
        count.failed.add(how.how, how.detail);
        if (disturbed) ++count.failed_disturbed;
        ++window_.failed;
        return;
    }
    const std::uint64_t latency = nanoseconds(now - due);
    count.latency.add(latency);
    count.service.add(nanoseconds(now - started));
    if (when.rude != no_deadline) (disturbed ? count.disturbed : count.calm).add(latency);
    ++count.answered;
    count.bytes += how.bytes;
    if (now >= when.end) return;
    ++count.in_time;
    window_.latency.add(latency);
}

window load_loop::take_window() {
    if (pace.open()) {
        window_.backlog = pace.backlog(loop.now());
        count.backlog_max = std::max(count.backlog_max, window_.backlog);
    }
    return std::exchange(window_, window());
}

task<void> client::run() {
    co_await sleep_until(owner_.when.start);
    duration rest{};
    for (;;) {
        const std::optional<time_point> due = owner_.pace.take(owner_.loop.now());
        if (!due) co_return;
        if (*due > owner_.loop.now()) {
            const result<void> slept = co_await sleep_until(*due);
            if (!slept) co_return;
        }
        const time_point started = owner_.loop.now();
        const outcome how = co_await with_timeout(owner_.chosen.timeout, once());
        owner_.record(*due, started, how);
        if (how.how == ending::stopped) co_return;
        if (how) {
            rest = duration::zero();
            continue;
        }
        channel_.close();
        if (owner_.pace.open()) continue;
        // who is refused at once would be again, a hundred thousand times a second
        rest = std::clamp<duration>(rest * 2, 1ms, 100ms);
        const result<void> slept = co_await sleep_for(rest);
        if (!slept) co_return;
    }
}

task<outcome> client::open() {
    const time_point before = owner_.loop.now();
    outcome done = co_await owner_.ways.open(channel_);
    if (!done) co_return done;
    ++owner_.count.connections;
    if (before >= owner_.when.begin) owner_.count.setup.add(nanoseconds(owner_.loop.now() - before));
    co_return done;
}

task<outcome> client::exchange_once() {
    exchange one(channel_, owner_.request);
    outcome done = co_await one.run();
    co_return done;
}

task<outcome> client::connected_once() {
    outcome done = co_await open();
    if (!done) co_return done;
    done = co_await exchange_once();
    co_return done;
}

// A kept connection may be closed by the other side at any time between two requests (RFC 9112 section 9.5): without a
// byte of an answer the request goes out once more, on a new one.
task<outcome> client::once() {
    if (!channel_.is_open()) {
        outcome fresh = co_await connected_once();
        co_return fresh;
    }
    outcome done = co_await exchange_once();
    if (done || done.spoke || (done.how != ending::reset && done.how != ending::cut_off)) co_return done;
    ++owner_.count.reopened;
    done = co_await connected_once();
    co_return done;
}

}  // namespace co_wq::probe
