#include "proxy/config/units.hpp"

#include <gtest/gtest.h>

#include <array>

namespace co_wq::proxy::config {
namespace {

using namespace std::chrono_literals;

TEST(units, times_have_units) {
    EXPECT_EQ(parse_time("1ms"), 1ms);
    EXPECT_EQ(parse_time("1500 ms"), 1500ms);
    EXPECT_EQ(parse_time("10s"), 10s);
    EXPECT_EQ(parse_time("5min"), 5min);
    EXPECT_EQ(parse_time("2h"), 2h);
    EXPECT_EQ(parse_time("7d"), 168h);
    for (const char* bad :
         {"", "10", "s", " 10s", "10  s", "10s ", "-1s", "+1s", "1.5s", "0s", "8d", "604800001ms", "1m", "10S", "1us",
          "99999999999999999999s", "18446744073709551616ms", "213503982334602d", "0x10s"})
        EXPECT_FALSE(parse_time(bad)) << bad;
}

TEST(units, sizes_have_units) {
    EXPECT_EQ(parse_size("0 B"), 0u);
    EXPECT_EQ(parse_size("512B"), 512u);
    EXPECT_EQ(parse_size("64 KiB"), 65536u);
    EXPECT_EQ(parse_size("16 MiB"), 16u << 20);
    EXPECT_EQ(parse_size("8589934591 GiB"), 8589934591u << 30);
    for (const char* bad : {"", "16", "16 MB", "16 mib", "-1 B", "8589934592 GiB", "18446744073709551616 B", "1.5 KiB"})
        EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(units, ports_are_checked_before_they_are_cut) {
    EXPECT_EQ(parse_ports("443")->first, 443);
    EXPECT_EQ(parse_ports("443")->last, 443);
    EXPECT_EQ(parse_ports("1-65535")->last, 65535);
    EXPECT_EQ(parse_ports("8000-8999")->first, 8000);
    for (const char* bad : {"", "0", "65536", "65979", "4294967739", "18446744073709552059", "0x50", "-1", "1-", "-",
                            "2-1", "1-65536", "0-1", "1-2-3", " 443", "443 ", "443a", "+443", "4 43"})
        EXPECT_FALSE(parse_ports(bad)) << bad;
}

TEST(units, name_servers) {
    for (const char* good : {"192.0.2.1", "192.0.2.1:53", "[2001:db8::1]:5353", "[::1]", "2001:db8::1"})
        EXPECT_EQ(wrong_with_name_server(good), "") << good;
    for (const char* bad : {"", "ns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:1-2", "[::1",
                            "[::1]x", "[192.0.2.1]:53", "[::1]:", ":53", "192.0.2.1,192.0.2.2"})
        EXPECT_NE(wrong_with_name_server(bad), "") << bad;
}

TEST(nearest, a_word_that_is_meant_is_found_and_others_are_not) {
    constexpr std::array<std::string_view, 4> known{"connect_timeout", "policies", "log", "users"};
    EXPECT_EQ(nearest("conect_timeout", known), "connect_timeout");
    EXPECT_EQ(nearest("connecttimeout", known), "connect_timeout");
    EXPECT_EQ(nearest("policy", known), "policies");
    EXPECT_EQ(nearest("user", known), "users");
    EXPECT_EQ(nearest("lg", known), "log");
    EXPECT_EQ(nearest("zzz", known), std::nullopt);
    EXPECT_EQ(nearest("", known), std::nullopt);
    EXPECT_EQ(nearest("completely_different", known), std::nullopt);
    EXPECT_EQ(nearest(std::string(1000, 'x'), known), std::nullopt);
}

}  // namespace
}  // namespace co_wq::proxy::config
