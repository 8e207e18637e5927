#include "proxy/socks/addresses.hpp"

#include <gtest/gtest.h>

namespace co_wq::proxy::socks {
namespace {

io::socket_address at(std::string_view host, std::uint16_t port = 0) { return *io::socket_address::parse(host, port); }

TEST(AddressBlock, ContainsWhatItsPrefixCovers) {
    const auto block = *address_block::parse("192.0.2.64/26");
    EXPECT_TRUE(block.contains(at("192.0.2.64")));
    EXPECT_TRUE(block.contains(at("192.0.2.127", 99)));
    EXPECT_TRUE(block.contains(at("::ffff:192.0.2.100")));
    EXPECT_FALSE(block.contains(at("192.0.2.63")));
    EXPECT_FALSE(block.contains(at("192.0.2.128")));
    EXPECT_FALSE(block.contains(at("2001:db8::1")));
    EXPECT_FALSE(block.contains({}));
    EXPECT_FALSE(block.contains(*io::socket_address::local("/a")));
    EXPECT_TRUE(address_block::parse("0.0.0.0/0")->contains(at("255.255.255.255")));
    EXPECT_FALSE(address_block::parse("0.0.0.0/0")->contains(at("::1")));
    EXPECT_TRUE(address_block::parse("::/0")->contains(at("1.2.3.4")));
    EXPECT_TRUE(address_block::parse("::1")->contains(at("::1")));
    EXPECT_FALSE(address_block::parse("::1")->contains(at("::2")));
    EXPECT_TRUE(address_block::parse("2001:db8::/33")->contains(at("2001:db8:7fff::1")));
    EXPECT_FALSE(address_block::parse("2001:db8::/33")->contains(at("2001:db8:8000::1")));
}

TEST(AddressBlock, RefusesWhatIsNone) {
    for (const char* text : {"", "/", "/8", "a", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8",
                             "10.0.0.0/08", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.1/8", "10.0.0/8", "::/129", "::1/64",
                             "fe80::1%lo", "10.0.0.0/8/8", "10.0.0.0/255.0.0.0"})
        EXPECT_FALSE(address_block::parse(text)) << text;
}

TEST(Addresses, MappedAndBack) {
    EXPECT_EQ(mapped(at("1.2.3.4", 5)).text(), "[::ffff:1.2.3.4]:5");
    EXPECT_EQ(unmapped(at("::ffff:1.2.3.4", 5)).text(), "1.2.3.4:5");
    for (const char* host : {"1.2.3.4", "::1", "::1.2.3.4", "2001:db8::ffff:1:2"})
        EXPECT_EQ(unmapped(at(host)), at(host));
    EXPECT_EQ(mapped(at("::1")), at("::1"));
    EXPECT_EQ(endpoint_of(at("1.2.3.4", 5)), endpoint_of(at("::ffff:1.2.3.4", 5)));
    EXPECT_FALSE(endpoint_of(at("1.2.3.4", 5)) == endpoint_of(at("1.2.3.4", 6)));
    EXPECT_FALSE(host_of(at("1.2.3.4")) == host_of(at("::102:304")));
}

TEST(Addresses, GroupsAndNobodyAreNoHosts) {
    for (const char* host : {"0.0.0.0", "224.0.0.1", "239.255.255.255", "255.255.255.255", "::", "ff02::1",
                             "::ffff:224.0.0.1", "::ffff:0.0.0.0"})
        EXPECT_FALSE(is_unicast(at(host))) << host;
    EXPECT_FALSE(is_unicast({}));
    for (const char* host : {"127.0.0.1", "223.255.255.255", "::1", "fe80::1", "::ffff:1.2.3.4"})
        EXPECT_TRUE(is_unicast(at(host))) << host;
}

}  // namespace
}  // namespace co_wq::proxy::socks
