// Races of what waits for pipes, counters, signals and children.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "arena.hpp"
#include "io/event_counter.hpp"
#include "io/process.hpp"
#include "sync/deadline.hpp"

namespace co_wq::storm {
namespace {

using namespace std::chrono_literals;

// ---- counters: what was added is taken once

task<void> takes(const io::event_counter& from, std::uint64_t& sum, last_words& words) {
    const result<std::uint64_t> got = co_await from.take();
    if (words.say(got)) sum += *got;
}
task<void> takes_soon(const io::event_counter& from, std::uint64_t& sum) {
    last_words words;
    co_await with_timeout(2s, takes(from, sum, words));
}

report race_counters(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        const io::event_counter on = *io::event_counter::open(in.loop());
        std::uint64_t added = 0, taken = 0;
        while (in.next()) {
            const std::uint64_t more = static_cast<std::uint64_t>(1 + in.bout() % 7);
            added += more;
            in.fight(takes(on, taken, in.words), [&] { (void)on.add(more); });
            if (taken != added) in.loop().run(takes_soon(on, taken));
            in.check(taken == added, "the sum is another");
        }
    }
    return in.finish();
}

// ---- signals: each is given once, in order

task<void> gets(const io::signal_set& from, int& value, last_words& words) {
    const result<io::signal_info> got = co_await from.next();
    if (words.say(got)) value = got->value;
}
task<void> gets_soon(const io::signal_set& from, int& value) {
    last_words words;
    co_await with_timeout(2s, gets(from, value, words));
}

report race_signals(io::reactor_kind kind, long bouts) {
    io::blocked_signals blocked({SIGRTMIN + 2});
    arena in(kind, bouts);
    {
        const io::signal_set on(in.loop(), {SIGRTMIN + 2});
        const pthread_t here = ::pthread_self();  // other threads of the program do not block it
        while (in.next()) {
            const int number = static_cast<int>(in.bout());
            int got = -1;
            in.fight(gets(on, got, in.words), [&] {
                sigval with{};
                with.sival_int = number;
                (void)::pthread_sigqueue(here, SIGRTMIN + 2, with);
            });
            if (got < 0) in.loop().run(gets_soon(on, got));
            in.check(got == number, "a signal is lost, or another came");
        }
    }
    blocked.take_pending();
    return in.finish();
}

// ---- pipes: what was written is read once

struct flow {
    explicit flow(arena& in) {
        int ends[2];
        if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) std::abort();
        reader = io::pipe_reader(io::socket(in.loop(), ends[0], io::descriptor_kind::pipe));
        writer = io::pipe_writer(io::socket(in.loop(), ends[1], io::descriptor_kind::pipe));
    }
    io::pipe_reader reader;
    io::pipe_writer writer;
    unsigned char sent = 0, got = 0;
    bool in_order = true;
};

task<void> reads(flow& on, last_words& words) {
    std::byte room[8];
    const result<std::size_t> got = co_await on.reader.recv(room);
    if (!words.say(got)) co_return;
    for (std::size_t i = 0; i < *got; ++i) on.in_order &= room[i] == static_cast<std::byte>(on.got++);
}
task<void> reads_soon(flow& on) {
    last_words words;
    co_await with_timeout(2s, reads(on, words));
}

report race_pipe_reads(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        flow on(in);
        while (in.next()) {
            in.fight(reads(on, in.words), [&] {
                const unsigned char one = on.sent++;
                (void)!::write(on.writer.handle(), &one, 1);
            });
            if (on.got != on.sent) in.loop().run(reads_soon(on));
            in.check(on.got == on.sent && on.in_order, "a byte is lost, or another came");
        }
    }
    return in.finish();
}

constexpr std::size_t message_bytes = 30'000;

task<void> writes(flow& on, const std::vector<std::byte>& message, last_words& words) {
    const result<void> sent = co_await on.writer.send_all(message);
    words.say(sent);
}

// The pipe is full when the victim comes; the partner makes room.
report race_pipe_writes(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        flow on(in);
        in.ready();
        const std::vector<std::byte> message(message_bytes, std::byte{1}), filling(4096, std::byte{0});
        std::vector<std::byte> room(65536);
        while (in.next()) {
            while (::write(on.writer.handle(), filling.data(), filling.size()) > 0) {
            }
            std::size_t ones = 0;
            const auto take = [&] {
                for (ssize_t count; (count = ::read(on.reader.handle(), room.data(), room.size())) > 0;)
                    ones += static_cast<std::size_t>(std::count(room.begin(), room.begin() + count, std::byte{1}));
            };
            in.fight(writes(on, message, in.words), [&] {
                while (!in.over() && ones < message_bytes) {
                    take();
                    std::this_thread::yield();
                }
            });
            take();  // a ring's wait for room ends only when there is some
            in.settle();
            take();
            if (in.words.won) in.check(ones == message_bytes, "sent and reported differ");
            if (in.words.ended && !in.words.won)
                in.check(ones < message_bytes, "a message was written whole and called cancelled");
        }
    }
    return in.finish();
}

// ---- children: each is reaped, whoever waits

task<void> waits(const io::process& on, last_words& words) {
    const result<io::exit_status> end = co_await on.wait();
    words.say(end);
}

report race_children(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    while (in.next()) {
        result<io::process> child = io::process::spawn(in.loop(), io::command("/bin/sleep", {"1000"}));
        if (!child) {
            in.check(false, "no child");
            continue;
        }
        const int number = child->id();
        in.fight(waits(*child, in.words), [&] { ::kill(number, SIGKILL); });
        in.eventually("a killed child is not reaped", [&] { return child->ended() != nullptr; });
        if (child->ended()) in.check(child->ended()->signalled(SIGKILL), "it ended in another way");
        in.settle();
    }
    return in.finish();
}

}  // namespace

const std::vector<race>& system_races() {
    static const std::vector<race> all{
        {"take_from_counter", &race_counters}, {"next_signal", &race_signals},
        {"recv_from_pipe", &race_pipe_reads},  {"send_all_into_pipe", &race_pipe_writes},
        {"end_of_child", &race_children},
    };
    return all;
}

}  // namespace co_wq::storm
