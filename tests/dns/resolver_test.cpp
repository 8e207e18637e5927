// What a resolver answers, and what it asks for that.
#include "sync/deadline.hpp"
#include "task/when.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using resolving = with_name_server;

TEST_P(resolving, numeric_hosts_are_answered_without_a_query) {
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("192.0.2.7")), "192.0.2.7:80");
        EXPECT_EQ(text_of(co_await on.resolve("2001:db8::7")), "[2001:db8::7]:80");
        EXPECT_EQ(text_of(co_await on.resolve("192.0.2.7", families::ipv6_only)), "name has no such data");
        EXPECT_EQ(text_of(co_await on.resolve("::1", families::ipv4_only)), "name has no such data");
        EXPECT_EQ(on.server.asked(), 0u);
    });
}

TEST_P(resolving, localhost_names_are_this_machine_and_invalid_ones_never_exist) {
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("LocalHost")), "[::1]:80 127.0.0.1:80");
        EXPECT_EQ(text_of(co_await on.resolve("app.localhost.", families::ipv4_first)), "127.0.0.1:80 [::1]:80");
        EXPECT_EQ(text_of(co_await on.resolve("nothing.invalid")), "name not found");
        EXPECT_EQ(on.server.asked(), 0u);
    });
}

TEST_P(resolving, names_that_are_none_are_refused_without_a_query) {
    run([](world on) -> task<void> {
        const std::string long_label(64, 'x'), long_name = std::string(300, 'y');
        for (const std::string& bad :
             {std::string(), long_label + ".example", long_name, std::string("two words"), std::string("a..b"),
              std::string("0x7f000001"), std::string("10.1"), std::string("nul\0.example", 12), std::string("[::1]")}) {
            const result<address_list> got = co_await on.names.resolve(bad, 80);
            EXPECT_EQ(text_of(got), "invalid argument") << bad;
        }
        EXPECT_EQ(on.server.asked(), 0u);
        on.server.answer(both_families);
        EXPECT_EQ(text_of(co_await on.resolve("_under_score.example")), "[2001:db8::1]:80 192.0.2.1:80");
    });
}

TEST_P(resolving, both_families_are_asked_in_parallel_and_alternate_in_the_list) {
    run([](world on) -> task<void> {
        on.server.answer([](const question& asked) -> reply {
            if (asked.type == type_a) return {.records = {a("192.0.2.1"), a("192.0.2.2"), a("192.0.2.3")}};
            return {.records = {aaaa("2001:db8::1"), aaaa("2001:db8::2")}};
        });
        EXPECT_EQ(text_of(co_await on.resolve("many.example")),
                  "[2001:db8::1]:80 192.0.2.1:80 [2001:db8::2]:80 192.0.2.2:80 192.0.2.3:80");
        EXPECT_EQ(text_of(co_await on.resolve("many.example", families::ipv4_first)),
                  "192.0.2.1:80 [2001:db8::1]:80 192.0.2.2:80 [2001:db8::2]:80 192.0.2.3:80");
        EXPECT_EQ(on.server.asked(), 2u);
    });
}

TEST_P(resolving, only_the_wanted_family_is_asked_for) {
    run([](world on) -> task<void> {
        on.server.answer(both_families);
        EXPECT_EQ(text_of(co_await on.resolve("four.example", families::ipv4_only)), "192.0.2.1:80");
        EXPECT_EQ(on.server.asked(type_aaaa), 0u);
        EXPECT_EQ(text_of(co_await on.resolve("six.example", families::ipv6_only)), "[2001:db8::1]:80");
        EXPECT_EQ(on.server.asked(type_a), 1u);
    });
}

TEST_P(resolving, one_family_is_enough) {
    run([](world on) -> task<void> {
        on.server.answer([](const question& asked) -> reply {
            if (asked.type == type_aaaa) return {.rcode = asked.name == "broken.example" ? servfail : 0};
            return {.records = {a("192.0.2.1")}};
        });
        EXPECT_EQ(text_of(co_await on.resolve("four.example")), "192.0.2.1:80");
        EXPECT_EQ(text_of(co_await on.resolve("broken.example")), "192.0.2.1:80");
    });
}

TEST_P(resolving, chains_of_aliases_are_followed) {
    run([](world on) -> task<void> {
        on.server.answer([](const question& asked) -> reply {
            if (asked.type == type_aaaa) return {};
            return {.records = {cname("edge.cdn.example"), cname("pop.cdn.example", 300, "edge.cdn.example"),
                                a("192.0.2.9", 300, "pop.cdn.example")}};
        });
        EXPECT_EQ(text_of(co_await on.resolve("www.example")), "192.0.2.9:80");
    });
}

TEST_P(resolving, errors_say_what_the_servers_said) {
    run([](world on) -> task<void> {
        on.server.answer([](const question& asked) -> reply {
            if (asked.name == "none.example") return {.rcode = nxdomain};
            if (asked.name == "half.example") return {.rcode = asked.type == type_aaaa ? nxdomain : 0};
            if (asked.name == "fails.example") return {.rcode = servfail};
            if (asked.name == "refuses.example") return {.rcode = refused};
            return {};
        });
        EXPECT_EQ(text_of(co_await on.resolve("none.example")), "name not found");
        EXPECT_EQ(text_of(co_await on.resolve("empty.example")), "name has no such data");
        EXPECT_EQ(text_of(co_await on.resolve("half.example")), "name has no such data");
        EXPECT_EQ(text_of(co_await on.resolve("fails.example")), "name server failed");
        const result<address_list> got = co_await on.resolve("refuses.example");
        EXPECT_EQ(text_of(got), "name server failed");
        EXPECT_NE(explain(got.error()), got.error().message());  // c-ares' own words are added
        EXPECT_EQ(explain(error(errc::closed)), "closed");
    });
}

TEST_P(resolving, silence_ends_with_timed_out_after_all_tries) {
    run(
        [](world on) -> task<void> {
            on.server.answer([](const question&) -> reply { return {.silent = true}; });
            EXPECT_EQ(text_of(co_await on.resolve("silent.example", families::ipv4_only)), "timed out");
            EXPECT_EQ(on.server.asked(), 2u);
            EXPECT_EQ(on.names.counters().timeouts, 2u);
        },
        [](resolver_options& options) {
            options.query_timeout = 20ms;
            options.tries = 2;
        });
}

// The first query waits longer and longer between its tries; a new one must be looked after sooner than that.
TEST_P(resolving, a_new_query_does_not_wait_for_the_patience_with_an_old_one) {
    run(
        [](world on) -> task<void> {
            on.server.answer([](const question&) -> reply { return {.silent = true}; });
            auto [first, second] = co_await when_all(
                on.names.resolve("one.example", 80, families::ipv4_only),
                [](world where) -> task<result<address_list>> {
                    co_await where.server.until_asked(2);  // the second try is out: the next look is far away
                    auto got = co_await where.names.resolve("two.example", 80, families::ipv4_only);
                    co_return got;
                }(on));
            EXPECT_EQ(text_of(first), "timed out");
            EXPECT_EQ(text_of(second), "timed out");
        },
        [](resolver_options& options) {
            options.query_timeout = 40ms;
            options.tries = 3;
        });
}

TEST_P(resolving, a_deadline_above_bounds_the_wait) {
    run([](world on) -> task<void> {
        on.server.answer([](const question&) -> reply { return {.silent = true}; });
        EXPECT_EQ(text_of(co_await with_timeout(5ms, on.resolve("silent.example"))), "timed out");
        EXPECT_EQ(on.names.counters().in_flight, 2u);
    });
}

TEST_P(resolving, a_truncated_answer_is_asked_for_again_over_tcp) {
    run([](world on) -> task<void> {
        on.server.answer([](const question& asked) -> reply {
            reply big{.truncated = true};
            for (int i = 0; i < 60 && asked.type == type_a; ++i)
                big.records.push_back(a("192.0.2." + std::to_string(i)));
            return big;
        });
        const result<address_list> got = co_await on.resolve("big.example");
        EXPECT_EQ(got.value().size(), resolver_options().addresses_max);
        EXPECT_EQ(on.server.asked(type_a, true), 1u);
    });
}

TEST_P(resolving, the_next_server_is_asked_when_one_refuses) {
    resolver_options options = server.options();
    name_server bad(*loop);
    bad.answer([](const question&) -> reply { return {.rcode = refused}; });
    server.answer(both_families);
    options.servers = bad.address() + "," + server.address();
    resolver names(*loop, options);
    loop->run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("second.example")), "[2001:db8::1]:80 192.0.2.1:80");
    }(world{*loop, server, names}));
    EXPECT_EQ(bad.asked(), 2u);
}

TEST_P(resolving, questions_beyond_the_limit_are_refused_at_once) {
    run(
        [](world on) -> task<void> {
            on.server.answer([](const question&) -> reply { return {.records = {a("192.0.2.1")}, .held = true}; });
            auto let_go = [](world here) -> task<void> {
                co_await here.server.until_asked(1);
                EXPECT_EQ(text_of(co_await here.resolve("two.example", families::ipv4_only)), "limit exceeded");
                here.server.release();
            };
            auto [first, done] = co_await when_all(on.resolve("one.example", families::ipv4_only), let_go(on));
            EXPECT_EQ(text_of(first), "192.0.2.1:80");
            EXPECT_EQ(on.names.counters().refused, 1u);
        },
        [](resolver_options& options) { options.queries_max = 1; });
}

TEST_P(resolving, nothing_stays_registered_or_armed_when_no_question_is_in_flight) {
    run([](world on) -> task<void> {
        on.server.answer(both_families);
        const std::size_t before = on.loop.reactor().descriptors().live();
        for (int i = 0; i < 100; ++i) {
            const std::string name = "host" + std::to_string(i) + ".example";
            EXPECT_EQ(text_of(co_await on.resolve(name.c_str())), "[2001:db8::1]:80 192.0.2.1:80");
        }
        for (int i = 0; i < 2000 && on.loop.reactor().descriptors().live() > before; ++i) co_await moments(1);
        EXPECT_EQ(on.loop.reactor().descriptors().live(), before);
        EXPECT_EQ(on.loop.timers()->next(), no_deadline);
        EXPECT_EQ(on.server.asked(), 200u);
    });
}

TEST(resolver, says_at_once_that_its_list_of_servers_makes_no_sense) {
    io::event_loop loop({.reactor = io::test::kernel_reactors.front()});
    EXPECT_THROW(resolver(loop, {.servers = "not an address"}), std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(reactors, resolving, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
