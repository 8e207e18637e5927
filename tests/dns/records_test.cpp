// Services, mail exchangers, texts, names of addresses, records as they are, and canonical names, asked of a server.
#include "sync/deadline.hpp"
#include "task/when.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using records = with_name_server;

std::string text_of(const result<std::vector<service>>& found) {
    if (!found) return found.error().message();
    std::string text;
    for (const service& one : *found) {
        text += (text.empty() ? "" : " ") + one.target + ":" + std::to_string(one.port);
        for (const io::socket_address& address : one.addresses) text += "=" + address.text();
    }
    return text;
}
std::string text_of(const result<std::vector<std::string>>& found) {
    if (!found) return found.error().message();
    std::string text;
    for (const std::string& one : *found) text += (text.empty() ? "" : " ") + one;
    return text;
}
std::string error_of(const auto& found) { return found ? "ok" : found.error().message(); }

reply services(const question& asked) {
    if (asked.name == "_imap._tcp.example" && asked.type == type_srv)
        return {.records = {srv(20, 0, 143, "old.example"), srv(10, 1, 993, "one.example")}};
    if (asked.name == "_none._tcp.example") return {.records = {srv(0, 0, 0, ".")}};
    if (asked.name == "one.example") return both_families(asked);
    if (asked.name == "old.example") return {.rcode = nxdomain};
    return {};
}

TEST_P(records, services_come_in_order_with_addresses_if_wanted) {
    server.answer(services);
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.names.services("_imap._tcp.Example")), "one.example:993 old.example:143");
        EXPECT_EQ(on.server.asked(), 1u);
        service_options with_addresses;
        with_addresses.addresses = true;
        EXPECT_EQ(text_of(co_await on.names.services("_imap._tcp.example", with_addresses)),
                  "one.example:993=[2001:db8::1]:993=192.0.2.1:993 old.example:143");
        EXPECT_EQ(on.server.asked(), 5u);  // the services themselves were known
        EXPECT_EQ(text_of(co_await on.names.services("_none._tcp.example")), "service not offered");
        EXPECT_EQ(text_of(co_await on.names.services("_other._tcp.example")), "name has no such data");
        EXPECT_EQ(text_of(co_await on.names.services("not a name")), "invalid argument");
        EXPECT_EQ(text_of(co_await on.names.services("_imap._tcp.localhost")), "name has no such data");
    });
}

TEST_P(records, mail_exchangers_and_texts) {
    server.answer([](const question& asked) -> reply {
        if (asked.type == type_mx) return {.records = {mx(20, "b.example"), mx(10, "a.example")}};
        if (asked.type == type_txt) return {.records = {txt({"v=spf1 ", "-all"})}};
        return {};
    });
    run([](world on) -> task<void> {
        const auto mail = co_await on.names.mail_exchangers("example");
        EXPECT_EQ(mail.value().size(), 2u);
        EXPECT_EQ(mail->front().host, "a.example");
        EXPECT_EQ(mail->front().preference, 10);
        const auto text = co_await on.names.texts("example");
        EXPECT_EQ(text.value().at(0).joined(), "v=spf1 -all");
        (void)co_await on.names.texts("example");
        EXPECT_EQ(on.server.asked(), 2u);
    });
}

TEST_P(records, names_of_addresses_come_from_servers_and_loopback_is_localhost) {
    server.answer([](const question& asked) -> reply {
        if (asked.name == "1.2.0.192.in-addr.arpa") return {.records = {ptr("Host.example"), ptr("$(x).example")}};
        // a part of a block, as RFC 2317 hands it out
        if (asked.name == "2.2.0.192.in-addr.arpa")
            return {.records = {cname("2.0/25.2.0.192.in-addr.arpa"),
                                ptr("two.example", 300, "2.0/25.2.0.192.in-addr.arpa")}};
        return {.rcode = nxdomain};
    });
    run([](world on) -> task<void> {
        auto of = [](const char* address) { return io::socket_address::parse(address, 80).value(); };
        EXPECT_EQ(text_of(co_await on.names.reverse(of("192.0.2.1"))), "host.example");
        EXPECT_EQ(text_of(co_await on.names.reverse(of("::ffff:192.0.2.1"))), "host.example");
        EXPECT_EQ(on.server.asked(), 1u);
        EXPECT_EQ(text_of(co_await on.names.reverse(of("192.0.2.2"))), "two.example");
        EXPECT_EQ(text_of(co_await on.names.reverse(of("2001:db8::1"))), "name not found");
        EXPECT_TRUE(on.server.questions().back().name.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"));
        EXPECT_EQ(text_of(co_await on.names.reverse(of("127.0.0.53"))), "localhost");
        EXPECT_EQ(text_of(co_await on.names.reverse(of("::1"))), "localhost");
        EXPECT_EQ(text_of(co_await on.names.reverse(io::socket_address())), "invalid argument");
        EXPECT_EQ(on.server.asked(), 3u);
    });
}

TEST_P(records, any_type_may_be_asked_for_but_what_is_no_question) {
    server.answer([](const question& asked) -> reply {
        if (asked.type == 257) return {.records = {{"", 257, 120, std::string("\0\5issueca.example", 17)}}};
        if (asked.type == 255) return {.records = {a("192.0.2.1"), txt({"x"})}};
        if (asked.type == type_a) return {.records = {a("192.0.2.1", 77)}};
        if (asked.type == type_cname) return {.records = {cname("edge.example")}};
        if (asked.type == type_ns && asked.name.empty()) return {.records = {ns("a.root.example", ".")}};
        return {};
    });
    run([](world on) -> task<void> {
        const auto caa = co_await on.names.query("example", record_type::caa);
        EXPECT_EQ(caa.value().records.at(0).data, std::string("\0\5issueca.example", 17));
        EXPECT_EQ(caa->records[0].name, "example");
        const auto all = co_await on.names.query("example", record_type::any);
        EXPECT_EQ(all.value().records.size(), 2u);
        const auto address = co_await on.names.query("example", record_type::a);
        EXPECT_EQ(address.value().records.at(0).data, std::string("\xc0\0\2\1", 4));
        EXPECT_LE(address->records[0].ttl, 77s);
        EXPECT_GE(address->records[0].ttl, 60s);
        EXPECT_GT(address->ttl, 60s);
        const auto alias = co_await on.names.query("www.example", record_type::cname);
        EXPECT_EQ(alias.value().records.at(0).data, encoded("edge.example"));
        const auto root = co_await on.names.query(".", record_type::ns);
        EXPECT_EQ(root.value().canonical, ".");
        EXPECT_EQ(root->records.at(0).data, encoded("a.root.example"));
        for (const int type : {0, 41, 249, 251, 252})
            EXPECT_EQ(error_of(co_await on.names.query("example", static_cast<record_type>(type))), "invalid argument");
        EXPECT_EQ(error_of(co_await on.names.query("", record_type::a)), "invalid argument");
        EXPECT_EQ(on.server.asked(), 5u);
    });
}

TEST_P(records, canonical_names_and_the_aliases_on_the_way_are_told) {
    server.answer([](const question& asked) -> reply {
        if (asked.name == "www.example" && asked.type == type_a)
            return {.records = {cname("edge.example", 50), a("192.0.2.1", 300, "edge.example")}};
        if (asked.name == "plain.example") return both_families(asked);
        return {};
    });
    run([](world on) -> task<void> {
        const auto aliased = co_await on.names.lookup("www.example", 80);
        EXPECT_EQ(aliased.value().canonical, "edge.example");
        EXPECT_EQ(aliased->aliases, std::vector<std::string>{"www.example"});
        EXPECT_LE(aliased->ttl, 50s);
        const auto plain = co_await on.names.lookup("plain.example", 80);
        EXPECT_EQ(plain.value().canonical, "plain.example");
        EXPECT_TRUE(plain->aliases.empty());
        EXPECT_EQ(plain->list.size(), 2u);
        const auto numeric = co_await on.names.lookup("192.0.2.7", 80);
        EXPECT_EQ(numeric.value().canonical, "192.0.2.7");
        EXPECT_EQ(error_of(co_await on.names.lookup("none.example", 80)), "name has no such data");
    });
}

TEST_P(records, an_alias_that_the_server_does_not_follow_is_followed) {
    server.answer([](const question& asked) -> reply {
        if (asked.name == "one.example") return {.records = {cname("two.example")}};
        if (asked.name == "two.example") return {.records = {cname("three.example")}};
        if (asked.name == "three.example") return both_families(asked);
        if (asked.name == "loop.example") return {.records = {cname("back.example")}};
        if (asked.name == "back.example") return {.records = {cname("loop.example")}};
        if (asked.name == "odd.example") return {.records = {cname("not a name.example")}};
        return {};
    });
    run([](world on) -> task<void> {
        const auto found = co_await on.names.lookup("one.example", 80);
        EXPECT_EQ(found.value().canonical, "three.example");
        EXPECT_EQ(found->aliases, (std::vector<std::string>{"one.example", "two.example"}));
        EXPECT_EQ(on.server.asked(), 6u);
        EXPECT_EQ(test::text_of(co_await on.resolve("two.example")), "[2001:db8::1]:80 192.0.2.1:80");
        EXPECT_EQ(on.server.asked(), 6u);
        EXPECT_EQ(test::text_of(co_await on.resolve("loop.example", families::ipv4_only)), "name server failed");
        EXPECT_EQ(test::text_of(co_await on.resolve("odd.example", families::ipv4_only)), "name server failed");
        EXPECT_EQ(on.server.asked(), 9u);
    });
}

TEST_P(records, a_timeout_of_ones_own_ends_the_waiting_and_not_the_question) {
    server.answer([](const question& asked) -> reply {
        reply what = services(asked);
        what.held = true;
        return what;
    });
    run([](world on) -> task<void> {
        auto patient = [](world here) -> task<void> {
            EXPECT_EQ(text_of(co_await here.names.services("_imap._tcp.example")), "one.example:993 old.example:143");
        };
        auto hasty = [](world here) -> task<void> {
            service_options options;
            options.timeout = 2ms;
            EXPECT_EQ(text_of(co_await here.names.services("_imap._tcp.example", options)), "timed out");
            EXPECT_EQ(here.names.counters().in_flight, 1u);
            here.server.release();
        };
        (void)co_await when_all(patient(on), hasty(on));
        EXPECT_EQ(on.server.asked(), 1u);
        query_options own;
        own.timeout = 1min;
        EXPECT_EQ(text_of(co_await with_timeout(10min, on.names.services("_imap._tcp.example"))),
                  "one.example:993 old.example:143");
        EXPECT_EQ(error_of(co_await on.names.texts("kept.example", own)), "name has no such data");
    });
}

TEST_P(records, a_deadline_around_bounds_an_own_timeout) {
    server.answer([](const question&) -> reply { return {.silent = true}; });
    run([](world on) -> task<void> {
        query_options long_one;
        long_one.timeout = 1h;
        EXPECT_EQ(error_of(co_await with_timeout(2ms, on.names.texts("x.example", long_one))), "timed out");
        lookup_options brief;
        brief.timeout = 2ms;
        EXPECT_EQ(error_of(co_await with_timeout(1h, on.names.lookup("x.example", 80, brief))), "timed out");
        EXPECT_EQ(on.names.counters().in_flight, 3u);
    });
}

TEST_P(records, waiters_of_every_kind_may_be_destroyed_in_any_turn_and_resolvers_too) {
    server.answer([](const question& asked) -> reply {
        reply what = services(asked);
        if (asked.type == type_ptr) what = {.records = {ptr("host.example")}};
        what.truncated = asked.type == type_srv;
        return what;
    });
    loop->run([](io::event_loop& here, name_server& served) -> task<void> {
        auto ask = [](resolver& names) -> task<void> {
            service_options options;
            options.addresses = true;
            options.timeout = 1h;
            (void)co_await names.services("_imap._tcp.example", options);
            (void)co_await names.reverse(io::socket_address::ipv4({192, 0, 2, 1}, 0));
        };
        for (int turns = 1; turns < 60; ++turns) {
            auto names = std::make_unique<resolver>(here, served.options());
            counting_scope scope(here);
            scope.spawn(ask(*names));
            for (int i = 0; i < turns; ++i) co_await yield();
            if (turns % 3 == 0) scope.request_stop();
            if (turns % 3 != 1) scope.destroy_all();
            names.reset();  // every third time before those who wait for it
            scope.destroy_all();
        }
    }(*loop, server));
}

TEST_P(records, who_waits_for_services_of_a_resolver_that_dies_ends_with_closed) {
    server.answer([](const question& asked) -> reply {
        reply what = services(asked);
        what.held = asked.type != type_srv;
        return what;
    });
    loop->run([](io::event_loop& here, name_server& served) -> task<void> {
        auto names = std::make_unique<resolver>(here, served.options());
        auto ask = [](resolver& from, std::string& out) -> task<void> {
            service_options options;
            options.addresses = true;
            out = text_of(co_await from.services("_imap._tcp.example", options));
        };
        counting_scope scope(here);
        std::string got;
        scope.spawn(ask(*names, got));
        co_await served.until_asked(5);
        names.reset();
        co_await scope.join();
        EXPECT_EQ(got, "closed");
        served.release();
    }(*loop, server));
}

INSTANTIATE_TEST_SUITE_P(reactors, records, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
