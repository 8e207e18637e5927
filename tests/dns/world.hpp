// A loop, a name server on it and a resolver that asks it, for tests on each backend.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "../io/reactors.hpp"
#include "name_server.hpp"
#include "net/dns/resolver.hpp"
#include "sim/virtual_time.hpp"
#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::net::dns::test {

using namespace std::chrono_literals;

struct world {
    io::event_loop& loop;
    name_server& server;
    resolver& names;

    auto resolve(const char* host, families wanted = families::any) { return names.resolve(host, 80, wanted); }
};

// c-ares asks the system what time it is; in a simulation that must be the loop's.
class time_of_loop {
public:
    explicit time_of_loop(io::event_loop& loop) {
        auto* simulated = dynamic_cast<io::reactor_sim*>(&loop.reactor());
        if (simulated) time_.emplace(simulated->network().clock());
    }

private:
    std::optional<sim::virtual_time> time_;
};

// Lets the loop turn, and simulated time pass.
inline task<void> moments(int count) {
    for (int i = 0; i < count; ++i) {
        (void)co_await sleep_for(100us);
        co_await yield();
    }
}

class with_name_server : public testing::TestWithParam<io::test::backend> {
protected:
    // Runs the coroutine with a resolver whose options `change` may adjust.
    void run(task<void> (*body)(world), void (*change)(resolver_options&) = nullptr) {
        resolver_options options = server.options();
        if (change) change(options);
        resolver names(*loop, options);
        loop->run(body(world{*loop, server, names}));
    }

    io::test::loop_under_test loop{GetParam()};
    time_of_loop time{*loop};
    name_server server{*loop};
};

using io::test::every_reactor;
// Where a test needs the kernel's own network.
inline const auto real_reactors = io::test::every_kernel;

// "[2001:db8::1]:80 192.0.2.1:80", or the error.
inline std::string text_of(const result<address_list>& found) {
    if (!found) return found.error().message();
    std::string text;
    for (const auto& one : *found) text += (text.empty() ? "" : " ") + one.text();
    return text;
}

// One A and one AAAA record for every name.
inline reply both_families(const question& asked) {
    if (asked.type == type_aaaa) return {.records = {aaaa("2001:db8::1")}};
    return {.records = {a("192.0.2.1")}};
}

}  // namespace co_wq::net::dns::test
