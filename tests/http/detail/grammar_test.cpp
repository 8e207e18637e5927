#include "http/detail/grammar.hpp"

#include <gtest/gtest.h>

#include <string>

namespace co_wq::http::detail {
namespace {

TEST(grammar, field_text_is_judged_alike_for_each_byte_at_each_place) {
    for (std::size_t size = 1; size <= 20; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string text(size, 'x');
                text[at] = static_cast<char>(byte);
                const bool good = (byte >= 0x20 && byte != 0x7f) || byte == '\t';
                ASSERT_EQ(is_field_text(text), good) << "byte " << byte << " at " << at << " of " << size;
            }
        }
    }
    EXPECT_TRUE(is_field_text(""));
}

TEST(grammar, tabs_hide_no_control_beside_them) {
    for (std::size_t at = 0; at < 17; ++at) {
        std::string text(17, '\t');
        EXPECT_TRUE(is_field_text(text));
        text[at] = '\n';
        EXPECT_FALSE(is_field_text(text)) << at;
    }
}

TEST(grammar, visible_ascii_is_judged_alike_for_each_byte_at_each_place) {
    for (std::size_t size = 1; size <= 40; size += 13)
        for (std::size_t at = 0; at < size; ++at)
            for (int byte = 0; byte < 256; ++byte) {
                std::string text(size, 'x');
                text[at] = static_cast<char>(byte);
                ASSERT_EQ(is_visible_ascii(text), byte > 0x20 && byte < 0x7f) << "byte " << byte << " at " << at;
            }
}

TEST(grammar, tokens_are_the_characters_of_rfc_9110) {
    const std::string_view others = "!#$%&'*+-.^_`|~";
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        EXPECT_EQ(is_token({&c, 1}), alphanumeric || (c != 0 && others.find(c) != std::string_view::npos)) << byte;
    }
    EXPECT_FALSE(is_token(""));
    EXPECT_FALSE(is_token("a b"));
}

TEST(grammar, lists_are_split_at_commas_and_empty_members_skipped) {
    std::string_view list = ", a ,\t,b c,, ";
    EXPECT_EQ(next_member(list), "a");
    EXPECT_EQ(next_member(list), "b c");
    EXPECT_EQ(next_member(list), "");
    EXPECT_EQ(next_member(list), "");
}

TEST(grammar, case_is_ignored_for_letters_only) {
    EXPECT_TRUE(equal_ignoring_case("aZ-9_", "Az-9_"));
    EXPECT_FALSE(equal_ignoring_case("a^", "a~"));
    EXPECT_FALSE(equal_ignoring_case("a", "ab"));
}

}  // namespace
}  // namespace co_wq::http::detail
