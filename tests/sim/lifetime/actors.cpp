#include "sim/lifetime/actors.hpp"

#include <array>
#include <cerrno>

#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "sync/with_scope.hpp"
#include "task/run_on.hpp"
#include "task/when.hpp"
#include "task/with_stop.hpp"

namespace co_wq::sim::lifetime {
namespace {

// A direction of a stream that one victim uses at a time.
class occupied {
public:
    explicit occupied(bool& place) noexcept : place_(place) { place_ = true; }
    occupied(const occupied&) = delete;
    occupied& operator=(const occupied&) = delete;
    ~occupied() { place_ = false; }

private:
    bool& place_;
};

// Few different ones, so that they meet; and some that only a cancellation ends in time.
duration some_time(unsigned amount) noexcept {
    if (amount % 7 == 0) return std::chrono::seconds(10);
    return std::chrono::microseconds(10 + 60 * (amount % 9));
}

// Whether an operation may end with this. gone: the object it waits on is closed.
bool expected(errc code, const errand& what, bool gone) noexcept {
    if (code == errc::closed) return gone;
    if (code != errc::stopped && code != errc::timed_out) return false;
    return !what.owner || what.owner->cancelled;
}

void took(world& where, wire_end& end, const_bytes data) {
    check(end.peer != nullptr, "bytes from nowhere");
    for (const std::byte one : data) {
        check(one == pattern(end.peer->id, end.received), "a stream delivered other bytes than were sent");
        ++end.received;
    }
    where.note("took", end.id, static_cast<std::int64_t>(end.received));
}

// The end of the stream came: everything sent must have come before.
void ended(world& where, wire_end& end) {
    where.note("eof", end.id);
    if (end.broken || end.peer->broken || where.drive.network().reset_seen(end.handle)) return;
    check(end.received == where.drive.network().accepted_bytes(end.peer->port),
          "the end of a stream came before all its bytes");
}

void stream_failed(wire_end& end, error what, const errand& why) {
    if (expected(what.code(), why, end.closed)) return;
    if (what == errc::connection_reset || what == errc::broken_pipe) {
        end.broken = true;
        return;
    }
    check(what == errc::no_buffers, "a stream failed for no known reason");
}

task<void> read_some(world& where, wire_end& end, unsigned how, unsigned size, errand why) {
    frame_mark mark(where);
    if (end.closed || end.reading) co_return;
    const occupied here(end.reading);
    const waiting noted(where, op_kind::recv, io::direction::read, end);
    if (how == 0) {
        std::array<std::byte, 700> room;
        const result<std::size_t> got = co_await end.socket.recv(bytes(room).first(1 + size % room.size()));
        mark.require_alive();
        if (!got) co_return stream_failed(end, got.error(), why);
        if (*got == 0) co_return ended(where, end);
        took(where, end, bytes(room).first(*got));
    } else {
        const result<io::lease> got = co_await end.socket.recv_lease(1 + size % 4000);
        mark.require_alive();
        if (!got) co_return stream_failed(end, got.error(), why);
        if (got->empty()) co_return ended(where, end);
        took(where, end, got->data());
    }
}

task<void> read_all(world& where, wire_end& end, unsigned how, errand why) {
    frame_mark mark(where);
    for (unsigned round = 0; round <= why.second % 4; ++round) {
        co_await read_some(where, end, how, 16 << round, why);
        mark.require_alive();
    }
}

// Ending our direction may not overtake a send that had begun and has room.
void check_not_overtaken(world& where, wire_end& end, bool shut_before, std::uint64_t until, error what) {
    if (what != errc::broken_pipe || shut_before || !end.shut || end.broken || end.peer->closed) return;
    if (where.drive.network().reset_seen(end.handle)) return;
    check(until > end.may_still_go, "the end of a direction overtook a send");
}

task<void> write_some(world& where, wire_end& end, unsigned how, errand why, unsigned size) {
    frame_mark mark(where);
    if (end.closed || end.writing) co_return;
    const occupied here(end.writing);
    // most are small enough for the kernel to perform; some fill the socket
    std::vector<std::byte> data(size % 5 == 0 ? 3000 + size * 3 % 9000 : 1 + size % 900);
    const std::uint64_t from = where.drive.network().accepted_bytes(end.port);
    const bool shut_before = end.shut;
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = pattern(end.id, from + i);
    const waiting noted(where, op_kind::send, io::direction::write, end);
    const const_bytes all(data);
    result<void> sent;
    if (how == 0) {
        const result<std::size_t> some = co_await end.socket.send(all);
        if (!some) sent = std::unexpected(some.error());
    } else if (how == 1) {
        sent = co_await end.socket.send_all(all);
    } else {
        const std::size_t cut = data.size() / 3;
        sent = co_await end.socket.send_all(
            std::array<const_bytes, 3>{all.first(cut), all.subspan(cut, cut), all.subspan(2 * cut)});
    }
    mark.require_alive();
    if (!sent) {
        check_not_overtaken(where, end, shut_before, from + data.size(), sent.error());
        co_return stream_failed(end, sent.error(), why);
    }
    if (how != 0 && !end.closed && !end.broken)
        check(where.drive.network().accepted_bytes(end.port) >= from + data.size(), "a send ended before its bytes");
}

task<void> write_all(world& where, wire_end& end, unsigned how, errand why) {
    frame_mark mark(where);
    for (unsigned round = 0; round <= why.first % 4; ++round) {
        co_await write_some(where, end, how, why, why.second + round);
        mark.require_alive();
    }
}

task<void> poll_stream(world& where, wire_end& end, unsigned way, errand why) {
    frame_mark mark(where);
    const auto which = static_cast<io::direction>(way % 4);
    bool& place = which == io::direction::write ? end.writing : end.reading;
    if (end.closed || place) co_return;
    const occupied here(place);
    const waiting noted(where, op_kind::poll, which, end);
    const result<void> ready = co_await end.socket.ready(which);
    mark.require_alive();
    if (!ready) co_return stream_failed(end, ready.error(), why);
}

task<void> pause(world& where, unsigned amount, errand why) {
    frame_mark mark(where);
    const waiting noted(where, wait_kind::time, nullptr);
    const time_point due = workqueue::current()->now() + some_time(amount);
    const result<void> slept = co_await sleep_for(some_time(amount));
    mark.require_alive();
    check(!slept || workqueue::current()->now() >= due, "a sleep ended early");
    check(slept || expected(slept.error().code(), why, false), "a sleep ended by nobody's will");
}

task<void> wait_flag(world& where, event& flag, errand why) {
    frame_mark mark(where);
    const waiting noted(where, wait_kind::event, &flag);
    const result<void> came = co_await flag.wait();
    mark.require_alive();
    check(came || expected(came.error().code(), why, false), "an event's wait ended by nobody's will");
}

struct held_permit {
    explicit held_permit(permits& from) noexcept : gate(from) { ++gate.held; }
    held_permit(const held_permit&) = delete;
    held_permit& operator=(const held_permit&) = delete;
    ~held_permit() {
        --gate.held;
        gate.gate.release();
    }
    permits& gate;
};

task<void> hold_permit(world& where, permits& gate, errand why) {
    frame_mark mark(where);
    {
        const waiting noted(where, wait_kind::permit, &gate);
        const result<void> taken = co_await gate.gate.acquire();
        mark.require_alive();
        if (!taken) co_return check(expected(taken.error().code(), why, false), "a permit was refused");
    }
    const held_permit held(gate);
    check(gate.held <= gate.total, "more permits are held than there are");
    co_await pause(where, why.second, why);
    mark.require_alive();
}

struct inside {
    explicit inside(room& of) noexcept : where(of) { ++where.inside; }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    ~inside() { --where.inside; }
    room& where;
};

task<void> hold_lock(world& where, room& one, errand why) {
    frame_mark mark(where);
    std::optional<waiting> noted;
    noted.emplace(where, wait_kind::lock, &one);
    const result<mutex::guard> held = co_await one.door.lock();
    mark.require_alive();
    noted.reset();
    if (!held) co_return check(expected(held.error().code(), why, false), "a lock was refused");
    const inside here(one);
    check(one.inside == 1, "two are inside a mutex");
    co_await pause(where, why.second, why);
    mark.require_alive();
}

task<void> put_value(world& where, lane& into, errand why) {
    frame_mark mark(where);
    const waiting noted(where, wait_kind::send, &into);
    const result<void> sent = co_await into.values.send(parcel(where.parcels, ++into.next_number));
    mark.require_alive();
    if (sent) ++into.sent;
    check(sent || expected(sent.error().code(), why, into.values.closed()), "a channel's send failed");
}

task<void> take_value(world& where, lane& from, errand why) {
    frame_mark mark(where);
    const waiting noted(where, wait_kind::recv, &from);
    const result<parcel> got = co_await from.values.recv();
    mark.require_alive();
    if (!got) co_return check(expected(got.error().code(), why, from.values.closed()), "a channel's recv failed");
    check(got->number() != 0, "a channel gave a value that was never sent");
    ++from.received;
}

task<void> accept_one(world& where, unsigned loop, errand why) {
    frame_mark mark(where);
    if (!where.listeners[loop].is_open() || where.accepting[loop]) co_return;
    io::socket& listener = where.listeners[loop];
    const occupied here(where.accepting[loop]);
    const waiting noted(where, listener.handle());
    const result<io::socket> got = co_await listener.accept();
    mark.require_alive();
    check(got || got.error() == errc::too_many_files || expected(got.error().code(), why, !listener.is_open()),
          "an accept failed");
    if (got) co_await pause(where, why.second, why);
}

task<void> dial(world& where, unsigned loop, errand why) {
    frame_mark mark(where);
    io::event_loop& here = where.loop(loop);
    result<io::native_handle> handle = here.reactor().calls().open_stream(io::address_family::ipv4);
    if (!handle) co_return;
    io::socket made(here, *handle, io::descriptor_kind::stream);
    io::socket_address peer = io::socket_address::loopback(static_cast<std::uint16_t>(9000 + why.second % 3));
    const waiting noted(where, wait_kind::elsewhere, nullptr);
    const result<void> connected = co_await made.connect(peer);
    mark.require_alive();
    if (connected) co_await pause(where, why.first, why);
}

task<void> in_strand(world& where, strand& one, unsigned amount) {
    frame_mark mark(where);
    for (unsigned round = 0; round <= amount % 3; ++round) {
        co_await one.queue.schedule();
        mark.require_alive();
        check(one.queue.running_here(), "a strand runs its tasks inside itself");
        check(!one.busy, "two run in one strand");
    }
}

task<void> call_in_strand(world& where, strand& one) {
    frame_mark mark(where);
    auto call = [&one] {
        check(!std::exchange(one.busy, true), "two run in one strand");
        one.busy = false;
        return 42;
    };
    const waiting noted(where, wait_kind::elsewhere, nullptr);
    const int answer = co_await one.queue.run(call);
    mark.require_alive();
    check(answer == 42, "a strand's result was lost");
}

task<void> owed_token(world& where, unsigned loop) {
    frame_mark mark(where);
    auto start = [&where, loop](completion done) { where.tokens.emplace_back(loop, std::move(done)); };
    const int answer = co_await await_completion("owed token", start);
    mark.require_alive();
    check(answer == 17, "a completion's result was lost");
}

// So much that is ready at once that the task has to give way in between.
task<void> chatter(world& where, wire_end& end, errand why) {
    frame_mark mark(where);
    for (int round = 0; round < 70; ++round) co_await poll_stream(where, end, 1, why);
    mark.require_alive();
}

task<void> deep(world& where, unsigned loop, errand what, int depth) {
    frame_mark mark(where);
    if (depth < 12) {
        co_await deep(where, loop, what, depth + 3);
    } else {
        co_await run_errand(where, loop, {what.first % simple_errands, what.second, what.first}, 9);
    }
    mark.require_alive();
}

task<void> family(world& where, unsigned loop, errand what, int depth) {
    frame_mark mark(where);
    counting_scope inner(where.loop(loop));
    for (unsigned child = 0; child < 2; ++child)
        inner.spawn(run_errand(where, loop,
                               {(what.first + child * 5) % simple_errands, what.second + child, what.first}, depth + 1),
                    "child");
    co_await inner.join();
    mark.require_alive();
}

task<void> elsewhere(world& where, unsigned loop, errand what, int depth) {
    frame_mark mark(where);
    const auto other = static_cast<unsigned>((loop + 1) % where.drive.loops());
    if (!where.drive.has_loop(other) || other == loop) co_return;
    try {
        co_await run_on(where.loop(other),
                        run_errand(where, other, {what.first % simple_errands, what.second, what.first}, depth + 1));
    } catch (const std::exception&) {  // that loop has gone
    }
    mark.require_alive();
}

}  // namespace

const char* name_of_errand(unsigned kind) noexcept {
    static constexpr const char* names[errand_kinds] = {
        "recv",   "recv lease",  "send",      "send_all", "send parts", "poll",     "sleep",
        "event",  "permit",      "lock",      "put",      "take",       "accept",   "connect",
        "strand", "strand call", "token",     "when_any", "when_all",   "deadline", "stop token",
        "deep",   "family",      "elsewhere", "shielded", "chatter"};
    return names[kind % errand_kinds];
}

namespace {

task<void> one_of_several(world& where, unsigned loop, errand what, int depth, int& ended) {
    co_await run_errand(where, loop, what, depth);
    ++ended;
}

task<void> composed(world& where, unsigned loop, errand what, int depth) {
    const errand one{what.first % simple_errands, what.second, what.first};
    const errand other{what.second % simple_errands, what.first, what.second};
    switch (what.kind) {
        case 17: {
            int ended = 0;
            const waiting noted(where, wait_kind::first_of, &ended);
            (void)co_await when_any(one_of_several(where, loop, one, depth + 1, ended),
                                    one_of_several(where, loop, other, depth + 1, ended));
            break;
        }
        case 18: {
            (void)co_await when_all(run_errand(where, loop, one, depth + 1), run_errand(where, loop, other, depth + 1));
            break;
        }
        case 19: {
            const duration limit = some_time(what.second % 2 * what.second);
            co_await with_timeout(limit, run_errand(where, loop, one, depth + 1));
            break;
        }
        case 20: {
            inplace_stop_source& source = where.stops[what.second % where.stops.size()];
            co_await with_stop(source.get_token(), run_errand(where, loop, one, depth + 1));
            break;
        }
        default: break;
    }
    if (what.kind == errand_deep) co_await deep(where, loop, what, 0);
    if (what.kind == errand_family) co_await family(where, loop, what, depth);
    if (what.kind == errand_elsewhere) co_await elsewhere(where, loop, what, depth);
    if (what.kind == errand_shielded) co_await shield(run_errand(where, loop, {6, what.first, what.second}, depth + 1));
}

}  // namespace

// Victims one after the other, the oldest first: what one of them lets go may be the next one's.
void kill_victims(world& where, unsigned first, unsigned count, bool cancel, bool destroy) {
    const auto all = static_cast<unsigned>(where.victims.size());
    if (all == 0) return;
    const unsigned recent = first % 4 ? std::min(all, 6u) : all;
    for (unsigned at = all - 1 - (first / 4) % recent; at < all && count > 0; ++at, --count) {
        victim& one = *where.victims[at];
        if (!where.drive.has_loop(one.loop)) continue;
        where.drive.on(one.loop, [&] {
            if (cancel) {
                one.cancelled = true;
                one.scope.request_stop(first % 2 ? errc::stopped : errc::timed_out);
            }
            if (destroy) one.scope.destroy_all();
        });
    }
}

task<void> assassin(world& where, unsigned first, unsigned second) {
    frame_mark mark(where);
    if (second % 3 != 0) (void)co_await sleep_for(some_time(1 + second % 6));
    mark.require_alive();
    where.note("assassin", first, second);
    if (second % 7 == 0) (void)where.stops[first % where.stops.size()].request_stop();
    if (second % 5 == 0) where.flags[first % where.flags.size()].set();
    kill_victims(where, first, 1 + second % 4, second % 2 == 0, second % 4 != 0);
}

task<void> run_errand(world& where, unsigned loop, errand what, int depth) {
    frame_mark mark(where);
    where.note(name_of_errand(what.kind), what.first % 64, what.second % 64);
    // a stream belongs to its loop
    wire_end* end = &where.end(what.first);
    for (std::size_t tries = 0; end->loop != loop && tries < where.ends.size(); ++tries) end = &where.end(end->id + 1);
    if ((what.kind < 6 || what.kind == errand_chatter) && end->loop != loop) co_return;
    strand& serial = *where.strands[loop];
    switch (what.kind) {
        case 0: co_await read_all(where, *end, 0, what); break;
        case 1: co_await read_all(where, *end, 1, what); break;
        case 2: co_await write_all(where, *end, 0, what); break;
        case 3: co_await write_all(where, *end, 1, what); break;
        case 4: co_await write_all(where, *end, 2, what); break;
        case 5: co_await poll_stream(where, *end, what.second, what); break;
        case 6: co_await pause(where, what.second, what); break;
        case 7: co_await wait_flag(where, where.flags[what.first % where.flags.size()], what); break;
        case 8: co_await hold_permit(where, where.gates[what.first % where.gates.size()], what); break;
        case 9: co_await hold_lock(where, where.rooms[what.first % where.rooms.size()], what); break;
        case 10: co_await put_value(where, where.lanes[what.first % where.lanes.size()], what); break;
        case 11: co_await take_value(where, where.lanes[what.first % where.lanes.size()], what); break;
        case 12: co_await accept_one(where, loop, what); break;
        case 13: co_await dial(where, loop, what); break;
        case 14: co_await in_strand(where, serial, what.second); break;
        case 15: co_await call_in_strand(where, serial); break;
        case errand_token: co_await owed_token(where, loop); break;
        case errand_chatter: co_await chatter(where, *end, what); break;
        default:
            if (depth < 3) co_await composed(where, loop, what, depth);
            break;
    }
    mark.require_alive();
}

}  // namespace co_wq::sim::lifetime
