#include "proxy/seeing/escape.hpp"

#include <gtest/gtest.h>

namespace co_wq::proxy {
namespace {

std::string json(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string column(std::string_view text) {
    std::string out;
    append_column(out, text);
    return out;
}

std::string target(std::string_view text, bool query = false, bool well_formed = true) {
    return loggable_target(text, {.query = query, .well_formed = well_formed});
}

const std::string replacement = "\xef\xbf\xbd";

TEST(escape, json_escapes_what_a_string_must_not_hold) {
    EXPECT_EQ(json("plain /?&"), R"("plain /?&")");
    EXPECT_EQ(json("a\"b\\c"), R"("a\"b\\c")");
    EXPECT_EQ(json(std::string_view("\0\n\r\t\x1f\x7f", 6)), R"("\u0000\u000a\u000d\u0009\u001f\u007f")");
    EXPECT_EQ(json(""), R"("")");
}

TEST(escape, json_keeps_utf8_and_replaces_each_byte_that_is_none) {
    for (const std::string_view good : {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                                        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        EXPECT_EQ(json(good), '"' + std::string(good) + '"');
    const auto all_replaced = [](std::string_view bad) {
        std::string wanted = "\"";
        for (std::size_t n = 0; n < bad.size(); ++n) wanted += replacement;
        return wanted + '"';
    };
    for (const std::string_view bad :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98"})
        EXPECT_EQ(json(bad), all_replaced(bad));
    EXPECT_EQ(json("\xc3(\xc3\xa4"), "\"" + replacement + "(\xc3\xa4\"");
}

TEST(escape, every_field_is_bounded) {
    const std::string much(logged_text_max + 1, 'x');
    EXPECT_EQ(json(much).size(), logged_text_max + 5);
    EXPECT_TRUE(json(much).ends_with("x...\""));
    EXPECT_TRUE(column(much).ends_with("x..."));
    EXPECT_EQ(column(much.substr(1)), much.substr(1));
    std::string cut(logged_text_max - 1, 'x');
    cut += "\xc3\xa4";
    EXPECT_TRUE(json(cut).ends_with("x" + replacement + "...\"")) << "a character that is cut is no character";
}

TEST(escape, a_column_is_one_word_of_printable_ascii) {
    EXPECT_EQ(column(""), "-");
    EXPECT_EQ(column("a b\n\xff\\x"), R"(a\x20b\x0a\xff\\x)");
    std::string out;
    append_quoted_column(out, "a \"b\" \\ \t");
    EXPECT_EQ(out, R"("a \"b\" \\ \x09")");
}

TEST(escape, targets_lose_credentials_queries_and_fragments) {
    EXPECT_EQ(target("http://user:secret@h:80/p?token=1#f"), "http://h:80/p?");
    EXPECT_EQ(target("http://user:secret@h:80/p?token=1#f", true), "http://h:80/p?token=1");
    EXPECT_EQ(target("http://a@b@h/"), "http://h/");
    EXPECT_EQ(target("http://h/@scope/pkg"), "http://h/@scope/pkg") << "an @ of the path stays";
    EXPECT_EQ(target("http://h?x=a@b", true), "http://h?x=a@b");
    EXPECT_EQ(target("user:secret@h:443"), "h:443");
    EXPECT_EQ(target("h:443"), "h:443");
    EXPECT_EQ(target("/path/a@b"), "/path/a@b");
    EXPECT_EQ(target("//user:secret@h/x"), "//h/x");
    EXPECT_EQ(target("*"), "*");
    EXPECT_EQ(target(""), "");
}

TEST(escape, of_a_target_that_is_malformed_everything_in_front_of_an_at_goes) {
    for (const std::string_view text : {"http://user:sec/ret@h/", "http://user:sec?ret@h/", "http://user:sec#ret@h/",
                                        "http:/user:secret@h/", "http:\\\\user:secret@h/", "http:///user:secret@h/",
                                        "/user:secret@h/", "user:secret@h/", "?://user:secret@h/"}) {
        for (const bool query : {false, true}) {
            const std::string shown = target(text, query, false);
            EXPECT_EQ(shown.find("sec"), std::string::npos) << text << " -> " << shown;
            EXPECT_TRUE(shown.ends_with("h/")) << text << " -> " << shown;
        }
    }
}

}  // namespace
}  // namespace co_wq::proxy
