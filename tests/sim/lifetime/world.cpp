#include "sim/lifetime/world.hpp"

namespace co_wq::sim::lifetime {

frame_mark::frame_mark(world& where) noexcept : where_(where) { ++where_.frames; }

frame_mark::~frame_mark() {
    require_alive();
    magic_ = 0;
    --where_.frames;
}

waiting::waiting(world& where, wait_kind what, const void* on) noexcept : where_(where), what_(what), on_(on) {
    where_.waits.push_back(*this);
}

waiting::waiting(world& where, op_kind kind, io::direction way, const wire_end& on) noexcept
    : where_(where), what_(wait_kind::io), kind_(kind), way_(way), handle_(on.handle), on_(&on) {
    where_.waits.push_back(*this);
}

waiting::waiting(world& where, io::native_handle listener) noexcept
    : where_(where), what_(wait_kind::io), kind_(op_kind::accept), handle_(listener) {
    where_.waits.push_back(*this);
}

waiting::~waiting() = default;

const char* waiting::overdue() const {
    switch (what_) {
        case wait_kind::io: {
            if (on_ && static_cast<const wire_end*>(on_)->closed) return "a wait outlived its socket";
            const bool due = where_.drive.network().would_serve(handle_, kind_, way_);
            return due ? "a socket is ready and its waiter was not woken" : nullptr;
        }
        case wait_kind::time: return "a sleeper was not woken";
        case wait_kind::event:
            return static_cast<const event*>(on_)->is_set() ? "an event is set and its waiter was not woken" : nullptr;
        case wait_kind::permit:
            return static_cast<const permits*>(on_)->gate.available() > 0 ? "a permit is free and somebody waits for it"
                                                                          : nullptr;
        case wait_kind::lock:
            return static_cast<const room*>(on_)->door.is_locked() ? nullptr : "a mutex is free and somebody waits";
        case wait_kind::send: {
            const auto& one = static_cast<const lane*>(on_)->values;
            return one.closed() ? "a channel is closed and a sender waits" : nullptr;
        }
        case wait_kind::recv: {
            const auto& one = static_cast<const lane*>(on_)->values;
            return one.closed() || one.size() > 0 ? "a channel has a value, or none any more, and a receiver waits"
                                                  : nullptr;
        }
        case wait_kind::first_of:
            return *static_cast<const int*>(on_) > 0 ? "one of several has ended and the others go on" : nullptr;
        case wait_kind::elsewhere: return "work elsewhere is over and its waiter was not woken";
    }
    return nullptr;
}

world::world(const request& what, unsigned loop_count)
    : dice(what.seed ^ 0x5DEECE66Dull), stops(), drive(options_of_seed(what.seed)) {
    if (what.aloud) read_aloud(drive.clock());
    static constexpr const char* names[] = {"loop 0", "loop 1", "loop 2"};
    for (unsigned index = 0; index < loop_count; ++index) {
        drive.add_loop(names[index]);
        strands.push_back(std::make_unique<strand>(loop(index)));
        accepting.push_back(false);
        auto& calls = loop(index).reactor().calls();
        const auto where = io::socket_address::loopback(static_cast<std::uint16_t>(9000 + index));
        drive.on(index, [&] {
            listeners.emplace_back(loop(index), *calls.open_listener(where, 2, false), io::descriptor_kind::listener);
        });
    }
    for (unsigned count = 0; count < 8; ++count) stops.emplace_back();
    for (unsigned count = 0; count < 2; ++count) {
        flags.emplace_back();
        rooms.emplace_back();
        gates.emplace_back(1 + count);
        lanes.emplace_back(count);
    }
}

world::~world() = default;

void world::add_wire(unsigned near_loop, unsigned far_loop) {
    const auto [near, far] = drive.network().open_pair();
    for (const auto& [handle, index] : {std::pair{near, near_loop}, std::pair{far, far_loop}}) {
        ends.emplace_back();
        wire_end& made = ends.back();
        made.id = static_cast<unsigned>(ends.size() - 1);
        made.loop = index;
        made.handle = handle;
        made.port = drive.network().local_address(handle)->port();
        drive.on(index, [&, number = handle] {
            made.socket = io::socket(loop(made.loop), number, io::descriptor_kind::stream);
        });
    }
    ends.back().peer = &ends[ends.size() - 2];
    ends[ends.size() - 2].peer = &ends.back();
}

// A close with unread bytes resets the connection.
void world::close_end(wire_end& end, bool reset) {
    if (end.closed) return;
    note("close", end.id, reset);
    end.closed = true;
    if (reset || drive.network().unread_bytes(end.handle) > 0) end.broken = true;
    if (!drive.has_loop(end.loop)) return;
    drive.on(end.loop, [&] { reset ? end.socket.reset() : end.socket.close(); });
}

victim& world::new_victim(unsigned on_loop) {
    victims.push_back(std::make_unique<victim>(loop(on_loop), on_loop));
    return *victims.back();
}

void world::check_cancelled() {
    for (const auto& one : victims)
        check(!one->cancelled || !one->must_end || one->scope.empty(), "a cancelled task goes on waiting");
}

void world::check_waits() {
    for (waiting* one = waits.first(); one; one = waits.after(*one))
        if (const char* why = one->overdue()) fail(why);
}

// What was sent is received or still on its way, unless the connection broke.
void world::check_bytes() {
    for (wire_end& one : ends) {
        io::sim_network& network = drive.network();
        if (one.closed || one.peer->closed || one.broken || one.peer->broken) continue;
        if (network.reset_seen(one.handle) || network.reset_seen(one.peer->handle)) continue;
        check(network.accepted_bytes(one.peer->port) == one.received + network.unread_bytes(one.handle),
              "bytes were lost between a socket and its waiter");
    }
    for (lane& one : lanes) check(one.sent <= one.received + one.values.size(), "a channel lost a value");
}

// In any order that the seed likes; loops last.
void world::tear_down() {
    for (auto& [index, token] : tokens)
        drive.on(index, [&, on = index] { strands[on]->queue.post(std::move(token), 17); });
    tokens.clear();
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < victims.size() + ends.size(); ++i) order.push_back(i);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[dice.below(i)]);
    for (const std::size_t number : order) {
        if (number < victims.size()) {
            victim& one = *victims[number];
            if (drive.has_loop(one.loop)) drive.on(one.loop, [&] { one.scope.destroy_all(); });
        } else {
            close_end(ends[number - victims.size()], dice.one_in(4));
        }
        if (dice.one_in(8)) (void)drive.advance(drive.clock().now() + std::chrono::milliseconds(1));
    }
    if (dice.one_in(2)) (void)drive.run_until_quiet(drive.clock().now() + std::chrono::seconds(600));
    for (unsigned index = 0; index < drive.loops(); ++index) end_loop(index);
    while (drive.clock().next_event() != no_deadline) drive.clock().step(drive.clock().next_event());
}

// All that belongs to the loop goes first, as its owner must see to.
void world::end_loop(unsigned index) {
    if (!drive.has_loop(index)) return;
    for (auto& [on, token] : tokens)
        if (on == index) drive.on(index, [&] { strands[index]->queue.post(std::move(token), 17); });
    tokens.remove_if([index](const auto& one) { return one.first == index; });
    for (auto& one : victims)
        if (one->loop == index) drive.on(index, [&] { one->scope.destroy_all(); });
    for (wire_end& one : ends)
        if (one.loop == index) close_end(one, false);
    drive.on(index, [&] { listeners[index].close(); });
    drive.destroy_loop(index);
    strands[index].reset();
}

void world::check_empty() {
    check(frames == 0, "a coroutine frame was left behind");
    check(waits.empty(), "a wait was left behind");
    check(drive.network().open_sockets() == 0, "a socket was left open");
    for (permits& one : gates) {
        check(one.held == 0, "a permit was left held");
        check(one.gate.available() == one.total, "a permit was lost or made");
    }
    for (room& one : rooms) check(!one.door.is_locked() && one.inside == 0, "a mutex was left locked");
    lanes.clear();
    check(parcels == 0, "a channel's value was lost or destroyed twice");
}

outcome world::result() {
    outcome made;
    for (unsigned index = 0; index < drive.loops(); ++index) {
        made.operations += drive.books(index).started;
        made.late += drive.books(index).late;
    }
    made.steps = steps;
    made.trace = drive.clock().trace().hash();
    return made;
}

}  // namespace co_wq::sim::lifetime
