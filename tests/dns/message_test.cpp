// Answers as bytes: what is read of them, and what is refused.
#include "net/dns/detail/message.hpp"

#include <gtest/gtest.h>

#include <random>

#include "name_server.hpp"

namespace co_wq::net::dns::detail {
namespace {

using test::encoded;
using test::number;

struct packet {
    std::string name = "www.example";
    int type = test::type_a;
    std::uint32_t flags = 0x8180;
    std::vector<test::rr> answers{}, authorities{};

    std::string question() const { return encoded(name) + number(static_cast<std::uint32_t>(type), 2) + number(1, 2); }
    static std::string text_of(const test::rr& one) {
        std::string made = one.owner.empty() ? std::string("\xc0\x0c", 2) : encoded(one.owner);
        made += number(static_cast<std::uint32_t>(one.type), 2) + number(1, 2) + number(one.ttl, 4);
        return made + number(static_cast<std::uint32_t>(one.data.size()), 2) + one.data;
    }
    std::string bytes() const {
        std::string made = "id" + number(flags, 2) + number(1, 2);
        made += number(static_cast<std::uint32_t>(answers.size()), 2);
        made += number(static_cast<std::uint32_t>(authorities.size()), 2) + number(0, 2) + question();
        for (const auto* section : {&answers, &authorities})
            for (const test::rr& one : *section) made += text_of(one);
        return made;
    }
};

result<message> read(const packet& from, const read_limits& limits = {}) {
    return read_message(from.bytes(), from.name, static_cast<record_type>(from.type), limits);
}

constexpr std::size_t answer_at = 12 + 13 + 4;  // behind the header and the question for www.example

TEST(message, addresses_have_the_least_ttl_and_each_comes_once) {
    packet from;
    from.answers = {test::a("192.0.2.1", 300), test::a("192.0.2.2", 60), test::a("192.0.2.1", 300)};
    const message got = read(from).value();
    ASSERT_EQ(got.content.addresses.size(), 2u);
    EXPECT_EQ(got.content.addresses[1].host(), "192.0.2.2");
    EXPECT_EQ(got.content.ttl, std::chrono::seconds(60));
    EXPECT_TRUE(got.content.canonical.empty());
}

TEST(message, a_ttl_with_its_top_bit_set_is_none) {
    packet from;
    from.answers = {test::a("192.0.2.1", 0x80000000u)};
    EXPECT_EQ(read(from)->content.ttl, std::chrono::seconds(0));
    from.answers = {test::a("192.0.2.1", 0x7fffffffu)};
    EXPECT_EQ(read(from)->content.ttl, std::chrono::seconds(0x7fffffff));
}

TEST(message, only_records_at_the_end_of_the_chain_count_whatever_their_order) {
    packet from;
    from.answers = {test::a("192.0.2.66", 300, "other.example"), test::a("192.0.2.1", 300, "POP.example"),
                    test::cname("pop.example", 20, "edge.example"), test::cname("Edge.example", 100),
                    test::a("192.0.2.67")};
    const message got = read(from).value();
    ASSERT_EQ(got.content.addresses.size(), 1u);
    EXPECT_EQ(got.content.addresses[0].host(), "192.0.2.1");
    EXPECT_EQ(got.content.canonical, "pop.example");
    EXPECT_EQ(got.content.aliases, (std::vector<std::string>{"www.example", "edge.example"}));
    EXPECT_EQ(got.content.ttl, std::chrono::seconds(20));
}

TEST(message, an_alias_without_what_it_stands_for_says_so) {
    packet from;
    from.answers = {test::cname("edge.example", 100)};
    const message got = read(from).value();
    EXPECT_TRUE(got.content.alias_only());
    EXPECT_EQ(got.content.canonical, "edge.example");
    EXPECT_FALSE(got.negative_ttl);
    from.authorities = {test::soa(30)};
    EXPECT_EQ(read(from)->negative_ttl, std::chrono::seconds(30));
}

TEST(message, chains_that_do_not_end_are_refused) {
    packet from;
    from.answers = {test::cname("www.example")};
    EXPECT_FALSE(read(from));
    from.answers = {test::cname("two.example"), test::cname("www.example", 300, "two.example")};
    EXPECT_FALSE(read(from));
    from.answers.clear();
    for (int i = 0; i < 20; ++i)
        from.answers.push_back(test::cname("n" + std::to_string(i) + ".example", 300,
                                           i == 0 ? "" : "n" + std::to_string(i - 1) + ".example"));
    EXPECT_FALSE(read(from));
}

TEST(message, a_refusal_lasts_as_long_as_the_soa_record_says) {
    packet from;
    from.flags = 0x8183;
    from.authorities = {test::ns("ns.example", "example"), test::soa(90, 3600)};
    EXPECT_EQ(read(from)->negative_ttl, std::chrono::seconds(90));
    EXPECT_EQ(read(from)->code, response_code::name_error);
    from.authorities = {test::soa(90, 10)};
    EXPECT_EQ(read(from)->negative_ttl, std::chrono::seconds(10));
    from.authorities = {test::soa(0xffffffffu, 3600)};
    EXPECT_EQ(read(from)->negative_ttl, std::chrono::seconds(0));
    from.authorities = {};
    EXPECT_FALSE(read(from)->negative_ttl);
    from.authorities = {test::soa(90)};
    from.authorities[0].data.pop_back();
    EXPECT_FALSE(read(from)->negative_ttl);
}

TEST(message, a_hint_whom_else_to_ask_is_no_denial) {
    packet from;
    from.flags = 0x8100;  // neither authoritative nor recursive
    from.authorities = {test::ns("ns.example", "example")};
    EXPECT_TRUE(read(from)->referral);
    from.flags = 0x8180;
    EXPECT_FALSE(read(from)->referral);
    from.flags = 0x8500;
    EXPECT_FALSE(read(from)->referral);
    from.flags = 0x8100;
    from.authorities.push_back(test::soa(30));
    EXPECT_FALSE(read(from)->referral);
}

TEST(message, what_is_no_answer_to_the_question_is_refused) {
    packet from;
    from.answers = {test::a("192.0.2.1")};
    const std::string good = from.bytes();
    EXPECT_TRUE(read_message(good, "www.example", record_type::a, {}));
    EXPECT_TRUE(read_message(good, "WWW.example", record_type::a, {}));
    for (const char* other : {"ww.example", "www.exampl", "www.example.com", "wwwxexample", ".", ""})
        EXPECT_FALSE(read_message(good, other, record_type::a, {})) << other;
    EXPECT_FALSE(read_message(good, "www.example", record_type::aaaa, {}));
    std::string query = good;
    query[2] = '\x01';
    EXPECT_FALSE(read_message(query, "www.example", record_type::a, {}));
    std::string two_questions = good;
    two_questions[5] = 2;
    EXPECT_FALSE(read_message(two_questions, "www.example", record_type::a, {}));
}

TEST(message, every_cut_is_refused_and_no_byte_beyond_is_read) {
    packet from;
    from.answers = {test::cname("edge.example"), test::a("192.0.2.1", 300, "edge.example")};
    const std::string whole = from.bytes();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const std::vector<char> exact(whole.begin(), whole.begin() + static_cast<int>(length));
        EXPECT_FALSE(read_message({exact.data(), exact.size()}, "www.example", record_type::a, {})) << length;
    }
}

TEST(message, addresses_of_a_wrong_length_are_refused) {
    packet from;
    for (const std::size_t length : {0, 3, 5, 16}) {
        from.answers = {{"", test::type_a, 300, std::string(length, 'x')}};
        EXPECT_FALSE(read(from)) << length;
    }
    // of another class or type they are nobody's business
    from.answers = {{"", 99, 300, "abc"}, test::a("192.0.2.1")};
    EXPECT_EQ(read(from)->content.addresses.size(), 1u);
}

TEST(message, names_are_whole_in_data_and_end_where_it_ends) {
    packet from{.type = test::type_mx};
    from.answers = {{"", test::type_mx, 300, number(10, 2) + "\x04mail" + std::string("\xc0\x10", 2)}};
    const message got = read(from).value();
    ASSERT_EQ(got.content.records.size(), 1u);
    EXPECT_EQ(got.content.records[0].data, number(10, 2) + encoded("mail.example"));
    from.answers[0].data += 'x';
    EXPECT_FALSE(read(from));
    from.answers[0].data = number(10, 2) + "\x04mail";
    EXPECT_FALSE(read(from));
    from.answers[0].data = "\x0a";
    EXPECT_FALSE(read(from));
}

TEST(message, compression_points_backwards_only) {
    packet from;
    from.answers = {test::a("192.0.2.1")};
    std::string bytes = from.bytes();
    for (const std::size_t target : {answer_at, answer_at + 1, answer_at + 10, std::size_t{0x3fff}}) {
        bytes[answer_at] = static_cast<char>(0xc0 | target >> 8);
        bytes[answer_at + 1] = static_cast<char>(target);
        EXPECT_FALSE(read_message(bytes, "www.example", record_type::a, {})) << target;
    }
    bytes[answer_at] = '\x80';
    EXPECT_FALSE(read_message(bytes, "www.example", record_type::a, {}));
}

TEST(message, long_chains_of_pointers_and_long_names_are_refused) {
    std::string data(1, '\0');
    std::size_t last = 0;
    for (int i = 0; i < 200; ++i) {
        const std::size_t here = data.size();
        data += number(static_cast<std::uint32_t>(0xc000 | last), 2);
        std::string wire;
        std::size_t at = here;
        EXPECT_EQ(read_name(data, at, wire), i < 127) << i;
        last = here;
    }
    for (const int labels : {3, 4}) {
        std::string name;
        for (int i = 0; i < labels; ++i) name += "\x3e" + std::string(62, 'x');
        name += "\x01z";
        name += '\0';
        std::string wire;
        std::size_t at = 0;
        EXPECT_EQ(read_name(name, at, wire), name.size() <= 255);
    }
}

TEST(message, odd_bytes_in_names_become_harmless_text) {
    const std::string wire(
        "\x05"
        "A.b\\\n"
        "\x02\xff "
        "\x00",
        10);
    EXPECT_EQ(text_of_name(wire), "a\\.b\\\\\\010.\\255\\032");
    EXPECT_EQ(text_of_name(std::string(1, '\0')), ".");
}

TEST(message, thousands_of_records_are_cut_to_the_limits) {
    packet from{.type = test::type_txt};
    for (int i = 0; i < 3000; ++i) from.answers.push_back(test::txt({"text " + std::to_string(i)}));
    EXPECT_EQ(read(from, {.records_max = 5})->content.records.size(), 5u);
    EXPECT_LE(read(from, {.records_max = 5000, .data_bytes_max = 100})->content.records.size(), 14u);
    from.type = test::type_a;
    for (test::rr& one : from.answers) one = test::cname("x.example", 300, "y.example");
    from.answers.push_back(test::a("192.0.2.1"));
    EXPECT_EQ(read(from)->content.addresses.size(), 1u);
}

TEST(message, random_changes_never_break_it) {
    std::mt19937 random(11);
    packet from{.type = test::type_srv};
    from.answers = {test::cname("edge.example"), test::srv(1, 2, 80, "a.example"), test::srv(1, 2, 80, "b.example")};
    from.answers[1].owner = from.answers[2].owner = "edge.example";
    from.authorities = {test::soa(30)};
    const std::string good = from.bytes();
    int read_well = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string bad = good;
        for (int i = 0; i < 1 + round % 4; ++i) bad[random() % bad.size()] = static_cast<char>(random());
        if (random() % 4 == 0) bad.resize(random() % bad.size());
        const std::vector<char> exact(bad.begin(), bad.end());
        const auto got = read_message({exact.data(), exact.size()}, "www.example", record_type::srv, {});
        if (!got) continue;
        ++read_well;
        EXPECT_LE(got->content.records.size(), 3u);
    }
    EXPECT_GT(read_well, 100);
}

}  // namespace
}  // namespace co_wq::net::dns::detail
