#include "proxy/policy/host_set.hpp"

#include <gtest/gtest.h>

namespace co_wq::proxy::policy {
namespace {

using kind = destination::kind;

TEST(destination, names_are_lower_case_and_without_the_last_dot) {
    EXPECT_EQ(destination::from("GitHub.COM.").name, "github.com");
    EXPECT_EQ(destination::from("xn--BCHER-kva.example").name, "xn--bcher-kva.example");
    EXPECT_EQ(destination::from("deb.debian.org").what, kind::name);
    EXPECT_EQ(destination::from("0x7f.example").what, kind::name);
    EXPECT_EQ(destination::from("localhost").what, kind::name);
}

TEST(destination, numeric_hosts_are_addresses) {
    for (const char* each : {"127.0.0.1", "::1", "::ffff:127.0.0.1", "255.255.255.255", "fe80::1"}) {
        EXPECT_EQ(destination::from(each).what, kind::address) << each;
        EXPECT_EQ(destination::from(each).name, "");
    }
    EXPECT_EQ(destination::from("::ffff:10.1.2.3").address, ip_address::ipv4(10, 1, 2, 3));
}

TEST(destination, hosts_that_others_read_as_numbers_are_neither_names_nor_addresses) {
    for (const char* bad : {"0177.0.0.1",
                            "0x7f.0.0.1",
                            "0x7f000001",
                            "2130706433",
                            "127.1",
                            "127.0.1",
                            "0x50",
                            "1",
                            "127.0.0.1.",
                            "127.0.0.1..",
                            "01.01.01.01",
                            "256.1.1.1",
                            "1.2.3.4.5",
                            "fe80::1%eth0",
                            "fe80::1%25eth0",
                            "::1%lo",
                            "[::1]",
                            "user@host",
                            "user:pass@host",
                            "host:80",
                            "b\xc3\xbc"
                            "cher.example",
                            "",
                            ".",
                            "..",
                            "a..b",
                            ".a",
                            "a b",
                            "a/b",
                            "a%00b",
                            "1.2.3.0x4",
                            "::ffff:0x7f.0.0.1",
                            "*.example.org"})
        EXPECT_EQ(destination::from(bad).what, kind::bad) << bad;
    EXPECT_EQ(destination::from(std::string("good.example\0.evil.example", 26)).what, kind::bad);
    EXPECT_EQ(destination::from(std::string("127.0.0.1\0", 10)).what, kind::bad);
}

TEST(host_set, a_name_matches_itself_in_every_spelling_and_nothing_under_it) {
    host_set set;
    ASSERT_TRUE(set.add("GitHub.com."));
    EXPECT_TRUE(set.has(destination::from("github.COM").name));
    EXPECT_TRUE(set.has(destination::from("github.com.").name));
    EXPECT_FALSE(set.has("api.github.com"));
    EXPECT_FALSE(set.has("xgithub.com"));
    EXPECT_FALSE(set.has("github.com.evil.example"));
    EXPECT_FALSE(set.has(""));
}

TEST(host_set, a_suffix_matches_what_is_under_it_at_a_dot_only) {
    host_set set;
    ASSERT_TRUE(set.add("*.debian.org"));
    EXPECT_TRUE(set.has("deb.debian.org"));
    EXPECT_TRUE(set.has("a.b.debian.org"));
    EXPECT_FALSE(set.has("debian.org"));
    EXPECT_FALSE(set.has("evildebian.org"));
    EXPECT_FALSE(set.has("debian.org.example"));
}

TEST(host_set, a_star_alone_is_every_name) {
    host_set set;
    EXPECT_TRUE(set.empty());
    ASSERT_TRUE(set.add("*"));
    EXPECT_FALSE(set.empty());
    EXPECT_TRUE(set.has("anything.example"));
}

TEST(host_set, what_is_wrong_is_said_with_what_to_write) {
    const auto wrong = [](std::string_view text) {
        host_set set;
        const auto added = set.add(text);
        return added ? "accepted" : added.error();
    };
    EXPECT_NE(wrong("b\xc3\xbc"
                    "cher.example")
                  .find("xn--"),
              std::string::npos);
    EXPECT_NE(wrong("https://github.com").find("scheme"), std::string::npos);
    EXPECT_NE(wrong("github.com/x").find("path"), std::string::npos);
    EXPECT_NE(wrong("github.com:443").find("port"), std::string::npos);
    EXPECT_NE(wrong("*github.com").find("*.example.org"), std::string::npos);
    EXPECT_NE(wrong("a.*.com").find("*.example.org"), std::string::npos);
    EXPECT_NE(wrong(".github.com").find("*.github.com"), std::string::npos);
    for (const char* bad : {"", ".", "*.", "*..a", "127.1", "10.0.0.1", "user@host"})
        EXPECT_NE(wrong(bad), "accepted") << bad;
}

}  // namespace
}  // namespace co_wq::proxy::policy
