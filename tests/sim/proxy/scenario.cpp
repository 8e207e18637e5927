// The proxy scenario: the real proxy on one or two simulated loops; a seed decides who comes, what goes wrong and when.
// Whatever happens, no answer is another's, no byte is lost, doubled or made up, and in the end nothing is left.
#include "sim/proxy/scenario.hpp"

#include <algorithm>
#include <cstdio>

#include "base/log.hpp"
#include "sim/proxy/socks_clients.hpp"
#include "sim/proxy/world.hpp"

namespace co_wq::sim::proxy {
namespace {

enum class act : std::uint8_t { client, break_one, exhaust, forget_names, drain };

struct step {
    duration pause;
    act what = act::client;
    unsigned kind = 0;
    std::uint64_t dice = 0;
};

// Half of the worlds are calm: there every exchange must go well.
bool calm_seed(std::uint64_t seed) noexcept { return seed % 2 == 0; }

io::sim_options network_of(std::uint64_t seed) {
    io::sim_options chosen = options_of_seed(seed);
    seeded_random dice(seed + 77);
    chosen.send_buffer_bytes = std::max<std::uint32_t>(chosen.send_buffer_bytes, 2'000);
    chosen.pipes = dice.one_in(2);
    if (calm_seed(seed)) {
        chosen.no_buffers = chosen.resets = 0;
    } else {
        chosen.datagram_faults = dice.one_in(2) ? 64 : 0;
        chosen.resets = dice.one_in(3) ? 1 : 0;
        chosen.no_buffers = dice.one_in(4) ? 2 : 0;
    }
    return chosen;
}

std::vector<step> script_of(seeded_random& dice, bool calm) {
    std::vector<step> script(3 + dice.below(12));
    for (step& one : script) {
        one.pause = dice.one_in(3) ? duration::zero() : duration(std::chrono::microseconds(dice.below(20'000)));
        one.kind = static_cast<unsigned>(dice.below(client_kinds));
        one.dice = dice.next();
        if (!calm && dice.one_in(5)) one.what = static_cast<act>(1 + dice.below(3));
        if (dice.one_in(calm ? 10'000 : 60)) one.what = act::drain;
    }
    return script;
}

void play(world& where, const step& one, counting_scope& visitors) {
    switch (one.what) {
        case act::client:
            return where.drive.on(
                0, [&] { visitors.spawn(run_client(where, one.kind, one.dice), name_of_client(one.kind)); });
        case act::break_one:
            return where.drive.network().break_connection(static_cast<io::native_handle>(100 + one.dice % 40));
        case act::exhaust: {
            io::sim_options options = where.drive.network().options();
            options.exhausted = options.exhausted ? 0 : static_cast<std::uint8_t>(64 + one.dice % 128);
            return where.drive.network().set_options(options);
        }
        case act::forget_names:
            for (unsigned index = 1; index < where.servers.size(); ++index)
                where.drive.on(index, [&] { where.servers[index]->resolver().flush(); });
            return;
        case act::drain: return drain(where);
    }
}

const char* name_of(const step& one) noexcept {
    static constexpr const char* names[] = {"", "a connection breaks", "descriptors run out, or are back",
                                            "names are forgotten", "drain"};
    return one.what == act::client ? name_of_client(one.kind) : names[static_cast<unsigned>(one.what)];
}

}  // namespace

outcome run(const request& what) {
    log::set_level(log::level::off);
    world where(network_of(what.seed));
    where.calm = calm_seed(what.seed);
    if (what.aloud) read_aloud(where.drive.clock());
    seeded_random dice(what.seed * 5 + 3);
    const std::vector<step> script = script_of(dice, where.calm);
    tell_script_length(script.size());
    where.drive.add_loop("outside");
    where.scopes.push_back(std::make_unique<counting_scope>(where.outside()));
    where.drive.network().silence(silent_port);
    start_name_server(where);
    start_datagram_echo(where);
    counting_scope visitors(where.outside());
    where.drive.on(0, [&] {
        where.scopes[0]->spawn(http_origin(where, io::socket_address::ipv4({10, 0, 0, 1}, http_port)), "http origin");
        where.scopes[0]->spawn(echo_origin(where, io::socket_address::ipv4({10, 0, 0, 2}, echo_port)), "echo origin");
    });
    start_proxy(where, 1 + static_cast<unsigned>(dice.below(2)));
    for (unsigned number = 0; number < script.size(); ++number) {
        const step& one = script[number];
        if (what.only && std::find(what.only->begin(), what.only->end(), number) == what.only->end()) continue;
        where.drive.run_until(where.drive.clock().now() + one.pause);
        if (what.aloud) std::printf("step %u: %s\n", number, name_of(one));
        where.note(name_of(one), number);
        play(where, one, visitors);
    }
    end(where, visitors);
    outcome made{.trace = where.drive.clock().trace().hash(), .steps = script.size()};
    for (unsigned index = 0; index < where.drive.loops(); ++index) {
        made.operations += where.drive.books(index).started;
        made.late += where.drive.books(index).late;
    }
    return made;
}

}  // namespace co_wq::sim::proxy
