#include "proxy/socks/peers.hpp"

#include <gtest/gtest.h>

#include "proxy/socks/association.hpp"

namespace co_wq::proxy::socks {
namespace {

using namespace std::chrono_literals;

endpoint_key peer(std::uint16_t port) { return endpoint_of(io::socket_address::loopback(port)); }

TEST(PeerTable, RemembersWhatWasDecided) {
    peer_table table(4);
    EXPECT_EQ(table.find(peer(1)), peer_table::known::no);
    table.add(peer(1), true);
    table.add(peer(2), false);
    EXPECT_EQ(table.find(peer(1)), peer_table::known::allowed);
    EXPECT_EQ(table.find(peer(2)), peer_table::known::refused);
    table.add(peer(2), true);
    EXPECT_EQ(table.find(peer(2)), peer_table::known::allowed);
    EXPECT_EQ(table.size(), 2u);
}

TEST(PeerTable, ForgetsTheOneThatWasUsedLongestAgo) {
    peer_table table(3);
    for (std::uint16_t port = 1; port <= 3; ++port) table.add(peer(port), true);
    EXPECT_EQ(table.find(peer(1)), peer_table::known::allowed);
    table.add(peer(4), true);
    EXPECT_EQ(table.find(peer(2)), peer_table::known::no);
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{1, 3, 4})
        EXPECT_EQ(table.find(peer(port)), peer_table::known::allowed) << port;
    for (std::uint16_t port = 10; port < 2000; ++port) table.add(peer(port), true);
    EXPECT_EQ(table.size(), 3u);
}

TEST(NameTable, AnAnswerHoldsForItsTime) {
    name_table table(2);
    const time_point now{1h};
    name_table::entry* one = table.add("a");
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(table.find("a", now + 10h), one) << "asked for as long as it takes";
    one->now = name_table::state::good;
    one->until = now + 1s;
    EXPECT_EQ(table.find("a", now), one);
    EXPECT_EQ(table.find("b", now), nullptr);
    EXPECT_EQ(table.find("a", now + 1s), nullptr);
    EXPECT_EQ(table.size(), 0u);
}

TEST(NameTable, NamesThatAreAskedForAreNotForgotten) {
    name_table table(2);
    name_table::entry* one = table.add("a");
    name_table::entry* two = table.add("b");
    EXPECT_EQ(table.add("c"), nullptr);
    one->now = name_table::state::bad;
    one->until = time_point{2h};
    EXPECT_NE(table.add("c"), nullptr);
    EXPECT_EQ(table.find("a", time_point{1h}), nullptr);
    EXPECT_EQ(table.find("b", time_point{1h}), two);
}

TEST(AssociationLedger, CountsByHost) {
    association_ledger ledger;
    const host_key one = host_of(io::socket_address::loopback(1)), two = host_of(*io::socket_address::parse("::1", 1));
    EXPECT_TRUE(ledger.enter(one, 2));
    EXPECT_TRUE(ledger.enter(one, 2));
    EXPECT_FALSE(ledger.enter(one, 2));
    EXPECT_TRUE(ledger.enter(two, 2));
    EXPECT_FALSE(ledger.enter(two, 0));
    ledger.leave(one);
    EXPECT_TRUE(ledger.enter(one, 2));
}

}  // namespace
}  // namespace co_wq::proxy::socks
