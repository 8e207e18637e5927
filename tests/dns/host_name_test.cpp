#include "net/dns/host_name.hpp"

#include <gtest/gtest.h>

namespace co_wq::net::dns {
namespace {

// The name as it comes out, or "refused".
std::string normalized(std::string name) { return normalize_host_name(name) ? name : "refused"; }

TEST(host_name, letters_become_lower_case_and_the_last_dot_stays) {
    EXPECT_EQ(normalized("Example.COM"), "example.com");
    EXPECT_EQ(normalized("Example.COM."), "example.com.");
    EXPECT_EQ(normalized("_srv._tcp.x-1.example"), "_srv._tcp.x-1.example");
    EXPECT_EQ(normalized("a"), "a");
    EXPECT_EQ(normalized("3com"), "3com");
    EXPECT_EQ(normalized("1.2.3.example"), "1.2.3.example");
}

TEST(host_name, lengths_are_bounded_to_the_octet) {
    const std::string label(63, 'x');
    EXPECT_EQ(normalized(label + ".example"), label + ".example");
    EXPECT_EQ(normalized(label + "x.example"), "refused");
    EXPECT_EQ(normalized("example." + label), "example." + label);
    EXPECT_EQ(normalized("example." + label + "x"), "refused");
    const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'y');
    ASSERT_EQ(longest.size(), host_name_max);
    EXPECT_EQ(normalized(longest), longest);
    EXPECT_EQ(normalized(longest + "."), longest + ".");
    EXPECT_EQ(normalized(longest + "y"), "refused");
}

TEST(host_name, what_is_no_host_name_is_refused) {
    for (const char* bad : {"", ".", "..", ".example", "a..b", "a.b..", "two words", "a/b", "a:80", "[::1]",
                            "user@host", "%41.example", "caf\xc3\xa9.example", "a\tb", "a\r\nb", "*.example"})
        EXPECT_EQ(normalized(bad), "refused") << bad;
    EXPECT_EQ(normalized(std::string("nul\0.example", 12)), "refused");
}

TEST(host_name, a_last_label_that_is_a_number_is_refused) {
    for (const char* bad :
         {"1", "127.1", "10.0.0.1", "0x7f000001", "0X7F.0x1", "host.0x", "example.123.", "017700000001"})
        EXPECT_EQ(normalized(bad), "refused") << bad;
    EXPECT_EQ(normalized("0xyz"), "0xyz");
    EXPECT_EQ(normalized("host1"), "host1");
}

TEST(host_name, special_names_are_known_with_everything_under_them) {
    EXPECT_TRUE(is_localhost_name("localhost"));
    EXPECT_TRUE(is_localhost_name("localhost."));
    EXPECT_TRUE(is_localhost_name("a.b.localhost"));
    EXPECT_FALSE(is_localhost_name("notlocalhost"));
    EXPECT_FALSE(is_localhost_name("localhost.example"));
    EXPECT_TRUE(is_invalid_name("x.invalid"));
    EXPECT_FALSE(is_invalid_name("invalid.example"));
}

}  // namespace
}  // namespace co_wq::net::dns
