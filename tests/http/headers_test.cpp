#include "http/headers.hpp"

#include <gtest/gtest.h>

#include <string>

namespace co_wq::http {
namespace {

TEST(headers, fields_keep_their_order_spelling_and_repetitions) {
    header_list fields;
    fields.add("X-b", "1");
    fields.add("hOsT", "a");
    fields.add("x-B", "");
    ASSERT_EQ(fields.size(), 3u);
    EXPECT_EQ(fields[0].name, "X-b");
    EXPECT_EQ(fields[1].name, "hOsT");
    EXPECT_EQ(fields[1].id, field_id::host);
    EXPECT_EQ(fields[2].value, "");
    std::string names;
    for (const field each : fields) names += std::string(each.name) + ",";
    EXPECT_EQ(names, "X-b,hOsT,x-B,");
}

TEST(headers, names_are_looked_up_and_counted_without_regard_to_case) {
    header_list fields;
    fields.add("Via", "1.1 a");
    fields.add("x-thing", "first");
    fields.add("X-THING", "second");
    EXPECT_EQ(fields.get("X-Thing"), "first");
    EXPECT_EQ(fields.count("X-Thing"), 2u);
    EXPECT_EQ(fields.get(field_id::via), "1.1 a");
    EXPECT_EQ(fields.get("vIa"), "1.1 a");
    EXPECT_EQ(fields.get(field_id::te), std::nullopt);
    EXPECT_EQ(fields.get("absent"), std::nullopt);
    EXPECT_EQ(fields.count(field_id::via), 1u);
}

TEST(headers, every_known_name_is_found_in_any_case_and_none_of_its_neighbours) {
    for (std::size_t i = 1; i < field_ids; ++i) {
        const auto id = static_cast<field_id>(i);
        std::string name(name_of(id));
        EXPECT_EQ(field_id_from(name), id) << name;
        for (char& c : name) c = static_cast<char>(std::toupper(c));
        EXPECT_EQ(field_id_from(name), id) << name;
        for (char& c : name) c = static_cast<char>(std::tolower(c));
        EXPECT_EQ(field_id_from(name), id) << name;
        EXPECT_EQ(field_id_from(name + "x"), field_id::other) << name;
        EXPECT_EQ(field_id_from(name.substr(1)), field_id::other) << name;
        name[0] = '_';
        EXPECT_EQ(field_id_from(name), field_id::other) << name;
    }
    EXPECT_EQ(field_id_from(""), field_id::other);
    EXPECT_EQ(field_id_from("content_length"), field_id::other);
    EXPECT_EQ(field_id_from("content\rlength"), field_id::other);
}

TEST(headers, members_of_lists_are_found_over_several_lines) {
    header_list fields;
    fields.add("Connection", "close ,, \tx-a");
    fields.add("connection", "Upgrade");
    EXPECT_TRUE(fields.has_member(field_id::connection, "CLOSE"));
    EXPECT_TRUE(fields.has_member(field_id::connection, "x-a"));
    EXPECT_TRUE(fields.has_member(field_id::connection, "upgrade"));
    EXPECT_FALSE(fields.has_member(field_id::connection, "x"));
    EXPECT_FALSE(fields.has_member(field_id::connection, ""));
}

TEST(headers, removing_takes_all_of_a_name_and_leaves_the_rest_in_order) {
    header_list fields;
    for (const std::string_view name : {"A", "Via", "a", "B", "via"}) fields.add(name, "1");
    EXPECT_EQ(fields.remove("VIA"), 2u);
    EXPECT_EQ(fields.remove("a"), 2u);
    EXPECT_EQ(fields.remove("a"), 0u);
    ASSERT_EQ(fields.size(), 1u);
    EXPECT_EQ(fields[0].name, "B");
    fields.set(field_id::te, "trailers");
    fields.set(field_id::te, "");
    EXPECT_EQ(fields.count(field_id::te), 1u);
    EXPECT_EQ(fields.get(field_id::te), "");
}

TEST(headers, views_survive_a_move_of_the_list) {
    header_list fields;
    fields.add("A", "1");
    const std::string_view value = fields[0].value;
    header_list moved = std::move(fields);
    EXPECT_EQ(moved[0].value.data(), value.data());
    EXPECT_EQ(value, "1");
}

TEST(headers, a_cleared_list_is_empty_and_a_reset_one_can_be_filled_again) {
    header_list fields;
    fields.add("A", std::string(1000, 'x'));
    fields.clear();
    EXPECT_TRUE(fields.empty());
    EXPECT_EQ(fields.text_size(), 0u);
    fields.add("A", std::string(1000, 'x'));
    fields.reset(100);
    EXPECT_TRUE(fields.empty());
    fields.add("B", "2");
    EXPECT_EQ(fields.get("b"), "2");
}

TEST(headers, ten_thousand_fields_are_kept_and_found) {
    header_list fields;
    for (int i = 0; i < 10'000; ++i) fields.add("X-" + std::to_string(i), std::to_string(i));
    ASSERT_EQ(fields.size(), 10'000u);
    EXPECT_EQ(fields.get("x-9999"), "9999");
    EXPECT_LT(fields.text_size(), 10'000u * 12);
}

TEST(headers, an_appended_field_ends_its_line) {
    byte_buffer out;
    append_field(out, "A", "b");
    append_field(out, "C", "");
    EXPECT_EQ(out.text(), "A: b\r\nC: \r\n");
}

TEST(byte_buffer, what_was_appended_stays_when_it_grows_and_when_it_moves) {
    byte_buffer out;
    std::string expected;
    for (int i = 0; i < 1000; ++i) {
        out.append(std::to_string(i));
        out.append(' ');
        out.append_hex(static_cast<std::uint64_t>(i));
        expected += std::to_string(i) + ' ';
        char hex[8];
        std::snprintf(hex, sizeof hex, "%x", static_cast<unsigned>(i));
        expected += hex;
    }
    byte_buffer moved = std::move(out);
    EXPECT_EQ(moved.text(), expected);
    moved.truncate(3);
    EXPECT_EQ(moved.text(), expected.substr(0, 3));
    moved.clear();
    const std::size_t capacity = moved.capacity();
    EXPECT_GE(capacity, expected.size());
    moved.append(expected);
    EXPECT_EQ(moved.capacity(), capacity) << "clear() keeps the memory";
    moved.reset(64);
    EXPECT_EQ(moved.capacity(), 0u);
    EXPECT_EQ(moved.text(), "");
}

}  // namespace
}  // namespace co_wq::http
