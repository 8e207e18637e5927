// Services, mail exchangers and texts out of records; the order in which services are tried; names of addresses.
#include "net/dns/detail/decode.hpp"

#include <gtest/gtest.h>

#include <map>

#include "name_server.hpp"

namespace co_wq::net::dns::detail {
namespace {

record from(const test::rr& one) {
    return {"x.example", static_cast<record_type>(one.type), std::chrono::seconds(one.ttl), one.data};
}
std::vector<record> all(std::initializer_list<test::rr> list) {
    std::vector<record> made;
    for (const test::rr& one : list) made.push_back(from(one));
    return made;
}
std::string targets(const std::vector<service>& list) {
    std::string text;
    for (const service& one : list) text += one.target + ":" + std::to_string(one.port) + " ";
    return text;
}

TEST(decode, services_come_by_priority) {
    seeded_random random(1);
    const auto records = all({test::srv(20, 0, 3, "c.example"), test::srv(10, 0, 2, "B.example"),
                              test::srv(5, 9, 1, "a.example"), test::srv(65535, 65535, 65535, "z.example")});
    EXPECT_EQ(targets(services_of(records, random).value()), "a.example:1 b.example:2 c.example:3 z.example:65535 ");
}

TEST(decode, among_equals_each_has_the_share_of_its_weight) {
    seeded_random random(7);
    std::map<std::string, int> first;
    for (int i = 0; i < 10'000; ++i) {
        std::vector<service> list{
            {1, 0, 1, "none", {}}, {1, 10, 1, "ten", {}}, {1, 30, 1, "thirty", {}}, {1, 60, 1, "sixty", {}}};
        put_in_order(list, random);
        ++first[list[0].target];
        ASSERT_EQ(list.size(), 4u);
    }
    EXPECT_NEAR(first["sixty"], 6000, 300);
    EXPECT_NEAR(first["thirty"], 3000, 300);
    EXPECT_NEAR(first["ten"], 1000, 200);
    EXPECT_GT(first["none"], 20);  // a small chance, but one
    EXPECT_LT(first["none"], 300);
}

TEST(decode, services_without_weights_are_equal_and_a_seed_repeats_the_order) {
    const auto records =
        all({test::srv(1, 0, 1, "a.example"), test::srv(1, 0, 2, "b.example"), test::srv(1, 0, 3, "c.example")});
    std::map<std::string, int> seen;
    for (std::uint64_t seed = 1; seed <= 600; ++seed) {
        seeded_random one(seed), same(seed);
        const std::string order = targets(services_of(records, one).value());
        EXPECT_EQ(order, targets(services_of(records, same).value()));
        ++seen[order];
    }
    EXPECT_EQ(seen.size(), 6u);
    for (const auto& [order, times] : seen) EXPECT_GT(times, 50) << order;
}

TEST(decode, a_root_as_the_only_target_means_that_there_is_no_service) {
    seeded_random random(1);
    EXPECT_EQ(services_of(all({test::srv(0, 0, 0, ".")}), random).error(), errc::name_no_service);
    EXPECT_EQ(targets(services_of(all({test::srv(0, 0, 0, "."), test::srv(1, 1, 1, "a.example")}), random).value()),
              "a.example:1 ");
    EXPECT_EQ(exchangers_of(all({test::mx(0, ".")}), random).error(), errc::name_no_service);
}

TEST(decode, targets_that_are_no_host_names_are_left_out) {
    seeded_random random(1);
    auto bad = test::srv(1, 1, 1, "a b.example");
    auto cut = test::srv(1, 1, 1, "a.example");
    cut.data.pop_back();
    EXPECT_EQ(services_of(all({bad, cut}), random).error(), errc::name_server_failed);
    EXPECT_EQ(targets(services_of(all({bad, test::srv(1, 1, 2, "good.example")}), random).value()), "good.example:2 ");
    EXPECT_EQ(pointers_of(all({test::ptr("$(reboot).example"), test::ptr("10.1")})).error(), errc::name_server_failed);
    EXPECT_EQ(pointers_of(all({test::ptr("A.example"), test::ptr("a.example"), test::ptr("b.example")})).value(),
              (std::vector<std::string>{"a.example", "b.example"}));
}

TEST(decode, mail_exchangers_come_by_preference_and_equals_take_turns) {
    std::map<std::string, int> first;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        seeded_random random(seed);
        const auto list =
            exchangers_of(all({test::mx(20, "c.example"), test::mx(10, "a.example"), test::mx(10, "b.example")}),
                          random)
                .value();
        EXPECT_EQ(list[2].host, "c.example");
        ++first[list[0].host];
    }
    EXPECT_GT(first["a.example"], 50);
    EXPECT_GT(first["b.example"], 50);
}

TEST(decode, texts_keep_their_parts) {
    const auto list =
        texts_of(all({test::txt({"v=spf1 ", "-all"}), test::txt({std::string("\0\xff", 2), ""})})).value();
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].joined(), "v=spf1 -all");
    EXPECT_EQ(list[0].parts.size(), 2u);
    EXPECT_EQ(list[1].parts, (std::vector<std::string>{std::string("\0\xff", 2), ""}));
    record cut = from(test::txt({"long"}));
    cut.data.pop_back();
    EXPECT_EQ(texts_of(std::vector{cut}).error(), errc::name_server_failed);
}

TEST(decode, addresses_have_names) {
    const auto name = [](const char* text) { return name_of_address(io::socket_address::parse(text, 7).value()); };
    EXPECT_EQ(name("192.0.2.10"), "10.2.0.192.in-addr.arpa");
    EXPECT_EQ(name("::ffff:192.0.2.10"), "10.2.0.192.in-addr.arpa");
    EXPECT_EQ(name("2001:db8::567:89ab"), "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

}  // namespace
}  // namespace co_wq::net::dns::detail
