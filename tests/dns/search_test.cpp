// Search lists, names that no server is asked for, and the system's configuration while it changes.
#ifndef _WIN32
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <cstdlib>
#include <filesystem>

#include "net/dns/connect_host.hpp"
#include "support/environment.hpp"
#include "temp_file.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using searching = with_name_server;

void two_domains(resolver_options& options) {
    options.search = true;
    options.search_domains = {"a.example", "b.example"};
    options.resolv_conf = "";
    options.environment = false;
}

// The names that were asked for, each once, in order.
std::string asked_names(const name_server& server) {
    std::string text, last;
    for (const question& one : server.questions()) {
        if (one.name != last) text += (text.empty() ? "" : " ") + one.name;
        last = one.name;
    }
    return text;
}

reply only(const char* name, const question& asked) {
    if (asked.name == name) return both_families(asked);
    return {.rcode = nxdomain};
}

TEST_P(searching, the_domains_are_tried_in_order_until_one_has_the_name) {
    server.answer([](const question& asked) { return only("host.b.example", asked); });
    run(
        [](world on) -> task<void> {
            const auto found = co_await on.names.lookup("host", 80);
            EXPECT_EQ(test::text_of(on.names.counters().in_flight == 0 ? result<address_list>(found.value().list)
                                                                       : result<address_list>(fail(errc::busy))),
                      "[2001:db8::1]:80 192.0.2.1:80");
            EXPECT_EQ(found->canonical, "host.b.example");
            EXPECT_EQ(on.server.asked(), 4u);
            EXPECT_EQ(text_of(co_await on.resolve("host")), "[2001:db8::1]:80 192.0.2.1:80");
            EXPECT_EQ(text_of(co_await on.resolve("host.b.example.")), "[2001:db8::1]:80 192.0.2.1:80");
            EXPECT_EQ(on.server.asked(), 4u);  // full names are what is kept
        },
        &two_domains);
}

TEST_P(searching, names_with_dots_are_asked_for_as_they_are_first_and_a_dot_at_the_end_means_only_so) {
    server.answer([](const question&) -> reply { return {.rcode = nxdomain}; });
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("www.host", families::ipv4_only)), "name not found");
            EXPECT_EQ(asked_names(on.server), "www.host www.host.a.example www.host.b.example");
            EXPECT_EQ(text_of(co_await on.resolve("host.", families::ipv4_only)), "name not found");
            EXPECT_EQ(on.server.asked(), 4u);
            EXPECT_EQ(on.server.questions().back().name, "host");
            lookup_options as_it_is;
            as_it_is.search = false;
            EXPECT_FALSE((co_await on.names.lookup("once", 80, as_it_is)).has_value());
            EXPECT_EQ(on.server.asked(), 6u);
        },
        &two_domains);
}

TEST_P(searching, a_single_label_is_not_told_to_the_root_when_the_options_say_so) {
    server.answer([](const question&) -> reply { return {.rcode = nxdomain}; });
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("intranet", families::ipv4_only)), "name not found");
            EXPECT_EQ(asked_names(on.server), "intranet.a.example intranet.b.example");
        },
        [](resolver_options& options) {
            two_domains(options);
            options.tld_query = false;
        });
    run(
        [](world on) -> task<void> {
            const std::size_t before = on.server.asked();
            EXPECT_EQ(text_of(co_await on.resolve("intranet")), "name not found");
            EXPECT_EQ(on.server.asked(), before);
        },
        [](resolver_options& options) { options.tld_query = false; });
}

// Two machines of one short name: the addresses must not be of both.
TEST_P(searching, both_families_come_from_the_same_full_name) {
    server.answer([](const question& asked) -> reply {
        if (asked.name == "host.a.example") {
            if (asked.type == type_a) return {.records = {a("192.0.2.1")}};
            return {};
        }
        if (asked.name == "host.b.example") return {.records = {asked.type == type_a ? a("192.0.2.66") : aaaa("::66")}};
        if (asked.name == "six.a.example")
            return asked.type == type_aaaa ? reply{.records = {aaaa("2001:db8::6")}} : reply{.rcode = nxdomain};
        if (asked.name == "six.b.example") return {.records = {asked.type == type_a ? a("192.0.2.66") : aaaa("::66")}};
        return {.rcode = nxdomain};
    });
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("host")), "192.0.2.1:80");
            EXPECT_EQ(text_of(co_await on.resolve("six")), "[2001:db8::6]:80");
            EXPECT_EQ(on.server.asked(), 4u);
            // who wants IPv6 only looks further
            EXPECT_EQ(text_of(co_await on.resolve("host", families::ipv6_only)), "[::66]:80");
        },
        &two_domains);
}

TEST_P(searching, a_server_that_fails_for_one_domain_does_not_end_it_but_silence_does) {
    server.answer([](const question& asked) -> reply {
        if (asked.name == "host.a.example") return {.rcode = servfail};
        if (asked.name == "mute.a.example") return {.silent = true};
        if (asked.name.ends_with(".b.example")) return both_families(asked);
        return {.rcode = nxdomain};
    });
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("host", families::ipv4_only)), "192.0.2.1:80");
            EXPECT_EQ(text_of(co_await on.resolve("mute", families::ipv4_only)), "timed out");
        },
        [](resolver_options& options) {
            two_domains(options);
            options.query_timeout = 200ms;
        });
}

TEST_P(searching, the_error_that_says_most_is_given_when_no_domain_has_the_name) {
    server.answer([](const question& asked) -> reply {
        if (asked.name == "some.a.example") return {};
        if (asked.name == "bad.b.example") return {.rcode = servfail};
        return {.rcode = nxdomain};
    });
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("none")), "name not found");
            EXPECT_EQ(text_of(co_await on.resolve("some")), "name has no such data");
            EXPECT_EQ(text_of(co_await on.resolve("bad")), "name server failed");
        },
        &two_domains);
}

TEST_P(searching, connections_by_short_names_are_made_too) {
    server.answer([](const question& asked) { return only("host.b.example", asked); });
    run(
        [](world on) -> task<void> {
            std::string tried;
            connect_options options;
            options.allow = [&tried](const io::socket_address& peer) {
                tried += peer.host() + " ";
                return false;
            };
            const result<connected> made = co_await connect_host(on.loop, on.names, "host", 80, options);
            EXPECT_EQ(made.error(), errc::permission_denied);
            EXPECT_EQ(tried, "2001:db8::1 192.0.2.1 ");
        },
        &two_domains);
}

TEST_P(searching, waiters_may_die_in_any_turn_of_it) {
    server.answer([](const question& asked) { return only("host.b.example", asked); });
    loop->run([](io::event_loop& here, name_server& served) -> task<void> {
        auto ask = [](resolver& names) -> task<void> { (void)co_await names.resolve("host", 80); };
        for (int turns = 1; turns < 60; ++turns) {
            resolver_options options = served.options();
            two_domains(options);
            auto names = std::make_unique<resolver>(here, options);
            counting_scope scope(here), other(here);
            scope.spawn(ask(*names));
            other.spawn(ask(*names));
            for (int i = 0; i < turns; ++i) co_await yield();
            scope.destroy_all();
            if (turns % 2) other.request_stop();
            names.reset();
            co_await other.join();
        }
    }(*loop, server));
}

TEST_P(searching, names_of_special_use_are_not_asked_for) {
    server.answer(both_families);
    run([](world on) -> task<void> {
        for (const char* name : {"printer.local", "local", "x.onion", "x.invalid"})
            EXPECT_EQ(text_of(co_await on.resolve(name)), "name not found") << name;
        EXPECT_EQ(on.server.asked(), 0u);
        EXPECT_EQ(on.names.counters().local, 8u);
        EXPECT_EQ(text_of(co_await on.resolve("notlocal")), "[2001:db8::1]:80 192.0.2.1:80");
    });
    run([](world on) -> task<void> { EXPECT_TRUE((co_await on.resolve("printer.local")).has_value()); },
        [](resolver_options& options) { options.ask_local = true; });
    run([](world on) -> task<void> { EXPECT_TRUE((co_await on.resolve("db.svc.cluster.local")).has_value()); },
        [](resolver_options& options) {
            two_domains(options);
            options.search_domains = {"svc.cluster.local"};
        });
}

// The system's configuration, as a file: it cannot name a port, so the servers are ours.
using configured = with_name_server;

#ifndef _WIN32  // which has no files that are pipes
// Its other end may never be opened: an alarm ends the test that waits for it.
TEST_P(configured, a_file_that_is_a_fifo_is_not_waited_for) {
    temp_file file("");
    const std::string pipe = file.path() + ".fifo";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    resolver_options options = server.options();
    options.resolv_conf = pipe;
    ::alarm(60);
    resolver names(*loop, options);
    names.reload();
    ::alarm(0);
    std::filesystem::remove(pipe);
}
#endif

TEST_P(configured, the_search_list_of_the_file_counts_and_its_changes_too) {
    server.answer(both_families);
    temp_file file("search a.example\noptions ndots:2\n");
    resolver_options options = server.options();
    options.search = true;
    options.resolv_conf = file.path();
    options.environment = false;
    resolver names(*loop, options);
    loop->run([](world on, temp_file& config) -> task<void> {
        (void)co_await on.resolve("x.y", families::ipv4_only);
        EXPECT_EQ(asked_names(on.server), "x.y.a.example");
        config.write("search b.example\n");
        (void)co_await on.resolve("h", families::ipv4_only);
        EXPECT_EQ(on.server.questions().back().name, "h.a.example");  // not looked at again yet
        (void)co_await sleep_for(1100ms);
        (void)co_await on.resolve("h", families::ipv4_only);
        EXPECT_EQ(on.server.questions().back().name, "h.b.example");
        EXPECT_EQ(on.names.counters().reloads, 1u);
        EXPECT_EQ(on.names.counters().entries, 1u);  // the others are forgotten
        std::filesystem::remove(config.path());  // it may be on its way back
        (void)co_await sleep_for(1100ms);
        (void)co_await on.resolve("i", families::ipv4_only);
        EXPECT_EQ(on.server.questions().back().name, "i.b.example");
        config.write("search c.example\noptions no-reload\n");
        on.names.reload();
        (void)co_await on.resolve("j", families::ipv4_only);
        EXPECT_EQ(on.server.questions().back().name, "j.c.example");
        config.write("search d.example\n");
        (void)co_await sleep_for(1100ms);
        (void)co_await on.resolve("k", families::ipv4_only);
        EXPECT_EQ(on.server.questions().back().name, "k.c.example");
    }(world{*loop, server, names}, file));
}

TEST_P(configured, options_of_ones_own_come_before_the_file_and_the_environment) {
    server.answer(both_families);
    temp_file file("search a.example\noptions ndots:3 use-vc edns0\n");
    co_wq::test::set_environment("LOCALDOMAIN", "env.example");
    co_wq::test::set_environment("RES_OPTIONS", "ndots:4");
    resolver_options options = server.options();
    options.search = true;
    options.resolv_conf = file.path();
    {
        resolver names(*loop, options);
        loop->run([](world on) -> task<void> {
            (void)co_await on.resolve("x.y.z", families::ipv4_only);
            EXPECT_EQ(on.server.questions().back().name, "x.y.z.env.example");
            EXPECT_FALSE(on.server.questions().back().tcp);  // said of other servers
        }(world{*loop, server, names}));
    }
    co_wq::test::set_environment("LOCALDOMAIN", nullptr);
    co_wq::test::set_environment("RES_OPTIONS", nullptr);
    options.ndots = 1;
    options.search_domains = {"own.example"};
    resolver names(*loop, options);
    loop->run([](world on) -> task<void> {
        (void)co_await on.resolve("v", families::ipv4_only);
        EXPECT_EQ(on.server.questions().back().name, "v.own.example");
        (void)co_await on.resolve("v.w", families::ipv4_only);
        EXPECT_EQ(on.server.questions().back().name, "v.w");
    }(world{*loop, server, names}));
}

// In the simulated network, where everybody may serve at port 53.
using configured_servers = with_name_server;

TEST_P(configured_servers, are_asked_as_the_file_says_and_its_changes_count) {
    name_server first(*loop, 53);
    first.answer(both_families);
    temp_file file("nameserver 127.0.0.1\noptions use-vc edns0 timeout:7 attempts:2\n");
    resolver_options options;
    options.resolv_conf = file.path();
    options.environment = false;
    options.hosts_file = "";
    resolver names(*loop, options);
    loop->run([](world on, temp_file& config) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("one.example", families::ipv4_only)), "192.0.2.1:80");
        EXPECT_TRUE(on.server.questions().back().tcp);
        EXPECT_EQ(on.server.questions().back().edns_bytes, 1232);
        config.write("nameserver 127.0.0.1\noptions timeout:7 attempts:2\n");
        (void)co_await sleep_for(1100ms);
        on.server.answer([](const question&) -> reply { return {.silent = true}; });
        const time_point began = on.loop.now();
        EXPECT_EQ(text_of(co_await on.resolve("two.example", families::ipv4_only)), "timed out");
        EXPECT_FALSE(on.server.questions().back().tcp);
        EXPECT_EQ(on.server.questions().back().edns_bytes, 0);
        EXPECT_EQ(on.server.asked(), 3u);
        EXPECT_NEAR(static_cast<double>((on.loop.now() - began).count()), 21e9, 1e9);  // 7 s, and twice that
        config.write("");
        on.server.answer(both_families);
        on.names.reload();  // nobody is named: this machine
        EXPECT_EQ(text_of(co_await on.resolve("three.example", families::ipv4_only)), "192.0.2.1:80");
    }(world{*loop, first, names}, file));
}

INSTANTIATE_TEST_SUITE_P(reactors, configured_servers,
                         testing::Values(io::test::backend{io::reactor_kind::sim, 1},
                                         io::test::backend{io::reactor_kind::sim, 2},
                                         io::test::backend{io::reactor_kind::sim, 3}),
                         io::test::name_of_case);
INSTANTIATE_TEST_SUITE_P(reactors, searching, every_reactor, io::test::name_of_case);
INSTANTIATE_TEST_SUITE_P(reactors, configured, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
