// The lifetime scenario: a seed makes a script of victims and killers, the world plays it, and afterwards every wait
// must be rightful and nothing may be left.
#include "sim/lifetime/scenario.hpp"

#include <algorithm>
#include <cstdio>

#include "sim/lifetime/actors.hpp"

namespace co_wq::sim::lifetime {
namespace {

enum class act : std::uint8_t {
    start,
    destroy,
    cancel,
    close,
    reset,
    shut,
    set_flag,
    clear_flag,
    shut_lane,
    stop,
    post_token,
    break_wire,
    end_loop,
    exhaust,
    close_listener,
    hire
};

struct step {
    duration pause;
    act what;
    unsigned first, second, third;
};

const char* name_of(act what) noexcept {
    static constexpr const char* names[] = {
        "start",        "destroy",    "cancel",      "close end",           "reset end",
        "shut end",     "set event",  "reset event", "close channel",       "request stop",
        "post token",   "break wire", "end loop",    "exhaust descriptors", "close listener",
        "hire assassin"};
    return names[static_cast<unsigned>(what)];
}

// What a seed is about: a few kinds of errands and some of the killers, so that they meet; now and then all of them.
struct mix {
    explicit mix(seeded_random& dice) {
        const bool all = dice.one_in(4);
        const std::uint64_t favourites = 1 + dice.below(3);
        for (std::uint64_t i = 0; i < favourites; ++i) errands.push_back(favourite(dice));
        // what waits for somebody needs him
        static constexpr std::pair<unsigned, unsigned> partners[] = {{0, 3}, {1, 2},   {3, 0},   {2, 1},   {4, 1},
                                                                     {5, 2}, {10, 11}, {11, 10}, {12, 13}, {13, 12}};
        for (const auto& [one, other] : partners)
            if (errands.front() == one) errands.push_back(other);
        if (all) errands.clear();
        static constexpr std::pair<act, unsigned> weights[] = {
            {act::destroy, 5}, {act::cancel, 4},         {act::hire, 6},       {act::close, 1},
            {act::reset, 1},   {act::shut, 2},           {act::set_flag, 2},   {act::clear_flag, 1},
            {act::stop, 3},    {act::shut_lane, 1},      {act::post_token, 2}, {act::break_wire, 1},
            {act::exhaust, 1}, {act::close_listener, 1}, {act::end_loop, 2}};
        for (const auto& [what, weight] : weights)
            if (dice.one_in(2) || what == act::set_flag) killers.insert(killers.end(), weight, what);
    }
    // What the kernel may hold, and what is handed from one waiter to the next, more often than its share.
    static unsigned favourite(seeded_random& dice) {
        static constexpr unsigned held[] = {2, 3, 4, 12, 13, errand_elsewhere};
        static constexpr unsigned handed[] = {7, 8, 8, 9, 9, 10, 11, 19, 20, 20};
        switch (dice.below(3)) {
            case 0: return held[dice.below(std::size(held))];
            case 1: return handed[dice.below(std::size(handed))];
            default: return static_cast<unsigned>(dice.below(errand_kinds));
        }
    }
    act choose(seeded_random& dice) const {
        return killers.empty() || dice.below(8) < 5 ? act::start : killers[dice.below(killers.size())];
    }
    unsigned errand_kind(seeded_random& dice) const {
        return errands.empty() ? static_cast<unsigned>(dice.below(errand_kinds)) : errands[dice.below(errands.size())];
    }
    bool wants(unsigned kind) const { return std::find(errands.begin(), errands.end(), kind) != errands.end(); }
    std::vector<unsigned> errands;  // empty: all
    std::vector<act> killers;
};

std::vector<step> script_of(seeded_random& dice, const mix& chosen) {
    std::vector<step> script(10 + dice.below(40));
    const std::uint64_t pauses = dice.one_in(2) ? 120 : 400;
    for (step& one : script) {
        one.pause = std::chrono::microseconds(dice.one_in(2) ? 0 : dice.below(pauses));
        one.what = chosen.choose(dice);
        one.first = static_cast<unsigned>(dice.below(1u << 20));
        one.second = static_cast<unsigned>(dice.below(1u << 20));
        one.third = chosen.errand_kind(dice);
    }
    return script;
}

void on_end(world& here, const step& one) {
    wire_end& end = here.end(one.first);
    switch (one.what) {
        case act::close: return here.close_end(end, false);
        case act::reset: return here.close_end(end, true);
        case act::shut:
            if (end.closed || !here.drive.has_loop(end.loop)) return;
            if (!std::exchange(end.shut, true))
                end.may_still_go =
                    here.drive.network().accepted_bytes(end.port) + here.drive.network().room(end.handle);
            return here.drive.on(end.loop, [&] { (void)end.socket.shutdown_send(); });
        case act::break_wire:
            if (end.closed) return;
            end.broken = true;
            return here.drive.network().break_connection(end.handle);
        default: return;
    }
}

// A few turns, or some time: the next step comes while things are under way.
void let_time_pass(world& here, duration pause) {
    const time_point until = here.drive.clock().now() + pause;
    if (pause == duration::zero()) {
        for (std::uint64_t turns = here.dice.below(3); turns > 0; --turns) (void)here.drive.advance(until);
    } else {
        while (here.drive.clock().now() < until && here.drive.advance(until)) {
        }
    }
}

void post_token(world& here, unsigned which) {
    if (here.tokens.empty()) return;
    const auto at = std::next(here.tokens.begin(), static_cast<int>(which % here.tokens.size()));
    const unsigned index = at->first;
    completion token = std::move(at->second);
    here.tokens.erase(at);
    here.drive.on(index, [&] { here.strands[index]->queue.post(std::move(token), 17); });
}

void play(world& here, const step& one) {
    const auto loop = one.second % static_cast<unsigned>(here.drive.loops());
    switch (one.what) {
        case act::start: {
            if (!here.drive.has_loop(loop)) return;
            victim& made = here.new_victim(loop);
            return here.drive.on(loop, [&] {
                made.scope.spawn(run_errand(here, loop, {one.third, one.first, one.second, &made}),
                                 name_of_errand(one.third));
                made.must_end = one.third != errand_token && one.third != errand_family && one.third != errand_shielded;
                // an ambush: in the same turn, between what the errand does and whom it wakes
                if (one.second % 6 == 0) here.loop(loop).spawn(assassin(here, one.first / 8, 3 + one.second), "ambush");
            });
        }
        case act::destroy: return kill_victims(here, one.first, 1 + one.second % 4, one.second % 3 == 0, true);
        case act::cancel: return kill_victims(here, one.first, 1 + one.second % 4, true, one.second % 3 == 0);
        case act::hire: {
            if (!here.drive.has_loop(loop)) return;
            return here.drive.on(loop,
                                 [&] { here.loop(loop).spawn(assassin(here, one.first, one.second), "assassin"); });
        }
        case act::set_flag: return here.drive.on(0, [&] { here.flags[one.first % here.flags.size()].set(); });
        case act::clear_flag: return here.flags[one.first % here.flags.size()].reset();
        case act::shut_lane: return here.drive.on(0, [&] { here.lanes[one.first % here.lanes.size()].values.close(); });
        case act::stop:
            return here.drive.on(0, [&] {
                for (unsigned i = 0; i <= one.second % 3; ++i)
                    (void)here.stops[(one.first + i) % here.stops.size()].request_stop();
                if (one.second % 4 == 0) kill_victims(here, one.first, 2, false, true);
            });
        case act::post_token: return post_token(here, one.first);
        case act::end_loop:
            if (loop == 0) return;
            here.end_loop(loop);
            // whoever waited for work there has not heard of it yet
            return one.second % 2 ? kill_victims(here, one.first, 4, one.first % 3 != 0, one.first % 3 == 0) : void();
        case act::close_listener:
            return here.drive.has_loop(loop) ? here.drive.on(loop, [&] { here.listeners[loop].close(); }) : void();
        case act::exhaust: {
            io::sim_options options = here.drive.network().options();
            options.exhausted = options.exhausted ? 0 : 200;
            return here.drive.network().set_options(options);
        }
        default: return on_end(here, one);
    }
}

// Victims go on finding work for a while after the last step; then the world must come to rest by itself.
void settle(world& here) {
    io::sim_options calm = here.drive.network().options();
    calm.exhausted = calm.no_buffers = calm.resets = 0;
    here.drive.network().set_options(calm);
    here.drive.run_until(here.drive.clock().now() + std::chrono::milliseconds(100));
    here.check_cancelled();
    check(here.drive.run_until_quiet(here.drive.clock().now() + std::chrono::seconds(3600)),
          "the world did not come to rest");
    here.check_waits();
    here.check_bytes();
}

}  // namespace

outcome run(const request& what) {
    seeded_random dice(what.seed);
    const mix chosen(dice);
    const bool several = chosen.wants(errand_elsewhere) || dice.one_in(3);
    const auto loops = static_cast<unsigned>(several ? 2 + dice.below(2) : 1);
    world here(what, loops);
    for (std::uint64_t wires = 1 + dice.below(3); wires > 0; --wires)
        here.add_wire(static_cast<unsigned>(dice.below(loops)), static_cast<unsigned>(dice.below(loops)));
    const std::vector<step> script = script_of(dice, chosen);
    here.steps = script.size();
    tell_script_length(script.size());
    for (unsigned number = 0; number < script.size(); ++number) {
        const step& one = script[number];
        if (what.only && std::find(what.only->begin(), what.only->end(), number) == what.only->end()) continue;
        let_time_pass(here, one.pause);
        if (what.aloud)
            std::printf("step %u: %s %s\n", number, name_of(one.what),
                        one.what == act::start ? name_of_errand(one.third) : "");
        here.note(name_of(one.what), number);
        play(here, one);
    }
    settle(here);
    here.tear_down();
    here.check_empty();
    return here.result();
}

}  // namespace co_wq::sim::lifetime
