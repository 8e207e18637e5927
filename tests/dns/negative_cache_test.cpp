// How long it is remembered that there is nothing, or that nobody could say; what stands in meanwhile.
#include "task/when.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using negative = with_name_server;

constexpr families v4 = families::ipv4_only;

TEST_P(negative, what_is_not_there_is_kept_as_long_as_its_zone_says) {
    server.answer([](const question& asked) -> reply {
        if (asked.name == "none.example") return {.authority = {soa(2)}, .rcode = nxdomain};
        if (asked.name == "bare.example") return {.authority = {soa(600, 2)}};
        return {.rcode = nxdomain};
    });
    run([](world on) -> task<void> {
        for (int round = 0; round < 2; ++round) {
            EXPECT_EQ(text_of(co_await on.resolve("none.example", v4)), "name not found");
            EXPECT_EQ(text_of(co_await on.resolve("bare.example", v4)), "name has no such data");
        }
        EXPECT_EQ(on.server.asked(), 2u);
        EXPECT_EQ(on.names.counters().negative, 2u);
        EXPECT_EQ(on.names.counters().not_found, 1u);
        EXPECT_EQ(on.names.counters().negative_hits, 2u);
        (void)co_await sleep_for(2100ms);
        EXPECT_EQ(text_of(co_await on.resolve("none.example", v4)), "name not found");
        EXPECT_EQ(text_of(co_await on.resolve("bare.example", v4)), "name has no such data");
        EXPECT_EQ(on.server.asked(), 4u);
    });
}

TEST_P(negative, the_options_bound_what_zones_say) {
    server.answer([](const question& asked) -> reply {
        return {.authority = {soa(asked.name == "brief.example" ? 0 : 0x7fffffff, 0x7fffffff)}, .rcode = nxdomain};
    });
    run(
        [](world on) -> task<void> {
            for (int i = 0; i < 2; ++i) (void)co_await on.resolve("brief.example", v4);
            EXPECT_EQ(on.server.asked(), 1u);
        },
        [](resolver_options& options) { options.negative_ttl_min = 1h; });
    run(
        [](world on) -> task<void> {
            for (int i = 0; i < 2; ++i) (void)co_await on.resolve("endless.example", v4);
            EXPECT_EQ(on.server.asked(), 3u);
        },
        [](resolver_options& options) { options.negative_ttl_min = options.negative_ttl_max = 0ns; });
}

TEST_P(negative, types_are_told_apart_because_servers_deny_names_that_have_other_types) {
    server.answer([](const question& asked) -> reply {
        if (asked.type == type_a) return {.records = {a("192.0.2.1")}};
        return {.authority = {soa(600)}, .rcode = nxdomain};
    });
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("four.example", families::ipv6_only)), "name not found");
        EXPECT_EQ(text_of(co_await on.resolve("four.example")), "192.0.2.1:80");
    });
}

// In virtual time: it takes five minutes.
using negative_for_minutes = with_name_server;

TEST_P(negative_for_minutes, failures_are_kept_shortly_and_never_longer_than_five_minutes) {
    server.answer([](const question&) -> reply { return {.rcode = servfail}; });
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("x.example", v4)), "name server failed");
            (void)co_await sleep_for(299s);
            EXPECT_EQ(text_of(co_await on.resolve("x.example", v4)), "name server failed");
            EXPECT_EQ(on.server.asked(), 1u);
            (void)co_await sleep_for(2s);
            EXPECT_EQ(text_of(co_await on.resolve("x.example", v4)), "name server failed");
            EXPECT_EQ(on.server.asked(), 2u);
        },
        [](resolver_options& options) { options.failure_ttl = 24h; });
}

TEST_P(negative_for_minutes, a_long_patience_wakes_nobody) {
    server.answer([](const question&) -> reply { return {.silent = true}; });
    run(
        [](world on) -> task<void> {
            const std::uint64_t before = io::event_loop::current().turns();
            EXPECT_EQ(text_of(co_await on.resolve("x.example", v4)), "timed out");
            EXPECT_LT(io::event_loop::current().turns() - before, 1000u);
        },
        [](resolver_options& options) {
            options.query_timeout = 60s;
            options.tries = 2;
        });
}

TEST_P(negative, a_referral_is_no_denial) {
    server.answer(
        [](const question&) -> reply { return {.authority = {ns("ns.example", "example")}, .recursive = false}; });
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("www.example", v4)), "name server failed");
        EXPECT_EQ(on.names.counters().failures, 1u);
    });
}

TEST_P(negative, an_older_answer_stands_in_for_a_failure_as_long_as_the_options_say) {
    static bool broken;
    broken = false;
    server.answer([](const question& asked) -> reply {
        if (broken && asked.name == "gone.example") return {.rcode = nxdomain};
        return broken ? reply{.rcode = servfail} : reply{.records = {a("192.0.2.1", 1)}};
    });
    run(
        [](world on) -> task<void> {
            for (const char* name : {"www.example", "gone.example"})
                EXPECT_EQ(text_of(co_await on.resolve(name, v4)), "192.0.2.1:80");
            broken = true;
            (void)co_await sleep_for(1100ms);
            EXPECT_EQ(text_of(co_await on.resolve("www.example", v4)), "192.0.2.1:80");
            EXPECT_EQ(text_of(co_await on.resolve("www.example", v4)), "192.0.2.1:80");
            EXPECT_EQ(text_of(co_await on.resolve("gone.example", v4)), "name not found");  // that is an answer
            EXPECT_EQ(on.names.counters().stale, 1u);
            EXPECT_EQ(on.server.asked(), 4u);
            (void)co_await sleep_for(1100ms);
            EXPECT_EQ(text_of(co_await on.resolve("www.example", v4)), "name server failed");
            EXPECT_EQ(on.names.counters().stale, 1u);
        },
        [](resolver_options& options) {
            options.failure_ttl = 100ms;
            options.stale_max = 1s;
        });
}

TEST_P(negative, large_answers_make_room_for_each_other) {
    server.answer(
        [](const question&) -> reply { return {.records = {txt({std::string(250, 'x'), std::string(250, 'y')})}}; });
    run(
        [](world on) -> task<void> {
            for (int i = 0; i < 50; ++i) {
                const auto got = co_await on.names.texts("host" + std::to_string(i) + ".example");
                EXPECT_TRUE(got.has_value());
            }
            EXPECT_LE(on.names.counters().bytes, 10'000u);
            EXPECT_LT(on.names.counters().entries, 20u);
            EXPECT_GT(on.names.counters().entries, 2u);
            EXPECT_EQ(on.names.counters().evictions + on.names.counters().entries, 50u);
        },
        [](resolver_options& options) { options.cache_bytes_max = 10'000; });
}

// How servers are asked.
using asking = with_name_server;

TEST_P(asking, over_tcp_from_the_start_if_wanted) {
    server.answer(both_families);
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("www.example")), "[2001:db8::1]:80 192.0.2.1:80");
            EXPECT_EQ(on.server.asked(type_a, true), 1u);
            EXPECT_EQ(on.server.asked(type_a, false), 0u);
        },
        [](resolver_options& options) { options.use_tcp = true; });
}

TEST_P(asking, with_larger_datagrams_if_wanted_and_without_where_the_server_does_not_understand) {
    server.answer([](const question& asked) -> reply {
        if (asked.name == "old.example" && asked.edns_bytes != 0) return {.rcode = formerr};
        reply what;
        for (int i = 0; i < 40; ++i) what.records.push_back(a("192.0.2." + std::to_string(i)));  // 700 bytes
        return what;
    });
    run(
        [](world on) -> task<void> {
            EXPECT_TRUE((co_await on.resolve("www.example", v4)).has_value());
            EXPECT_EQ(on.server.questions().back().edns_bytes, 1232);
            EXPECT_EQ(on.server.asked(type_a, true), 0u);
            EXPECT_TRUE((co_await on.resolve("old.example", v4)).has_value());
            EXPECT_EQ(on.server.questions().back().edns_bytes, 0);
        },
        [](resolver_options& options) { options.edns = true; });
    run(
        [](world on) -> task<void> {  // two at once
            on.server.answer([](const question& asked) {
                return asked.edns_bytes != 0 ? reply{.rcode = formerr} : both_families(asked);
            });
            EXPECT_EQ(text_of(co_await on.resolve("old.example")), "[2001:db8::1]:80 192.0.2.1:80");
            EXPECT_EQ(text_of(co_await on.resolve("older.example")), "[2001:db8::1]:80 192.0.2.1:80");
        },
        [](resolver_options& options) { options.edns = true; });
    run([](world on) -> task<void> {
        EXPECT_TRUE((co_await on.resolve("plain.example", v4)).has_value());
        EXPECT_EQ(on.server.questions().back().edns_bytes, 0);
    });
}

TEST_P(asking, another_server_first_each_time_if_wanted) {
    name_server other(*loop);
    other.answer(both_families);
    server.answer(both_families);
    for (const bool rotate : {false, true}) {
        resolver_options options = server.options();
        options.servers = server.address() + "," + other.address();
        options.rotate = rotate;
        resolver names(*loop, options);
        loop->run([](world on) -> task<void> {
            for (int i = 0; i < 10; ++i) (void)co_await on.resolve(("h" + std::to_string(i) + ".example").c_str(), v4);
        }(world{*loop, server, names}));
        EXPECT_EQ(other.asked(), rotate ? 5u : 0u);
    }
}

INSTANTIATE_TEST_SUITE_P(reactors, negative, every_reactor, io::test::name_of_case);
INSTANTIATE_TEST_SUITE_P(reactors, negative_for_minutes,
                         testing::Values(io::test::backend{io::reactor_kind::sim, 1},
                                         io::test::backend{io::reactor_kind::sim, 2},
                                         io::test::backend{io::reactor_kind::sim, 3}),
                         io::test::name_of_case);
INSTANTIATE_TEST_SUITE_P(reactors, asking, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
