#include "net/dns/detail/candidates.hpp"

#include <gtest/gtest.h>

namespace co_wq::net::dns::detail {
namespace {

address_list list_of(std::initializer_list<const char*> hosts) {
    address_list made;
    for (const char* host : hosts) made.push_back(io::socket_address::parse(host, 0).value());
    return made;
}

std::string order_of(families wanted, const address_list& ipv4, const address_list& ipv6) {
    candidates left(wanted);
    left.add(io::address_family::ipv4, ipv4);
    left.add(io::address_family::ipv6, ipv6);
    std::string text;
    while (!left.empty()) text += left.next().host() + " ";
    return text;
}

TEST(candidates, families_alternate_beginning_with_the_preferred_one) {
    const address_list ipv4 = list_of({"192.0.2.1", "192.0.2.2", "192.0.2.3"}), ipv6 = list_of({"::1", "::2"});
    EXPECT_EQ(order_of(families::any, ipv4, ipv6), "::1 192.0.2.1 ::2 192.0.2.2 192.0.2.3 ");
    EXPECT_EQ(order_of(families::ipv4_first, ipv4, ipv6), "192.0.2.1 ::1 192.0.2.2 ::2 192.0.2.3 ");
    EXPECT_EQ(order_of(families::any, {}, ipv6), "::1 ::2 ");
    EXPECT_EQ(order_of(families::any, ipv4, {}), "192.0.2.1 192.0.2.2 192.0.2.3 ");
}

TEST(candidates, addresses_that_arrive_later_take_their_turn) {
    const address_list ipv4 = list_of({"192.0.2.1", "192.0.2.2"}), ipv6 = list_of({"::1"});
    candidates left(families::any);
    left.add(io::address_family::ipv4, ipv4);
    EXPECT_EQ(left.next().host(), "192.0.2.1");
    left.add(io::address_family::ipv6, ipv6);
    EXPECT_EQ(left.size(), 2u);
    EXPECT_EQ(left.next().host(), "::1");
    EXPECT_EQ(left.next().host(), "192.0.2.2");
    EXPECT_TRUE(left.empty());
}

TEST(candidates, without_any_address_the_error_that_says_most_is_given) {
    auto both = [](errc ipv4, errc ipv6) {
        const answer first = fail(ipv4), second = fail(ipv6);
        return merge(&first, &second, 80, families::any).error().code();
    };
    EXPECT_EQ(both(errc::name_not_found, errc::name_no_data), errc::name_no_data);
    EXPECT_EQ(both(errc::name_no_data, errc::name_server_failed), errc::name_server_failed);
    EXPECT_EQ(both(errc::timed_out, errc::name_server_failed), errc::timed_out);
    const answer only = fail(errc::name_not_found);
    EXPECT_EQ(merge(&only, nullptr, 80, families::ipv4_only).error(), errc::name_not_found);
    EXPECT_EQ(merge(nullptr, &only, 80, families::ipv6_only).error(), errc::name_not_found);
}

TEST(candidates, a_refusal_says_more_than_an_unreachable_net) {
    EXPECT_GT(weight_of_connect_error(errc::connection_refused), weight_of_connect_error(errc::timed_out));
    EXPECT_GT(weight_of_connect_error(errc::timed_out), weight_of_connect_error(errc::host_unreachable));
    EXPECT_GT(weight_of_connect_error(errc::permission_denied), weight_of_connect_error(errc::network_unreachable));
    EXPECT_GT(weight_of_connect_error(errc::too_many_files), weight_of_connect_error(errc::connection_refused));
}

TEST(candidates, only_whole_addresses_are_numeric) {
    for (const char* host : {"", "1", "127.1", "host1", "1.2.3.4.5", "::g", "fe80::1%eth0", "[::1]", "1.2.3.256"})
        EXPECT_EQ(parse_numeric(host, 80, families::any).error(), errc::invalid_argument) << host;
    EXPECT_EQ(parse_numeric("1.2.3.4", 80, families::any)->text(), "1.2.3.4:80");
    EXPECT_EQ(parse_numeric("2001:db8::abcd", 80, families::any)->text(), "[2001:db8::abcd]:80");
    EXPECT_EQ(parse_numeric("1.2.3.4", 80, families::ipv6_only).error(), errc::name_no_data);
}

}  // namespace
}  // namespace co_wq::net::dns::detail
