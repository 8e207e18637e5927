// The cache alone, with time as the test tells it.
#include "net/dns/detail/name_table.hpp"

#include <gtest/gtest.h>

#include <random>

namespace co_wq::net::dns::detail {
namespace {

using namespace std::chrono_literals;

constexpr auto v4 = record_type::a;
constexpr auto v6 = record_type::aaaa;
constexpr time_point start{1h};

answer_ptr some_answer() { return make_answer(found{.addresses = {io::socket_address::loopback(0)}}); }

name_table table_of(std::size_t most) {
    return name_table(most, 1'000'000, nullptr, [](query&, reply&&) noexcept {});
}

struct counted_lookup : lookup {
    counted_lookup() : lookup([](lookup& self) noexcept { ++static_cast<counted_lookup&>(self).calls; }) {}
    int calls = 0;
};

TEST(name_table, an_answer_is_fresh_until_its_ttl_is_over_and_not_a_tick_longer) {
    name_table table = table_of(10);
    table.settle(table.begin("a.example", v4), some_answer(), start, 5s);
    name_record* record = table.find("a.example", v4);
    ASSERT_TRUE(record);
    EXPECT_TRUE(record->fresh(start + 5s - 1ns));
    EXPECT_FALSE(record->fresh(start + 5s));
    EXPECT_FALSE(table.find("a.example", v6));
}

TEST(name_table, an_expired_record_is_asked_for_again_in_place) {
    name_table table = table_of(10);
    name_record& first = table.begin("a.example", v4);
    table.settle(first, some_answer(), start, 1s);
    name_record& again = table.begin("a.example", v4);
    EXPECT_EQ(&first, &again);
    EXPECT_EQ(table.entries(), 0u);
    EXPECT_EQ(table.asking(), 1u);
    EXPECT_FALSE(again.fresh(start));
    table.settle(again, some_answer(), start + 2s, 1s);
    EXPECT_TRUE(again.fresh(start + 2s));
}

TEST(name_table, everybody_who_waits_gets_the_answer_once_and_the_dead_get_nothing) {
    name_table table = table_of(10);
    name_record& record = table.begin("a.example", v4);
    counted_lookup first, last;
    record.waiters.push_back(first);
    {
        counted_lookup dies;
        record.waiters.push_back(dies);
    }
    record.waiters.push_back(last);
    table.settle(record, some_answer(), start, 0s);
    EXPECT_EQ(first.calls, 1);
    EXPECT_EQ(last.calls, 1);
    table.flush();
    EXPECT_TRUE(first.done() && first.get());  // the answer outlives its record
}

TEST(name_table, what_was_used_longest_ago_goes_first_and_questions_in_flight_never) {
    name_table table = table_of(2);
    name_record& asking = table.begin("asking.example", v4);
    for (const char* name : {"a", "b"}) table.settle(table.begin(name, v4), some_answer(), start, 1h);
    EXPECT_TRUE(table.find("a", v4));
    table.settle(table.begin("c", v4), some_answer(), start, 1h);
    EXPECT_FALSE(table.find("b", v4));
    EXPECT_TRUE(table.find("a", v4));
    EXPECT_EQ(table.evictions(), 1u);
    table.flush();
    EXPECT_EQ(table.entries(), 0u);
    EXPECT_EQ(table.find("asking.example", v4), &asking);
    table.settle(asking, some_answer(), start, 1h);
}

TEST(name_table, a_table_without_room_still_answers_who_asks) {
    name_table table = table_of(0);
    name_record& record = table.begin("a", v4);
    table.settle(record, some_answer(), start, 1h);
    EXPECT_TRUE(*record.known());
    table.settle(table.begin("b", v4), some_answer(), start, 1h);
    EXPECT_LE(table.entries(), 1u);
}

TEST(name_table, its_figures_hold_through_any_sequence_of_calls) {
    std::mt19937 random(7);
    name_table table = table_of(8);
    std::vector<name_record*> asking;
    for (int step = 0; step < 20'000; ++step) {
        const std::string name = "host" + std::to_string(random() % 24);
        name_record* known = table.find(name, v4);
        if (random() % 64 == 0) {
            table.flush();
        } else if (!known || !known->asking()) {
            asking.push_back(&table.begin(name, v4));
        }
        if (!asking.empty() && random() % 2) {
            std::swap(asking.back(), asking[random() % asking.size()]);
            table.settle(*asking.back(), some_answer(), start, 1s);
            asking.pop_back();
        }
        ASSERT_EQ(table.asking(), asking.size());
        ASSERT_LE(table.entries(), 8u);
    }
    for (name_record* one : asking) table.settle(*one, some_answer(), start, 1s);
}

}  // namespace
}  // namespace co_wq::net::dns::detail
