// Servers that send nonsense, twice, late, or for somebody else.
#include <random>

#include "task/when.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using hostile = with_name_server;

constexpr std::size_t counts_at = 6;  // answers, authorities, additional

void patient_for_50ms(resolver_options& options) { options.query_timeout = 50ms; }

TEST_P(hostile, random_bytes_behind_the_question_end_every_lookup) {
    static std::mt19937 random{12345};
    server.answer([](const question& asked) -> reply {
        reply what = both_families(asked);
        what.records.push_back(cname("elsewhere.example"));
        what.spoil = [](std::string& packet) {
            const std::size_t spared = 12;
            const int changes = 1 + static_cast<int>(random() % 8);
            for (int i = 0; i < changes; ++i) {
                const std::size_t at =
                    random() % 4 == 0 ? counts_at + random() % 6 : spared + random() % (packet.size() - spared);
                packet[at] = static_cast<char>(random());
            }
            if (random() % 3 == 0) packet.resize(random() % packet.size());
        };
        return what;
    });
    run(
        [](world on) -> task<void> {
            // on a machine that is so busy that answers come when nobody waits any more, some more
            for (int round = 0; round < 8 || (round < 200 && on.names.counters().malformed <= 10); ++round) {
                std::vector<task<result<address_list>>> many;
                for (int i = 0; i < 100; ++i)
                    many.push_back(on.names.resolve("host" + std::to_string(round * 100 + i) + ".example", 80));
                (void)co_await when_all(std::move(many));
            }
            const resolver_counters count = on.names.counters();
            EXPECT_EQ(count.in_flight, 0u);
            EXPECT_EQ(count.misses, count.queries + count.joined + count.refused);
            EXPECT_EQ(count.queries, count.positive + count.negative + count.failures);
            EXPECT_GT(count.malformed, 10u);
        },
        &patient_for_50ms);
}

TEST_P(hostile, counts_that_promise_more_than_there_is_are_an_error) {
    server.answer([](const question& asked) -> reply {
        reply what = both_families(asked);
        what.spoil = [](std::string& packet) { packet.replace(counts_at, 6, std::string(6, '\xff')); };
        return what;
    });
    run([](world on) -> task<void> { EXPECT_EQ(text_of(co_await on.resolve("many.example")), "name server failed"); },
        &patient_for_50ms);
}

TEST_P(hostile, a_name_that_points_at_itself_is_an_error) {
    server.answer([](const question& asked) -> reply {
        reply what = both_families(asked);
        what.spoil = [](std::string& packet) {
            const std::size_t record = packet.find("\xc0\x0c", 12, 2);
            packet[record] = static_cast<char>(0xc0 | record >> 8);
            packet[record + 1] = static_cast<char>(record);
        };
        return what;
    });
    run([](world on) -> task<void> { EXPECT_EQ(text_of(co_await on.resolve("loop.example")), "name server failed"); },
        &patient_for_50ms);
}

TEST_P(hostile, an_answer_of_both_families_counts_for_the_one_that_was_asked) {
    server.answer([](const question&) -> reply { return {.records = {a("192.0.2.1"), aaaa("2001:db8::1")}}; });
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("both.example")), "[2001:db8::1]:80 192.0.2.1:80");
        EXPECT_EQ(text_of(co_await on.resolve("four.example", families::ipv4_only)), "192.0.2.1:80");
        EXPECT_EQ(text_of(co_await on.resolve("six.example", families::ipv6_only)), "[2001:db8::1]:80");
    });
}

TEST_P(hostile, an_answer_of_the_other_family_only_has_no_address) {
    server.answer([](const question& asked) -> reply {
        if (asked.type == type_aaaa) return {.records = {a("192.0.2.1")}};
        return {.records = {aaaa("2001:db8::1")}};
    });
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("crossed.example")), error(errc::name_no_data).message());
        EXPECT_EQ(text_of(co_await on.resolve("four.example", families::ipv4_only)),
                  error(errc::name_no_data).message());
    });
}

TEST_P(hostile, an_answer_to_another_question_is_ignored) {
    server.answer([](const question& asked) -> reply {
        reply what = both_families(asked);
        what.spoil = [](std::string& packet) { packet[1] = static_cast<char>(packet[1] + 1); };
        return what;
    });
    run([](world on) -> task<void> { EXPECT_EQ(text_of(co_await on.resolve("forged.example")), "timed out"); },
        &patient_for_50ms);
}

TEST_P(hostile, an_answer_with_the_right_number_for_another_name_or_type_is_ignored) {
    server.answer([](const question& asked) -> reply {
        reply what = both_families(asked);
        const bool name = asked.name == "name.example";
        what.spoil = [name](std::string& packet) {
            const std::size_t at = name ? 14 : packet.find(std::string("\0\0\1\0\1", 5), 12) + 2;
            packet[at] = static_cast<char>(packet[at] ^ 0x01);
        };
        return what;
    });
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("name.example", families::ipv4_only)), "timed out");
            EXPECT_EQ(text_of(co_await on.resolve("type.example", families::ipv4_only)), "timed out");
        },
        &patient_for_50ms);
}

TEST_P(hostile, an_answer_from_another_address_is_ignored) {
    server.answer([](const question& asked) -> reply {
        reply what = both_families(asked);
        what.from_elsewhere = asked.name == "forged.example";
        return what;
    });
    run(
        [](world on) -> task<void> {
            EXPECT_EQ(text_of(co_await on.resolve("forged.example", families::ipv4_only)), "timed out");
            EXPECT_EQ(text_of(co_await on.resolve("true.example", families::ipv4_only)), "192.0.2.1:80");
        },
        &patient_for_50ms);
}

TEST_P(hostile, records_of_other_names_are_nobodys_addresses) {
    server.answer([](const question& asked) -> reply {
        if (asked.type != type_a) return {};
        return {.records = {a("192.0.2.66", 300, "bank.example"), a("192.0.2.1")}};
    });
    run([](world on) -> task<void> {
        EXPECT_EQ(text_of(co_await on.resolve("www.example")), "192.0.2.1:80");
        EXPECT_EQ(text_of(co_await on.resolve("bank.example", families::ipv6_only)), "name has no such data");
    });
}

TEST_P(hostile, thousands_of_records_over_tcp_are_cut_to_the_limits) {
    server.answer([](const question& asked) -> reply {
        reply big{.truncated = true};
        for (int i = 0; i < 3000; ++i) {
            const std::string last = std::to_string(i % 256), middle = std::to_string(i / 256);
            if (asked.type == type_a) big.records.push_back(a("10.0." + middle + "." + last));
            if (asked.type == type_txt) big.records.push_back(txt({std::to_string(i)}));
        }
        return big;
    });
    run([](world on) -> task<void> {
        EXPECT_EQ((co_await on.resolve("big.example", families::ipv4_only)).value().size(), 16u);
        EXPECT_EQ((co_await on.names.texts("big.example")).value().size(), 64u);
        EXPECT_LT(on.names.counters().bytes, 40'000u);
    });
}

TEST_P(hostile, answers_that_come_more_than_once_count_once) {
    server.answer([](const question& asked) -> reply {
        reply what = both_families(asked);
        what.copies = 4;
        return what;
    });
    run([](world on) -> task<void> {
        for (int i = 0; i < 50; ++i) {
            const std::string name = "host" + std::to_string(i) + ".example";
            EXPECT_EQ(text_of(co_await on.resolve(name.c_str())), "[2001:db8::1]:80 192.0.2.1:80");
        }
        EXPECT_EQ(on.names.counters().positive, 100u);
    });
}

TEST_P(hostile, an_endless_list_is_cut_and_doubles_are_dropped) {
    server.answer([](const question&) -> reply {
        reply what;
        for (int i = 0; i < 120; ++i) what.records.push_back(a("192.0.2." + std::to_string(i / 2)));
        return what;
    });
    run([](world on) -> task<void> {
        const result<address_list> got = co_await on.resolve("long.example", families::ipv4_only);
        EXPECT_EQ(got.value().size(), 16u);
        EXPECT_EQ(got->back().text(), "192.0.2.15:80");
    });
}

INSTANTIATE_TEST_SUITE_P(reactors, hostile, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
