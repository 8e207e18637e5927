#include "proxy/policy/address_guard.hpp"

#include <gtest/gtest.h>

#include "ranges.hpp"

namespace co_wq::proxy::policy {
namespace {

// As it is spelled: a mapped address stays IPv6.
ip_address spelled(const std::string& text) {
    const auto read = io::socket_address::parse(text, 0);
    if (!read) return {};
    if (read->family() == io::address_family::ipv6) return ip_address::from_octets(read->octets());
    return ip_address::from(*read);
}

std::string found(const std::string& text) {
    const special_range* one = find_special(spelled(text));
    return one ? std::string(one->text) : "";
}

TEST(address_guard, every_range_is_refused_from_its_first_to_its_last_address_and_not_beyond) {
    for (const range_row& each : range_rows) {
        if (std::string(each.range) == "::/96") {  // its first addresses have entries of their own
            EXPECT_EQ(found("::2"), each.range);
        } else {
            EXPECT_EQ(found(each.first), each.range);
        }
        EXPECT_EQ(found(each.last), each.range);
        if (each.before_is != beside::nothing) {
            EXPECT_NE(found(each.before), each.range);
            EXPECT_EQ(found(each.before).empty(), each.before_is == beside::open) << each.before;
        }
        if (each.after_is != beside::nothing) {
            if (std::string(each.after) != "::1" && std::string(each.after) != "::2") {
                EXPECT_NE(found(each.after), each.range);
            }
            EXPECT_EQ(found(each.after).empty(), each.after_is == beside::open) << each.after;
        }
    }
}

TEST(address_guard, every_entry_of_the_table_is_tested_and_has_a_name_and_a_source) {
    EXPECT_EQ(special_ranges().size(), std::size(range_rows));
    for (const special_range& each : special_ranges()) {
        EXPECT_FALSE(each.name.empty());
        EXPECT_TRUE(each.source.starts_with("RFC ")) << each.text;
        const std::string text(each.text.substr(0, each.text.find('/')));
        EXPECT_EQ(each.range.base, spelled(text)) << each.text;
        const std::string bits = std::to_string(each.range.bits);
        EXPECT_TRUE(each.text.ends_with("/" + bits) || bits == "128") << each.text;
    }
}

TEST(address_guard, global_unicast_is_open) {
    for (const char* good : {"1.1.1.1", "8.8.8.8", "93.184.216.34", "223.255.255.255", "172.15.255.255", "172.32.0.0",
                             "2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"})
        EXPECT_EQ(found(good), "") << good;
}

TEST(address_guard, what_is_not_allocated_is_refused) {
    for (const char* bad : {"1::", "1fff:ffff::", "4000::", "5f00::1", "8000::1", "fbff::1", "100:0:0:1::"})
        EXPECT_EQ(found(bad), "::/0") << bad;
}

TEST(address_guard, a_mapped_address_is_the_ipv4_address) {
    EXPECT_EQ(ip_address::parse("::ffff:127.0.0.1"), ip_address::parse("127.0.0.1"));
    EXPECT_EQ(ip_address::parse("::ffff:7f00:1"), ip_address::parse("127.0.0.1"));
    EXPECT_EQ(find_special(*ip_address::parse("::ffff:8.8.8.8")), nullptr);
    EXPECT_EQ(find_special(*ip_address::parse("::ffff:10.0.0.1"))->text, "10.0.0.0/8");
}

std::string refused(const address_guard& guard, const std::string& text) {
    const special_range* one = guard.refuses(spelled(text));
    return one ? std::string(one->text) : "";
}

TEST(address_guard, an_exception_opens_its_range_and_nothing_else) {
    const address_guard guard({*parse_cidr("10.1.0.0/16"), *parse_cidr("fd00:1::/32")});
    EXPECT_EQ(refused(guard, "10.1.0.0"), "");
    EXPECT_EQ(refused(guard, "10.1.255.255"), "");
    EXPECT_EQ(refused(guard, "10.0.255.255"), "10.0.0.0/8");
    EXPECT_EQ(refused(guard, "10.2.0.0"), "10.0.0.0/8");
    EXPECT_EQ(refused(guard, "127.0.0.1"), "127.0.0.0/8");
    EXPECT_EQ(refused(guard, "fd00:1::5"), "");
    EXPECT_EQ(refused(guard, "fd00:2::5"), "fc00::/7");
}

TEST(address_guard, an_ipv4_address_inside_is_checked_again_when_its_range_is_open) {
    const address_guard guard({*parse_cidr("64:ff9b::/96"), *parse_cidr("64:ff9b:1::/96"), *parse_cidr("2002::/16"),
                               *parse_cidr("2001::/32"), *parse_cidr("::/96"), *parse_cidr("10.1.0.0/16")});
    EXPECT_EQ(refused(guard, "64:ff9b::8.8.8.8"), "");
    EXPECT_EQ(refused(guard, "64:ff9b::10.1.2.3"), "");
    EXPECT_EQ(refused(guard, "64:ff9b::169.254.169.254"), "169.254.0.0/16");
    EXPECT_EQ(refused(guard, "64:ff9b:1::8.8.8.8"), "");
    EXPECT_EQ(refused(guard, "64:ff9b:1::127.0.0.1"), "127.0.0.0/8");
    EXPECT_EQ(refused(guard, "64:ff9b:1:1::8.8.8.8"), "64:ff9b:1::/48");
    EXPECT_EQ(refused(guard, "2002:808:808::1"), "");
    EXPECT_EQ(refused(guard, "2002:7f00:1::1"), "127.0.0.0/8");
    EXPECT_EQ(refused(guard, "2002:c0a8:101::1"), "192.168.0.0/16");
    EXPECT_EQ(refused(guard, "::8.8.8.8"), "");
    EXPECT_EQ(refused(guard, "::127.0.0.1"), "127.0.0.0/8");
    // Teredo: server 8.8.8.8 and the client's address with all bits turned: 8.8.8.8, 127.0.0.1; a server at 10.2.0.1
    EXPECT_EQ(refused(guard, "2001:0:808:808::f7f7:f7f7"), "");
    EXPECT_EQ(refused(guard, "2001:0:808:808::80ff:fffe"), "127.0.0.0/8");
    EXPECT_EQ(refused(guard, "2001:0:a02:1::f7f7:f7f7"), "10.0.0.0/8");
}

TEST(address_guard, a_wide_prefix_of_local_nat64_does_not_say_where_the_ipv4_address_is) {
    const address_guard guard({*parse_cidr("64:ff9b:1::/48")});
    EXPECT_EQ(refused(guard, "64:ff9b:1::8.8.8.8"), "64:ff9b:1::/48");
}

TEST(cidr, edges_within_an_octet) {
    const cidr range = *parse_cidr("172.16.0.0/12");
    EXPECT_TRUE(range.contains(*ip_address::parse("172.31.255.255")));
    EXPECT_FALSE(range.contains(*ip_address::parse("172.32.0.0")));
    EXPECT_FALSE(range.contains(*ip_address::parse("172.15.255.255")));
    EXPECT_TRUE(parse_cidr("0.0.0.0/0")->contains(*ip_address::parse("255.255.255.255")));
    EXPECT_FALSE(parse_cidr("0.0.0.0/0")->contains(*ip_address::parse("::1")));
    EXPECT_TRUE(parse_cidr("::/0")->contains(*ip_address::parse("ffff::")));
    EXPECT_TRUE(parse_cidr("192.0.2.1")->contains(*ip_address::parse("::ffff:192.0.2.1")));
    EXPECT_FALSE(parse_cidr("192.0.2.1")->contains(*ip_address::parse("192.0.2.2")));
}

TEST(cidr, what_is_wrong_is_said_with_what_to_write) {
    const auto wrong = [](std::string_view text) {
        const auto read = parse_cidr(text);
        return read ? "accepted" : read.error();
    };
    EXPECT_NE(wrong("10.0.0.1/8").find("write 10.0.0.0/8"), std::string::npos);
    EXPECT_NE(wrong("2001:db8::1/32").find("2001:db8::/32"), std::string::npos);
    EXPECT_NE(wrong("10.0.0.0/33").find("0 to 32"), std::string::npos);
    EXPECT_NE(wrong("::/129").find("0 to 128"), std::string::npos);
    EXPECT_NE(wrong("::ffff:10.0.0.0/104").find("write 10.0.0.0"), std::string::npos);
    for (const char* bad :
         {"", "/", "/8", "10/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8/8", "010.0.0.0/8",
          "0x0a.0.0.0/8", "10.0.0.0/8x", "10.0.0.0/4294967304", "fe80::1%eth0", "a/8", "[::1]", "10.0.0.0 /8"})
        EXPECT_NE(wrong(bad), "accepted") << bad;
}

}  // namespace
}  // namespace co_wq::proxy::policy
