// load_loop: one loop's share of a load: its clients, its pacer, its figures. client: one connection's worth of
// requests.
//
// Threads: one loop's own. Lifetime: a load_loop outlives its clients.
#pragma once

#include <optional>

#include "io/event_loop.hpp"
#include "probe/connector.hpp"
#include "probe/exchange.hpp"
#include "probe/pacer.hpp"
#include "probe/tally.hpp"

namespace co_wq::probe {

// When a load warms up, is measured, and meets rude clients.
struct times {
    time_point start{}, begin{}, end{};
    time_point rude{};  // no_deadline: never
};

class load_loop {
public:
    load_loop(io::event_loop& loop, const load_options& chosen, const std::optional<net::tls::client_context>& context,
              const times& when, unsigned index);

    // A request that was to start at `due`, did so at `started` and has ended now.
    void record(time_point due, time_point started, const outcome& how);

    // What ended since the last call.
    window take_window();

    io::event_loop& loop;
    const load_options& chosen;
    const times when;
    connector ways;
    const probe::request request;
    pacer pace;
    tally count;

private:
    window window_;
};

class client {
public:
    explicit client(load_loop& owner) : owner_(owner) {}
    // Requests until the pacer has no more.
    task<void> run();

private:
    task<outcome> once();
    task<outcome> connected_once();
    task<outcome> open();
    task<outcome> exchange_once();

    load_loop& owner_;
    channel channel_;
};

}  // namespace co_wq::probe
