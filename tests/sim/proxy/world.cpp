#include "sim/proxy/world.hpp"

namespace co_wq::sim::proxy {
namespace {

co_wq::proxy::options proxy_options() {
    co_wq::proxy::options chosen;
    chosen.threads = 1;
    chosen.names.servers = "127.0.0.1:53";
    chosen.names.hosts_file.clear();
    chosen.names.search = false;
    return chosen;
}

task<void> run_server(world& where, unsigned index) {
    co_await where.servers[index]->run();
    --where.servers_running;
}

}  // namespace

world::world(const io::sim_options& network) : drive(network), time(drive.clock()), group(proxy_options()) {}

world::~world() = default;

io::socket_address world::proxy_at(unsigned which) const {
    return io::socket_address::loopback(static_cast<std::uint16_t>(18100 + which % doors));
}

void start_proxy(world& where, unsigned loops) {
    where.servers.emplace_back();
    where.doors = loops;
    for (unsigned index = 1; index <= loops; ++index) {
        where.drive.add_loop(index == 1 ? "proxy 0" : "proxy 1");
        where.drive.on(index, [&] {
            io::event_loop& loop = where.drive.loop(index);
            const auto listener = loop.reactor().calls().open_listener(where.proxy_at(index - 1), 128, false);
            check(listener.has_value(), "the proxy cannot listen");
            where.servers.push_back(std::make_unique<co_wq::proxy::proxy_server>(
                where.group, loop, net::tcp_listener::adopt(loop, *listener)));
            where.scopes.push_back(std::make_unique<counting_scope>(loop));
            ++where.servers_running;
            where.scopes.back()->spawn(run_server(where, index), "server");
        });
    }
}

void drain(world& where) {
    where.ending = true;
    for (unsigned index = 1; index < where.servers.size(); ++index)
        where.drive.on(index, [&] { where.servers[index]->drain(); });
}

void end(world& where, counting_scope& visitors) {
    io::sim_options calm = where.drive.network().options();
    calm.exhausted = 0;
    where.drive.network().set_options(calm);
    const auto hours = [&](int count) { return where.drive.clock().now() + std::chrono::hours(count); };
    check(where.drive.run_until_done(hours(2), [&] { return visitors.empty(); }), "a client waits for ever");
    drain(where);
    check(where.drive.run_until_done(hours(1), [&] { return where.servers_running == 0; }), "the proxy does not end");
    where.drive.on(0, [&] { where.scopes[0]->destroy_all(); });
    for (unsigned index = 1; index < where.servers.size(); ++index)
        where.drive.on(index, [&] {
            where.scopes[index].reset();
            where.servers[index].reset();
        });
    for (unsigned index = 0; index < where.drive.loops(); ++index) where.drive.destroy_loop(index);
    where.scopes[0].reset();
    while (where.drive.clock().next_event() != no_deadline)
        (void)where.drive.clock().step(where.drive.clock().next_event());
    check(where.drive.network().open_sockets() == 0, "a socket was left open");
}

}  // namespace co_wq::sim::proxy
