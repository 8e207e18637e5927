// Datagrams on every backend; what only a kernel has (groups, segments) on the real ones.
#include "net/udp.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "io/interface_index.hpp"
#include "io/reactors.hpp"
#include "support/system.hpp"
#include "sync/deadline.hpp"

namespace co_wq::net {
namespace {

using namespace std::chrono_literals;
using io::socket_address;

class udp : public io::test::on_every_reactor {
protected:
    bool simulated() const { return GetParam().kind == io::reactor_kind::sim; }
    bool of_windows() const { return GetParam().kind == io::reactor_kind::iocp; }
    udp_socket bound(socket_address where = socket_address::loopback(0)) {
        result<udp_socket> made = udp_socket::bind(*loop, where);
        EXPECT_TRUE(made.has_value()) << made.error().message();
        return std::move(*made);
    }
};

task<void> send_words(const udp_socket& from, socket_address to, std::vector<std::string> words) {
    for (const std::string& word : words) EXPECT_TRUE((co_await from.send_to(as_bytes(word), to)).has_value());
}

task<std::multiset<std::string>> receive_words(const udp_socket& at, std::size_t count, socket_address from) {
    std::multiset<std::string> words;
    std::byte room[100];
    while (words.size() < count) {
        const result<io::received> got = co_await at.recv_from(room);
        EXPECT_TRUE(got.has_value());
        if (!got) break;
        EXPECT_EQ(got->from, from);
        EXPECT_FALSE(got->truncated());
        words.emplace(as_text(const_bytes(room).first(got->size)));
    }
    co_return words;
}

TEST_P(udp, carries_datagrams_with_their_sender_and_their_bounds) {
    const udp_socket here = bound(), there = bound();
    const socket_address ours = *here.local_address(), theirs = *there.local_address();
    EXPECT_NE(ours.port(), 0);
    loop->run(send_words(here, theirs, {"one", "", "three", "one"}));
    const auto words = loop->run(receive_words(there, 4, ours));
    EXPECT_EQ(words, (std::multiset<std::string>{"one", "", "three", "one"}));
    expect_quiet();
}

TEST_P(udp, tells_how_long_a_datagram_was_that_did_not_fit) {
    const udp_socket here = bound(), there = bound();
    loop->run(send_words(here, *there.local_address(), {"0123456789"}));
    auto receive = [](const udp_socket& at) -> task<io::received> {
        std::byte room[4];
        const result<io::received> got = co_await at.recv_from(room);
        EXPECT_EQ(as_text(room), "0123");
        co_return got.value();
    };
    const io::received got = loop->run(receive(there));
    EXPECT_TRUE(got.truncated());
    EXPECT_EQ(got.size, 4u);
    EXPECT_EQ(got.full_size, of_windows() ? 5u : 10u);  // Windows tells that there was more
    loop->run(send_words(here, *there.local_address(), {"x"}));
    EXPECT_EQ(loop->run(receive_words(there, 1, *here.local_address())).count("x"), 1u);  // nothing of it is left
}

task<result<void>> send_one(const udp_socket& from, const_bytes data, socket_address to) {
    const result<void> sent = co_await from.send_to(data, to);
    co_return sent;
}

TEST_P(udp, refuses_what_no_packet_holds_and_goes_on) {
    const udp_socket here = bound(), there = bound();
    const std::vector<std::byte> large(65'508);
    const result<void> sent = loop->run(send_one(here, large, *there.local_address()));
    ASSERT_FALSE(sent.has_value());
    EXPECT_EQ(sent.error(), errc::message_too_long);
    loop->run(send_words(here, *there.local_address(), {"after"}));
    EXPECT_EQ(loop->run(receive_words(there, 1, *here.local_address())).count("after"), 1u);
}

TEST_P(udp, without_a_peer_an_address_is_needed) {
    const udp_socket here = bound();
    const result<void> sent = loop->run(send_one(here, as_bytes("x"), {}));
    ASSERT_FALSE(sent.has_value());
    EXPECT_EQ(sent.error(), errc::invalid_argument);
    EXPECT_FALSE(here.peer_address().has_value());
}

TEST_P(udp, connected_hears_its_peer_alone) {
    const udp_socket here = bound(), peer = bound(), stranger = bound();
    const socket_address ours = *here.local_address();
    ASSERT_TRUE(here.connect(*peer.local_address()).has_value());
    EXPECT_EQ(*here.peer_address(), *peer.local_address());
    loop->run(send_words(stranger, ours, {"noise"}));
    loop->run(send_words(peer, ours, {"word"}));
    EXPECT_EQ(loop->run(receive_words(here, 1, *peer.local_address())).count("word"), 1u);
    auto quiet = [](const udp_socket& at) -> task<errc> {
        std::byte room[8];
        auto receive = [](const udp_socket& from, bytes into) -> task<result<io::received>> {
            result<io::received> got = co_await from.recv_from(into);
            co_return got;
        };
        const result<io::received> got = co_await with_timeout(20ms, receive(at, room));
        EXPECT_FALSE(got.has_value());
        co_return got ? errc::other : got.error().code();
    };
    EXPECT_EQ(loop->run(quiet(here)), errc::timed_out);
}

TEST_P(udp, learns_once_that_nobody_was_there) {
    if (of_windows() && test::on_wine()) GTEST_SKIP() << "Wine does not tell that nobody was there";
    udp_socket gone = bound();
    const socket_address where = *gone.local_address();
    gone.close();
    result<udp_socket> here = udp_socket::connect_to(*loop, where);
    ASSERT_TRUE(here.has_value());
    auto ask = [](const udp_socket& at) -> task<result<io::received>> {
        std::byte room[8];
        EXPECT_TRUE((co_await at.send(as_bytes("hello?"))).has_value());
        result<io::received> got = co_await at.recv_from(room);
        co_return got;
    };
    const result<io::received> got = loop->run(ask(*here));
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error(), errc::connection_refused);
    result<udp_socket> back = udp_socket::bind(*loop, where);
    ASSERT_TRUE(back.has_value());
    ASSERT_TRUE(here->connect(where).has_value());  // the simulation gave it a new address
    loop->run(send_words(*here, where, {"again"}));
    EXPECT_EQ(loop->run(receive_words(*back, 1, *here->local_address())).count("again"), 1u);
}

TEST_P(udp, carries_batches) {
    const udp_socket here = bound(), there = bound();
    const socket_address theirs = *there.local_address();
    constexpr std::size_t count = 150;
    auto send = [](const udp_socket& from, socket_address to) -> task<void> {
        std::vector<std::string> words;
        std::vector<io::outgoing> all;
        for (std::size_t i = 0; i < count; ++i) words.push_back(std::to_string(i));
        for (const std::string& word : words) all.push_back({.data = as_bytes(word), .to = to});
        for (std::span<const io::outgoing> left(all); !left.empty();) {
            const result<std::size_t> sent = co_await from.send_batch(left);
            EXPECT_TRUE(sent.has_value());
            if (!sent) co_return;
            EXPECT_GT(*sent, 0u);
            left = left.subspan(*sent);
        }
    };
    auto receive = [](const udp_socket& at, socket_address from, int& calls) -> task<std::set<int>> {
        std::vector<std::array<std::byte, 8>> rooms(100);
        std::vector<io::incoming> all(rooms.size());
        std::set<int> numbers;
        while (numbers.size() < count) {
            for (std::size_t i = 0; i < all.size(); ++i) all[i].into = rooms[i];
            const result<std::size_t> got = co_await at.recv_batch(all);
            EXPECT_TRUE(got.has_value());
            if (!got) break;
            EXPECT_GT(*got, 0u);
            ++calls;
            for (std::size_t i = 0; i < *got; ++i) {
                EXPECT_EQ(all[i].from, from);
                numbers.insert(std::stoi(std::string(as_text(const_bytes(rooms[i]).first(all[i].size)))));
            }
        }
        co_return numbers;
    };
    loop->run(send(here, theirs));
    int calls = 0;
    const std::set<int> numbers = loop->run(receive(there, *here.local_address(), calls));
    EXPECT_EQ(numbers.size(), count);
    if (of_windows()) EXPECT_EQ(calls, 3);
    if (!simulated() && !of_windows()) EXPECT_EQ(calls, 6);  // one, one, four, then 64, 64 and the rest
    EXPECT_EQ(*numbers.rbegin(), static_cast<int>(count) - 1);
    expect_quiet();
}

// A batch ends at the first that cannot be sent; what came before it is sent.
TEST_P(udp, a_batch_reports_how_far_it_came) {
    const udp_socket here = bound(), there = bound();
    const std::vector<std::byte> large(65'508);
    const socket_address to = *there.local_address();
    auto send = [](const udp_socket& from, std::span<const io::outgoing> all) -> task<result<std::size_t>> {
        const result<std::size_t> sent = co_await from.send_batch(all);
        co_return sent;
    };
    const std::vector<io::outgoing> all{{.data = as_bytes("good"), .to = to}, {.data = large, .to = to}};
    EXPECT_EQ(loop->run(send(here, all)).value(), 1u);
    const result<std::size_t> rest = loop->run(send(here, std::span(all).subspan(1)));
    ASSERT_FALSE(rest.has_value());
    EXPECT_EQ(rest.error(), errc::message_too_long);
    EXPECT_EQ(loop->run(receive_words(there, 1, *here.local_address())).count("good"), 1u);
}

TEST_P(udp, shares_a_port_only_when_asked_to) {
    const udp_socket first = bound();
    const socket_address where = *first.local_address();
    const result<udp_socket> second = udp_socket::bind(*loop, where);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error(), errc::address_in_use);
    result<udp_socket> one = udp_socket::bind(*loop, socket_address::loopback(0), {.share_address = true});
    ASSERT_TRUE(one.has_value());
    EXPECT_TRUE(udp_socket::bind(*loop, *one->local_address(), {.share_address = true}).has_value());
}

TEST_P(udp, speaks_ipv6) {
    if (simulated()) GTEST_SKIP() << "simulated addresses have one family";
    std::array<std::uint8_t, 16> loopback{};
    loopback[15] = 1;
    result<udp_socket> here = udp_socket::bind(*loop, socket_address::ipv6(loopback, 0));
    if (!here) GTEST_SKIP() << "no IPv6 here: " << here.error().message();
    const udp_socket there = bound(socket_address::ipv6(loopback, 0));
    loop->run(send_words(*here, *there.local_address(), {"six"}));
    EXPECT_EQ(loop->run(receive_words(there, 1, *here->local_address())).count("six"), 1u);
}

task<std::vector<io::received>> receive_bytes(const udp_socket& at, std::size_t total) {
    std::vector<io::received> all;
    std::vector<std::byte> room(65'536);
    for (std::size_t have = 0; have < total;) {
        const result<io::received> got = co_await at.recv_from(room);
        EXPECT_TRUE(got.has_value());
        if (!got) break;
        have += got->size;
        all.push_back(*got);
    }
    co_return all;
}

TEST_P(udp, one_send_becomes_datagrams_of_one_size) {
    const udp_socket here = bound(), there = bound();
    const std::vector<std::byte> data(10'500);
    auto send = [](const udp_socket& from, const_bytes all, socket_address to) -> task<result<void>> {
        const result<void> sent = co_await from.send_segments(all, 1000, to);
        co_return sent;
    };
    const result<void> sent = loop->run(send(here, data, *there.local_address()));
    if (of_windows()) {
        ASSERT_FALSE(sent.has_value());
        EXPECT_EQ(sent.error(), errc::not_supported);
        return;
    }
    ASSERT_TRUE(sent.has_value());
    std::multiset<std::uint32_t> sizes;
    for (const io::received& one : loop->run(receive_bytes(there, data.size()))) sizes.insert(one.size);
    EXPECT_EQ(sizes.size(), 11u);
    EXPECT_EQ(sizes.count(1000), 10u);
    EXPECT_EQ(sizes.count(500), 1u);
}

TEST_P(udp, datagrams_of_one_size_come_together_when_asked_for) {
    const udp_socket here = bound(), there = bound();
    if (simulated() || of_windows()) {
        EXPECT_EQ(there.set_receive_segments(true).error(), errc::not_supported);
        return;
    }
    ASSERT_TRUE(there.set_receive_segments(true).has_value());
    const std::vector<std::byte> data(8'000);
    auto send = [](const udp_socket& from, const_bytes all, socket_address to) -> task<result<void>> {
        const result<void> sent = co_await from.send_segments(all, 800, to);
        co_return sent;
    };
    ASSERT_TRUE(loop->run(send(here, data, *there.local_address())).has_value());
    const std::vector<io::received> got = loop->run(receive_bytes(there, data.size()));
    ASSERT_FALSE(got.empty());
    EXPECT_LT(got.size(), 10u);
    EXPECT_EQ(got.front().segment_bytes, 800);
}

TEST_P(udp, a_group_hears_what_is_sent_to_it_until_left) {
    const udp_socket sender = bound(socket_address::ipv4({0, 0, 0, 0}, 0));
    const socket_address group = socket_address::ipv4({239, 255, 71, 9}, 0);
    if (simulated()) {
        EXPECT_EQ(sender.join(group).error(), errc::not_supported);
        return;
    }
    if (of_windows() && test::on_wine()) GTEST_SKIP() << "Wine does not know MCAST_JOIN_GROUP";
    const unsigned loopback = io::interface_index(of_windows() ? "loopback_0" : "lo").value_or(0);
    const udp_socket member = bound(socket_address::ipv4({0, 0, 0, 0}, 0));
    const result<void> joined = member.join(group, loopback);
    ASSERT_TRUE(joined.has_value()) << joined.error().message();
    ASSERT_TRUE(sender.set_multicast(1, true, loopback).has_value());
    socket_address to = group;
    to.set_port(member.local_address()->port());
    const result<void> sent = loop->run(send_one(sender, as_bytes("all"), to));
    ASSERT_TRUE(sent.has_value()) << sent.error().message();
    EXPECT_EQ(loop->run(receive_bytes(member, 3)).size(), 1u);
    ASSERT_TRUE(member.leave(group, loopback).has_value());
    EXPECT_FALSE(member.leave(group, loopback).has_value());
}

TEST_P(udp, options_that_the_system_knows_are_set) {
    const udp_socket here = bound();
    EXPECT_TRUE(here.set_broadcast(true).has_value());
    EXPECT_TRUE(here.set_buffer_bytes(200'000, 100'000).has_value());
}

// Misuse is told at once: a batch without room, a stream.
TEST_P(udp, is_for_datagrams_and_for_at_least_one) {
    const udp_socket here = bound();
    EXPECT_DEATH((void)here.recv_batch({}), "at least one");
    EXPECT_DEATH((void)here.send_batch({}), "at least one");
    const result<io::native_handle> stream = loop->reactor().calls().open_stream(io::address_family::ipv4);
    ASSERT_TRUE(stream.has_value());
    const io::socket other(*loop, *stream, io::descriptor_kind::stream);
    EXPECT_DEATH((void)other.recv_from({}), "carries datagrams");
}

INSTANTIATE_TEST_SUITE_P(net, udp, io::test::every_reactor, &io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net
