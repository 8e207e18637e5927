// Waiters and resolvers that die, or are cancelled, while c-ares is busy for them.
#include "net/dns/connect_host.hpp"
#include "sync/deadline.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using lifetime = with_name_server;

reply held_answer(const question& asked) {
    reply both = both_families(asked);
    both.held = true;
    return both;
}

task<void> keep(task<result<address_list>> work, std::string& out) { out = text_of(co_await std::move(work)); }

task<void> until_idle(world on) {
    while (on.names.counters().in_flight > 0) co_await moments(1);
}

TEST_P(lifetime, a_cancelled_waiter_ends_at_once_and_the_late_answer_is_kept) {
    server.answer(held_answer);
    run([](world on) -> task<void> {
        counting_scope scope(on.loop);
        std::string got;
        scope.spawn(keep(on.resolve("late.example"), got));
        co_await on.server.until_asked(2);
        scope.request_stop();
        co_await scope.join();
        EXPECT_EQ(got, "stopped");
        on.server.release();
        co_await until_idle(on);
        EXPECT_EQ(text_of(co_await on.resolve("late.example")), "[2001:db8::1]:80 192.0.2.1:80");
        EXPECT_EQ(on.server.asked(), 2u);
    });
}

TEST_P(lifetime, a_waiter_destroyed_in_any_turn_leaves_nothing_behind) {
    server.answer(both_families);
    run([](world on) -> task<void> {
        for (int turns = 0; turns < 40; ++turns) {
            counting_scope scope(on.loop);
            std::string got;
            const std::string name = "host" + std::to_string(turns) + ".example";
            scope.spawn(keep(on.resolve(name.c_str()), got));
            scope.spawn(keep(on.resolve(name.c_str()), got));
            for (int i = 0; i < turns; ++i) co_await yield();
            scope.destroy_all();
        }
        co_await until_idle(on);
        EXPECT_EQ(text_of(co_await on.resolve("host39.example")), "[2001:db8::1]:80 192.0.2.1:80");
    });
}

TEST_P(lifetime, a_waiter_of_a_resolver_that_dies_ends_with_closed) {
    server.answer(held_answer);
    loop->run([](io::event_loop& here, name_server& served) -> task<void> {
        auto names = std::make_unique<resolver>(here, served.options());
        counting_scope scope(here);
        std::string first, second;
        scope.spawn(keep(names->resolve("one.example", 80), first));
        scope.spawn(keep(names->resolve("one.example", 80), second));
        co_await served.until_asked(2);
        names.reset();
        co_await scope.join();
        EXPECT_EQ(first, "closed");
        EXPECT_EQ(second, "closed");
        served.release();
    }(*loop, server));
}

TEST_P(lifetime, a_resolver_may_die_in_any_turn_of_a_query_over_udp_or_tcp) {
    server.answer([](const question& asked) -> reply {
        reply both = both_families(asked);
        both.truncated = asked.name.starts_with("big");
        return both;
    });
    loop->run([](io::event_loop& here, name_server& served) -> task<void> {
        for (int turns = 1; turns < 60; ++turns) {  // both have asked before it dies
            auto names = std::make_unique<resolver>(here, served.options());
            counting_scope scope(here);
            std::string first, second;
            scope.spawn(keep(names->resolve("big.example", 80), first));
            scope.spawn(keep(names->resolve("small.example", 80), second));
            for (int i = 0; i < turns; ++i) co_await yield();
            if (turns % 2) scope.destroy_all();
            names.reset();
            co_await scope.join();
        }
    }(*loop, server));
}

TEST_P(lifetime, a_connection_attempt_by_name_may_be_destroyed_in_any_turn) {
    server.answer([](const question& asked) -> reply {
        if (asked.type == type_aaaa) return {.records = {aaaa("::1")}};
        return {.records = {a("127.0.0.1"), a("127.0.0.2")}};
    });
    run([](world on) -> task<void> {
        result<io::socket> listener = io::test::listen_on_loopback(on.loop);
        const std::uint16_t port = listener->local_address()->port();
        auto connect = [](world here, std::string name, std::uint16_t where) -> task<void> {
            (void)co_await connect_host(here.loop, here.names, std::move(name), where, {.attempt_delay = 0ns});
        };
        for (int turns = 0; turns < 60; ++turns) {
            counting_scope scope(on.loop);
            scope.spawn(connect(on, "host" + std::to_string(turns) + ".example", port));
            for (int i = 0; i < turns; ++i) co_await yield();
            if (turns % 3 == 2) scope.request_stop();
            if (turns % 3 == 2) co_await scope.join();
            scope.destroy_all();
        }
        co_await until_idle(on);
    });
}

INSTANTIATE_TEST_SUITE_P(reactors, lifetime, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
