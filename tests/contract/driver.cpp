#include "driver.hpp"

#include <utility>

#include "support/system.hpp"
#include "task/scope.hpp"
#include "task/with_stop.hpp"

namespace co_wq::contract {
namespace {

using namespace std::chrono_literals;

// Of the system or, where there is none, of the simulation.
std::size_t open_files(io::event_loop& loop) {
    if (auto* simulated = dynamic_cast<io::reactor_sim*>(&loop.reactor()))
        return simulated->network().open_sockets() + simulated->network().files().open();
    return test::open_files();
}

// What became of one waiting frame.
struct record {
    std::string text;
    bool ended = false;
    int frames = 0;
};

struct in_frame {
    explicit in_frame(record& of) : owner(of) { ++owner.frames; }
    in_frame(const in_frame&) = delete;
    ~in_frame() { --owner.frames; }
    record& owner;
};

task<void> victim(subject& on, record& into) {
    const in_frame counted(into);
    std::string text;
    try {
        std::string got = co_await on.wait();
        text = std::move(got);
    } catch (const std::exception& what) {
        text = std::string("threw ") + what.what();
    }
    into.text = std::move(text);
    into.ended = true;
}
task<void> victim_with_token(inplace_stop_token token, subject& on, record& into) {
    co_await with_stop(token, victim(on, into));
}
task<void> victim_with_timeout(subject& on, record& into) { co_await with_timeout(3ms, victim(on, into)); }
// Holds the subject until the loop dies.
task<void> victim_with_subject(std::unique_ptr<subject> on, record& into) {
    co_await victim(*on, into);
    (void)co_await sleep_for(std::chrono::hours(1));
}

// The loop's books; what must be the same before and after.
struct books {
    explicit books(io::event_loop& loop)
        : descriptors(loop.reactor().descriptors().live()),
          files(open_files(loop)),
          slots(loop.slots().live()),
          lent(loop.reactor().buffers().lent()) {}
    bool operator==(const books&) const = default;
    std::string text() const {
        return std::to_string(descriptors) + " descriptors, " + std::to_string(files) + " files, " +
               std::to_string(slots) + " slots, " + std::to_string(lent) + " blocks lent";
    }
    std::size_t descriptors, files, slots, lent;
};

// One wait in one cell, once for each moment (phase) the cell has.
class trial {
public:
    trial(const variant& what, io::event_loop& loop, const io::test::backend& on, cell at, problems& wrong)
        : what_(what), loop_(loop), on_(on), at_(at), expected_(what.expected.at(at)), wrong_(wrong) {}
    trial(const trial&) = delete;

    static int phases(cell at) {
        if (at == cell::completing) return 6;
        return at == cell::frame_destroyed ? 10 : 1;
    }

    task<void> run(int phase) {
        phase_ = phase;
        const books before(loop_);
        {
            std::unique_ptr<subject> on = what_.make({loop_, at_, simulated()});
            co_await on->set_up();
            co_await run_one(*on, before);
        }
        const bool quiet = co_await until([&] { return books(loop_) == before; });
        if (!quiet) wrong("left behind: " + books(loop_).text() + " (before: " + before.text() + ")");
        check_counters();
    }

private:
    bool simulated() const { return on_.kind == io::reactor_kind::sim; }
    int turns_to_wait(const subject& on) const { return at_ == cell::ready ? 1 : on.turns_to_wait(); }
    void wrong(const std::string& text) {
        wrong_.push_back(text + (phases(at_) > 1 ? " (phase " + std::to_string(phase_) + ")" : ""));
    }

    task<void> run_one(subject& on, const books& before) {
        const task_env& env = co_await this_task::environment();
        counting_scope scope(loop_, env.scope);
        inplace_stop_source source;
        record seen;
        scope.spawn(start(on, source.get_token(), seen), "victim");
        co_await turns(turns_to_wait(on));
        if (at_ == cell::ready && expected_.how() == expectation::kind::at_once && !seen.ended)
            wrong("was suspended, though there was nothing to wait for");
        if (on.holds() && at_ != cell::ready && seen.ended) wrong("ended too early: " + seen.text);
        counting_scope behind(loop_);
        record next;
        if (has_queue(on)) {
            behind.spawn(victim(on, next), "next");
            co_await turns(on.turns_to_wait());
            if (next.ended) wrong("the second waiter ended too early: " + next.text);
        }
        if (!simulated()) co_await check_files(on, before);
        co_await act(on, scope, source, seen);
        co_await judge(on, scope, seen);
        if (has_queue(on)) co_await judge_next(on, behind, seen, next);
        completed_ = false;
    }

    task<void> start(subject& on, inplace_stop_token token, record& into) {
        if (at_ == cell::cancel) return victim_with_token(token, on, into);
        if (at_ == cell::timeout) return victim_with_timeout(on, into);
        return victim(on, into);
    }

    task<void> act(subject& on, counting_scope& scope, inplace_stop_source& source, record& seen) {
        switch (at_) {
            case cell::complete: co_await complete(on); break;
            case cell::error: co_await on.fail(); break;
            case cell::cancel: source.request_stop(); break;
            case cell::scope_cancelled: scope.request_stop(); break;
            case cell::runtime_stopping: loop_.request_stop(); break;
            case cell::owner_closed: on.close_owner(); break;
            case cell::owner_destroyed: on.destroy_owner(); break;
            case cell::completing:
                co_await complete(on);
                co_await turns(phase_);
                scope.request_stop();
                break;
            case cell::frame_destroyed: co_await destroy_frame(on, scope, seen); break;
            default: break;  // ready, timeout: nothing to do but wait
        }
    }

    // Phase 0: it waits. 1 to 5: its result has come that many turns before (less one). 6 to 9: it was cancelled.
    task<void> destroy_frame(subject& on, counting_scope& scope, record& seen) {
        if (phase_ >= 1 && phase_ <= 5) {
            co_await complete(on);
            co_await turns(phase_ - 1);
        } else if (phase_ >= 6) {
            scope.request_stop();
            co_await turns(phase_ - 6);
        }
        const bool ended = seen.ended;
        scope.destroy_all();
        if (seen.frames != 0) wrong("the frame is still there");
        co_await turns(4);
        if (seen.ended != ended) wrong("a destroyed frame was resumed");
    }

    task<void> complete(subject& on) {
        completed_ = true;
        co_await shield(on.complete());
    }

    task<void> judge(subject& on, counting_scope& scope, record& seen) {
        if (expected_.how() == expectation::kind::outlasts) {
            co_await turns(6);
            co_await shield(nap());
            if (seen.ended && on.holds()) wrong("did not outlast it: " + seen.text);
            co_await complete(on);
        }
        if (expected_.how() != expectation::kind::gone) {
            const bool ended = co_await until([&] { return scope.empty(); });
            if (!ended) wrong("never ended");
            if (ended && !expected_.allows(seen.text)) wrong("came to '" + seen.text + "'");
        }
        scope.destroy_all();
        on.settled();
        if (seen.frames != 0) wrong("the frame is still there");
        const bool alone = at_ != cell::owner_closed && at_ != cell::owner_destroyed && at_ != cell::error;
        if (!has_result(seen) && alone && !has_queue(on)) co_await nothing_is_lost(on);
    }

    bool has_result(const record& seen) const { return seen.ended && what_.expected.complete.allows(seen.text); }

    // Another one waits behind the victim.
    bool has_queue(const subject& on) const {
        return on.shared() && (at_ == cell::cancel || at_ == cell::completing || at_ == cell::frame_destroyed);
    }
    // What the victim was given and did not take is the next one's, without a further doing.
    task<void> judge_next(subject& on, counting_scope& behind, const record& seen, record& next) {
        if (!completed_ || !on.keeps() || has_result(seen)) co_await complete(on);
        const bool ended = co_await until([&] { return behind.empty(); });
        if (!ended) wrong("lost: the one that waited behind never ended");
        if (ended && !has_result(next)) wrong("lost: the one that waited behind got '" + next.text + "'");
        behind.destroy_all();
    }

    // What came for a waiter that was stopped, or died, comes to the next.
    task<void> nothing_is_lost(subject& on) {
        counting_scope scope(loop_);
        record seen;
        scope.spawn(victim(on, seen), "next");
        co_await turns(on.turns_to_wait());
        if (!completed_ || !on.keeps()) co_await complete(on);
        const bool ended = co_await until([&] { return scope.empty(); });
        if (!ended) wrong("lost: the next waiter never ended");
        if (ended && !what_.expected.complete.allows(seen.text)) wrong("lost: the next waiter got '" + seen.text + "'");
        scope.destroy_all();
    }

    // While it waits. In a simulation connections that nobody has accepted are open, too.
    task<void> check_files(subject& on, const books& before) {
        std::size_t entries = 0, files = 0;
        const auto look = [&] {
            const books now(loop_);
            entries = now.descriptors - before.descriptors;
            files = now.files - before.files;
            return entries + on.other_files() == files;
        };
        bool same = look();
        // there, a call by name opens what it names, for a moment and on its own thread
        if (!same && on_.kind == io::reactor_kind::iocp) same = co_await until(look);
        if (!same)
            wrong(std::to_string(entries) + " descriptors are registered, " + std::to_string(files) +
                  " files are open");
    }

    // started = finished + in flight.
    void check_counters() {
        std::uint64_t armed = 0;
        loop_.slots().for_each_live([&](op_slot& slot) {
            if (slot.state() == op_state::armed || slot.state() == op_state::cancel_requested ||
                slot.state() == op_state::orphaned)
                ++armed;
        });
        const op_counters& count = loop_.slots().counters();
        if (count.started != count.finished + armed)
            wrong("started " + std::to_string(count.started) + ", finished " + std::to_string(count.finished) +
                  ", in flight " + std::to_string(armed));
        if (count.fired + count.dropped > count.finished) wrong("more results went out than came in");
    }

    const variant& what_;
    io::event_loop& loop_;
    const io::test::backend& on_;
    const cell at_;
    const expectation& expected_;
    problems& wrong_;
    int phase_ = 0;
    bool completed_ = false;
};

// Windows' reactor polls through a socket of its own, which it opens for the first wait.
task<void> open_what_stays(io::event_loop& loop) {
    if (std::string_view(loop.reactor().name()) == "iocp") (void)co_await io::test::make_connection(loop);
}

void run_in_loop(const variant& what, const io::test::backend& on, cell at, problems& wrong) {
    io::test::loop_under_test loop(on);
    loop->run(turns(2));
    loop->run(open_what_stays(*loop));
    trial one(what, *loop, on, at, wrong);
    for (int phase = 0; phase < trial::phases(at); ++phase) loop->run(one.run(phase));
}

task<void> leave_behind(io::event_loop& loop, std::unique_ptr<subject> made, record& into, int after) {
    subject& on = *made;
    co_await on.set_up();
    loop.spawn(victim_with_subject(std::move(made), into), "victim");
    co_await turns(on.turns_to_wait());
    if (after == 0) co_return;
    co_await on.complete();
    co_await turns(after - 1);
}

// The loop dies: while the frame waits, and some turns after its result has come.
void destroy_runtime(const variant& what, const io::test::backend& on, problems& wrong) {
    for (int phase = 0; phase < 5; ++phase) {
        record seen;
        {
            io::test::loop_under_test loop(on);
            const bool simulated = on.kind == io::reactor_kind::sim;
            loop->run(leave_behind(*loop, what.make({*loop, cell::runtime_destroyed, simulated}), seen, phase));
            const bool ended = seen.ended;
            loop.destroy();
            if (seen.ended != ended) wrong.push_back("a frame was resumed by a loop that dies");
        }
        if (seen.frames != 0) wrong.push_back("the frame outlived its loop");
    }
}

}  // namespace

problems play(const variant& what, const io::test::backend& on, cell at) {
    problems wrong;
    run_in_loop(what, on, at, wrong);
    return wrong;
}

problems run_cell(const variant& what, const io::test::backend& on, cell at) {
    problems wrong;
    const expectation& expected = what.expected.at(at);
    const std::size_t files = test::open_files();
    if (expected.how() == expectation::kind::none) return wrong;
    if (expected.how() == expectation::kind::faults) {
        const std::string message = fault_of(what, on, at);
        if (message.find(expected.text()) == std::string::npos) wrong.push_back("expected a fault, got: " + message);
    } else if (at == cell::runtime_destroyed) {
        destroy_runtime(what, on, wrong);
    } else {
        run_in_loop(what, on, at, wrong);
    }
    // a library's own threads close theirs a moment later
    const auto limit = std::chrono::steady_clock::now() + 1s;
    while (test::open_files() != files && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    if (test::open_files() != files) wrong.push_back("files stay open after the loop");
    return wrong;
}

}  // namespace co_wq::contract
