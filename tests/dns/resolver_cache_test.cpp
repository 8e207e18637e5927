// What is remembered, for how long, and what is asked only once.
#include "task/when.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using caching = with_name_server;

TEST_P(caching, an_answer_is_kept_as_long_as_its_ttl_says) {
    run([](world on) -> task<void> {
        on.server.answer([](const question& asked) -> reply {
            return {.records = {a("192.0.2.1", asked.name == "brief.example" ? 0 : 300)}};
        });
        for (int i = 0; i < 3; ++i) {
            EXPECT_TRUE((co_await on.resolve("lasting.example", families::ipv4_only)).has_value());
            EXPECT_TRUE((co_await on.resolve("brief.example", families::ipv4_only)).has_value());
        }
        EXPECT_EQ(on.server.asked(), 1u + 3u);
        EXPECT_EQ(on.names.counters().hits, 2u);
        EXPECT_EQ(on.names.counters().misses, 4u);
        EXPECT_EQ(on.names.counters().entries, 2u);
    });
}

TEST_P(caching, the_shortest_ttl_of_a_chain_counts) {
    run([](world on) -> task<void> {
        on.server.answer([](const question&) -> reply {
            return {.records = {cname("edge.example", 0), a("192.0.2.1", 300, "edge.example")}};
        });
        for (int i = 0; i < 2; ++i) EXPECT_TRUE((co_await on.resolve("www.example", families::ipv4_only)).has_value());
        EXPECT_EQ(on.server.asked(), 2u);
    });
}

TEST_P(caching, ttls_are_clamped_on_both_sides) {
    auto answers = [](const question& asked) -> reply {
        return {.records = {a("192.0.2.1", asked.name == "brief.example" ? 0 : 0x80000000u - 1)}};
    };
    server.answer(answers);
    run(
        [](world on) -> task<void> {
            for (int i = 0; i < 2; ++i) (void)co_await on.resolve("brief.example", families::ipv4_only);
            EXPECT_EQ(on.server.asked(), 1u);
        },
        [](resolver_options& options) { options.ttl_min = 1h; });
    run(
        [](world on) -> task<void> {
            for (int i = 0; i < 2; ++i) (void)co_await on.resolve("endless.example", families::ipv4_only);
            EXPECT_EQ(on.server.asked(), 3u);
        },
        [](resolver_options& options) { options.ttl_max = 0ns; });
}

TEST_P(caching, negative_answers_and_failures_are_kept_as_long_as_the_options_say) {
    server.answer(
        [](const question& asked) -> reply { return {.rcode = asked.name.starts_with("none") ? nxdomain : servfail}; });
    run([](world on) -> task<void> {
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(text_of(co_await on.resolve("none.example", families::ipv4_only)), "name not found");
            EXPECT_EQ(text_of(co_await on.resolve("fails.example", families::ipv4_only)), "name server failed");
        }
        EXPECT_EQ(on.server.asked(), 2u);
        EXPECT_EQ(on.names.counters().negative, 1u);
        EXPECT_EQ(on.names.counters().failures, 1u);
    });
    run(
        [](world on) -> task<void> {
            const std::size_t before = on.server.asked();
            for (int i = 0; i < 3; ++i) {
                EXPECT_EQ(text_of(co_await on.resolve("none.example", families::ipv4_only)), "name not found");
                EXPECT_EQ(text_of(co_await on.resolve("fails.example", families::ipv4_only)), "name server failed");
            }
            EXPECT_EQ(on.server.asked() - before, 6u);
        },
        [](resolver_options& options) { options.negative_ttl = options.failure_ttl = 0ns; });
}

TEST_P(caching, names_differ_neither_in_case_nor_in_port) {
    run([](world on) -> task<void> {
        on.server.answer(both_families);
        EXPECT_EQ(text_of(co_await on.names.resolve("Www.Example", 80)), "[2001:db8::1]:80 192.0.2.1:80");
        EXPECT_EQ(text_of(co_await on.names.resolve("wWW.eXAMPLE", 443)), "[2001:db8::1]:443 192.0.2.1:443");
        EXPECT_EQ(on.server.asked(), 2u);
    });
}

TEST_P(caching, equal_questions_in_flight_are_asked_once) {
    run([](world on) -> task<void> {
        on.server.answer([](const question& asked) -> reply {
            reply both = both_families(asked);
            both.held = true;
            return both;
        });
        auto let_go = [](world here) -> task<void> {
            co_await here.server.until_asked(2);
            here.server.release();
        };
        auto [first, second, third, done] = co_await when_all(
            on.resolve("joined.example"), on.resolve("joined.example"), on.resolve("joined.example"), let_go(on));
        for (const auto* one : {&first, &second, &third}) EXPECT_EQ(text_of(*one), "[2001:db8::1]:80 192.0.2.1:80");
        EXPECT_EQ(on.server.asked(), 2u);
        EXPECT_EQ(on.names.counters().joined, 4u);
    });
}

TEST_P(caching, the_oldest_answers_give_way_when_there_are_too_many) {
    run(
        [](world on) -> task<void> {
            on.server.answer(both_families);
            for (const char* name : {"a.example", "b.example", "c.example", "a.example", "d.example", "a.example"})
                EXPECT_TRUE((co_await on.resolve(name, families::ipv4_only)).has_value());
            EXPECT_EQ(on.server.asked(), 4u);  // a was used again and again, so it stays
            EXPECT_EQ(on.names.counters().entries, 3u);
            EXPECT_EQ(on.names.counters().evictions, 1u);
            EXPECT_TRUE((co_await on.resolve("b.example", families::ipv4_only)).has_value());
            EXPECT_EQ(on.server.asked(), 5u);
        },
        [](resolver_options& options) { options.entries_max = 3; });
}

TEST_P(caching, flush_and_reload_forget_everything) {
    run([](world on) -> task<void> {
        on.server.answer(both_families);
        (void)co_await on.resolve("www.example");
        on.names.flush();
        EXPECT_EQ(on.names.counters().entries, 0u);
        (void)co_await on.resolve("www.example");
        on.names.reload();
        (void)co_await on.resolve("www.example");
        EXPECT_EQ(on.server.asked(), 6u);
    });
}

TEST_P(caching, questions_in_flight_survive_a_reload) {
    run([](world on) -> task<void> {
        on.server.answer([](const question&) -> reply { return {.records = {a("192.0.2.1")}, .held = true}; });
        auto reload = [](world here) -> task<void> {
            co_await here.server.until_asked(1);
            here.names.reload();
            here.server.release();
        };
        auto [got, done] = co_await when_all(on.resolve("www.example", families::ipv4_only), reload(on));
        EXPECT_EQ(text_of(got), "192.0.2.1:80");
        EXPECT_EQ(text_of(co_await on.resolve("other.example", families::ipv4_only)), "192.0.2.1:80");
        // but what the former servers said is not kept
        on.server.answer([](const question&) -> reply { return {.records = {a("192.0.2.2")}}; });
        EXPECT_EQ(text_of(co_await on.resolve("www.example", families::ipv4_only)), "192.0.2.2:80");
    });
}

INSTANTIATE_TEST_SUITE_P(reactors, caching, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
