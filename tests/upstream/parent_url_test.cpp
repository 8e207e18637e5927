#include "proxy/config/parent_url.hpp"

#include <gtest/gtest.h>

namespace co_wq::proxy::config {
namespace {

using policy::parent_kind;

TEST(parent_url, what_it_says_goes_where_it_belongs) {
    struct expected {
        const char* url;
        parent_kind kind;
        const char *host, *user, *password;
        std::uint16_t port;
    };
    for (const expected& each : {
             expected{"http://Proxy.Example:3128", parent_kind::http, "proxy.example", "", "", 3128},
             expected{"http://proxy.example:3128/", parent_kind::http, "proxy.example", "", "", 3128},
             expected{"https://u:p@192.0.2.1:443", parent_kind::https, "192.0.2.1", "u", "p", 443},
             expected{"socks5://[2001:db8::1]", parent_kind::socks5, "2001:db8::1", "", "", 1080},
             expected{"socks5://u:p@h:9", parent_kind::socks5, "h", "u", "p", 9},
             expected{"http://a%40b:%3A%25@h:1", parent_kind::http, "h", "a@b", ":%", 1},
             expected{"http://u:p:q@r@h:1", parent_kind::http, "h", "u", "p:q@r", 1},
             expected{"http://u@h:1", parent_kind::http, "h", "u", "", 1},
         }) {
        policy::parent made;
        EXPECT_EQ(read_parent_url(each.url, made), "") << each.url;
        EXPECT_EQ(made.kind, each.kind) << each.url;
        EXPECT_EQ(made.host, each.host) << each.url;
        EXPECT_EQ(made.port, each.port) << each.url;
        EXPECT_EQ(made.user, each.user) << each.url;
        EXPECT_EQ(made.password, each.password) << each.url;
        EXPECT_EQ(made.text().find("secret"), std::string::npos);
    }
}

TEST(parent_url, what_is_none_is_told_without_its_password) {
    for (const char* url :
         {"", "h:1", "ftp://u:secret@h:1", "http://", "http://u:secret@h", "http://u:secret@h:0",
          "http://u:secret@h:65536", "http://u:secret@h:1/path", "http://u:sec/secret@h:1/", "http://:secret@h:1",
          "http://u:secret%@h:1", "http://u:secret%4@h:1", "http://u:secret%zz@h:1", "http://u:secret@h:1?x",
          "http://u:secret@a b:1", "http://u:secret@[::1:1", "http://u:secret@010.1.1.1:1", "socks5h://u:secret@h:1",
          "socks4://u:secret@h:1"}) {
        policy::parent made;
        const std::string wrong = read_parent_url(url, made);
        EXPECT_NE(wrong, "") << url;
        EXPECT_EQ(wrong.find("secret"), std::string::npos) << wrong;
    }
}

TEST(parent_url, credentials_that_cannot_be_sent_are_told) {
    policy::parent one;
    EXPECT_EQ(wrong_with_credentials(one), "");
    one.password = "p";
    EXPECT_NE(wrong_with_credentials(one), "") << "a password alone";
    one.user = "u";
    EXPECT_EQ(wrong_with_credentials(one), "");
    one.user = "u:v";
    EXPECT_NE(wrong_with_credentials(one), "");
    one.user = "u\r\nx";
    EXPECT_NE(wrong_with_credentials(one), "");
    one.user = "\xc3\xbc";
    EXPECT_EQ(wrong_with_credentials(one), "");
    one.kind = parent_kind::socks5;
    one.user = std::string(255, 'u');
    one.password = std::string(255, 'p');
    EXPECT_EQ(wrong_with_credentials(one), "");
    one.password += 'p';
    EXPECT_NE(wrong_with_credentials(one), "");
    one.password.clear();
    EXPECT_NE(wrong_with_credentials(one), "") << "RFC 1929 has none of no bytes";
}

TEST(parent_url, those_of_the_command_line_are_one_group) {
    policy::settings made;
    EXPECT_EQ(add_parents({}, made), "");
    EXPECT_TRUE(made.way.via.empty());
    EXPECT_EQ(add_parents({"http://a:1", "socks5://b:2"}, made), "");
    ASSERT_EQ(made.parents.size(), 2u);
    ASSERT_EQ(made.parent_groups.size(), 1u);
    EXPECT_EQ(made.parent_groups[0].parents, (std::vector<std::string>{"parent1", "parent2"}));
    EXPECT_EQ(made.way.via, made.parent_groups[0].name);
    EXPECT_NE(add_parents({"http://c:1"}, made), "") << "there are parents already";
    policy::settings other;
    const std::string wrong = add_parents({"http://a:1", "http://u:secret@b"}, other);
    EXPECT_NE(wrong.find("number 2"), std::string::npos) << wrong;
    EXPECT_EQ(wrong.find("secret"), std::string::npos) << wrong;
}

}  // namespace
}  // namespace co_wq::proxy::config
