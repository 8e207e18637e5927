// Calls with what is closed, foreign or absurd: an error and nothing else.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/backend/native_sockets.hpp"
#include "io/pipe_pool.hpp"
#include "io/runtime.hpp"
#include "reactors.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

int option(native_handle handle, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(handle, level, name, &value, &size);
    return value;
}

TEST(native_calls, keep_alive_is_set_as_asked_or_refused) {
    socket_calls& calls = native_sockets();
    const auto handle = calls.open_stream(address_family::ipv4);
    ASSERT_TRUE(handle.has_value());
    EXPECT_TRUE(calls.set_keep_alive(*handle, 30, 5, 3).has_value());
    EXPECT_EQ(option(*handle, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(*handle, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    EXPECT_EQ(option(*handle, IPPROTO_TCP, TCP_KEEPINTVL), 5);
    EXPECT_EQ(option(*handle, IPPROTO_TCP, TCP_KEEPCNT), 3);
    EXPECT_EQ(calls.set_keep_alive(*handle, 0, 5, 3).error(), errc::invalid_argument);
    EXPECT_EQ(calls.set_keep_alive(*handle, 30, 0, 3).error(), errc::invalid_argument);
    EXPECT_EQ(calls.set_keep_alive(*handle, 30, 5, 0).error(), errc::invalid_argument);
    calls.close(*handle);
}

TEST(native_calls, on_a_file_that_is_not_there_say_so) {
    socket_calls& calls = native_sockets();
    std::array<std::byte, 8> some{};
    EXPECT_EQ(calls.set_keep_alive(no_handle, 1, 1, 1).error().os_code(), EBADF);
    EXPECT_EQ(calls.set_no_delay(no_handle, true).error().os_code(), EBADF);
    EXPECT_EQ(calls.set_reset_on_close(no_handle).error().os_code(), EBADF);
    EXPECT_EQ(calls.local_address(no_handle).error().os_code(), EBADF);
    EXPECT_EQ(calls.peer_address(no_handle).error().os_code(), EBADF);
    EXPECT_EQ(calls.shutdown_send(no_handle).error().os_code(), EBADF);
    EXPECT_EQ(calls.send_now(no_handle, some), -EBADF);
    EXPECT_EQ(calls.receive_now(no_handle, some, nullptr), -EBADF);
    EXPECT_EQ(calls.begin_connect(no_handle, socket_address::loopback(1)), -EBADF);
    buffer_pool pool;
    descriptor gone;
    op_slot::io_payload io{};
    EXPECT_EQ(calls.attempt(gone, op_kind::accept, op_detail::plain, io, pool), -EBADF);
    EXPECT_EQ(calls.attempt(gone, op_kind::recv, op_detail::lend, io, pool), -EBADF);
    EXPECT_EQ(io.data, nullptr);
    EXPECT_EQ(pool.lent(), 0u);
}

TEST(native_calls, of_a_kind_or_direction_that_does_not_exist_are_refused) {
    buffer_pool pool;
    descriptor none;
    op_slot::io_payload io{.data = nullptr, .length = 77, .descriptor = 0};
    EXPECT_EQ(native_sockets().attempt(none, op_kind::poll, op_detail::plain, io, pool), -EINVAL);
    EXPECT_EQ(native_sockets().attempt(none, op_kind::wake, op_detail::plain, io, pool), -EOPNOTSUPP);
}

TEST(native_calls, a_datagram_arrives_without_a_name_for_whoever_does_not_ask) {
    socket_calls& calls = native_sockets();
    const auto from = calls.open_datagram(address_family::ipv6);
    const auto to = calls.open_datagram(address_family::ipv6);
    ASSERT_TRUE(from && to);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_addr = in6addr_loopback;
    if (::bind(*to, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) GTEST_SKIP() << "no IPv6 here";
    const auto where = calls.local_address(*to);
    ASSERT_TRUE(where.has_value());
    EXPECT_EQ(where->family(), address_family::ipv6);
    EXPECT_TRUE(where->is_loopback());
    EXPECT_FALSE(where->is_any());
    ASSERT_EQ(calls.begin_connect(*from, *where), 0);
    const std::array<std::byte, 3> sent{std::byte{1}, std::byte{2}, std::byte{3}};
    ASSERT_EQ(calls.send_now(*from, sent), 3);
    std::array<std::byte, 8> got{};
    EXPECT_EQ(calls.receive_now(*to, got, nullptr), 3);
    ASSERT_EQ(calls.send_now(*from, sent), 3);
    socket_address name;
    EXPECT_EQ(calls.receive_now(*to, got, &name), 3);
    EXPECT_EQ(name, *calls.local_address(*from));
    EXPECT_EQ(calls.receive_now(*to, got, &name), would_block);
    calls.close(*from);
    calls.close(*to);
}

TEST(socket_address, that_was_never_set_is_nobody) {
    const socket_address none;
    EXPECT_EQ(none.host(), "none");
    EXPECT_FALSE(none.is_loopback());
    EXPECT_FALSE(socket_address::parse("", 1).has_value());
    EXPECT_FALSE(socket_address::parse(std::string(80, '1'), 1).has_value());
    EXPECT_FALSE(socket_address::parse("1.2.3", 1).has_value());
    EXPECT_FALSE(socket_address::parse(std::string("127.0.0.1\0.example", 18), 1).has_value());
    EXPECT_TRUE(socket_address::parse("::", 1)->is_any());
    EXPECT_TRUE(socket_address::parse("0.0.0.0", 1)->is_any());
    EXPECT_FALSE(socket_address::parse("2001:db8::1", 1)->is_loopback());
    EXPECT_FALSE(socket_address::parse("127.0.0.1", 1)->is_any());
    EXPECT_NE(*socket_address::parse("::1", 1), *socket_address::parse("::1", 2));
    EXPECT_NE(*socket_address::parse("::1", 1), *socket_address::parse("127.0.0.1", 1));
    EXPECT_NE(*socket_address::parse("::1", 1), *socket_address::parse("::2", 1));
}

TEST(pipe_pool, lends_no_more_than_its_limit_and_keeps_few) {
    pipe_pool pool;
    socket_calls& calls = native_sockets();
    std::vector<pipe_pair> taken;
    while (taken.size() < pipe_pool::open_max) {
        const auto one = pool.take(calls);
        ASSERT_TRUE(one.has_value()) << taken.size();
        taken.push_back(*one);
    }
    EXPECT_EQ(pool.take(calls).error(), errc::no_buffers);
    for (const pipe_pair& one : taken) pool.give_back(calls, one);
    // what was not kept is closed: its number can be had again
    const auto kept = pool.take(calls);
    ASSERT_TRUE(kept.has_value());
    EXPECT_EQ(kept->read_end, taken[pipe_pool::kept_max - 1].read_end);
    pool.give_back(calls, *kept);
    pool.clear(calls);
    EXPECT_EQ(::fcntl(taken.front().read_end, F_GETFD), -1);
}

TEST(buffer_pool, keeps_no_more_than_its_limit) {
    buffer_pool pool;
    std::vector<lease> blocks;
    constexpr std::size_t size = 64 * 1024;
    for (std::size_t bytes = 0; bytes <= buffer_pool::kept_bytes_max + size; bytes += size)
        blocks.push_back(pool.take(size));
    EXPECT_TRUE(static_cast<bool>(blocks.front()));
    EXPECT_EQ(pool.lent(), blocks.size());
    blocks.clear();
    EXPECT_EQ(pool.lent(), 0u);
    EXPECT_LE(pool.kept_bytes(), buffer_pool::kept_bytes_max);
    EXPECT_GT(pool.kept_bytes(), 0u);
    pool.trim();
    EXPECT_EQ(pool.kept_bytes(), 0u);
}

TEST(lease, assigned_to_itself_stays_what_it_is) {
    buffer_pool pool;
    lease one = pool.take(100);
    lease& same = one;
    one = std::move(same);
    EXPECT_TRUE(static_cast<bool>(one));
    one = lease();
    EXPECT_EQ(pool.lent(), 0u);
}

class odd : public on_every_reactor {};

TEST_P(odd, a_socket_that_is_closed_has_no_handle_and_moves_onto_itself) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        socket& same = pair.near;
        pair.near = std::move(same);
        EXPECT_TRUE(pair.near.is_open());
        EXPECT_TRUE(pair.near.set_keep_alive(10, 2, 2).has_value());
        pair.near.reset();
        EXPECT_EQ(pair.near.handle(), no_handle);
        pair.near.reset();  // nothing left to do
        std::array<std::byte, 4> block;
        const auto got = co_await pair.far.recv(block);
        EXPECT_FALSE(got.has_value());
    }(*loop));
}

TEST_P(odd, a_peer_that_ends_is_seen_by_whoever_waits_for_the_end_only) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        auto ends = [](socket& far) -> task<result<void>> { co_return co_await far.ready(direction::read_end); };
        const auto early = co_await with_timeout(1ms, ends(pair.far));
        EXPECT_FALSE(early.has_value());
        const auto writable = co_await pair.far.ready(direction::write);
        EXPECT_TRUE(writable.has_value());
        EXPECT_TRUE(pair.near.shutdown_send().has_value());
        const auto ended = co_await pair.far.ready(direction::read_end);
        EXPECT_TRUE(ended.has_value());
        pair.near.close();
        pair.far.close();
    }(*loop));
}

TEST_P(odd, what_waits_for_an_end_does_not_disturb_leased_receives) {
    loop->run([](event_loop& here) -> task<void> {
        connection pair = co_await make_connection(here);
        auto none = [](socket& far) -> task<result<lease>> { co_return co_await far.recv_lease(100); };
        const auto nothing = co_await with_timeout(1ms, none(pair.far));
        EXPECT_FALSE(nothing.has_value());
        const std::array<std::byte, 5> sent{};
        (void)co_await pair.near.send_all(sent);
        const auto readable = co_await pair.far.ready(direction::read);
        EXPECT_TRUE(readable.has_value());
        for (std::size_t got = 0; got < sent.size();) {  // the simulation cuts receives short
            const auto some = co_await pair.far.recv_lease(100);
            EXPECT_TRUE(some.has_value() && some->size() > 0);
            if (!some) co_return;
            got += some->size();
        }
        pair.near.reset();
        const auto end = co_await pair.far.ready(direction::hang_up);
        EXPECT_TRUE(end.has_value());
        const auto broken = co_await pair.far.recv_lease(100);
        EXPECT_FALSE(broken.has_value());
    }(*loop));
}

INSTANTIATE_TEST_SUITE_P(reactors, odd, every_reactor, name_of_case);

// A file that cannot be watched: the one who waits is told, at once.
TEST(native_files, that_cannot_be_watched_tell_the_waiter) {
    for (const reactor_kind kind : {reactor_kind::epoll, reactor_kind::uring}) {
        event_loop loop({.reactor = kind, .name = "files"});
        std::FILE* file = std::tmpfile();
        ASSERT_NE(file, nullptr);
        const int handle = ::fileno(file);
        loop.run([](event_loop& here, int regular) -> task<void> {
            const socket watched(here, regular, descriptor_kind::other, false);
            const auto ready = co_await watched.ready(direction::read_end);
            EXPECT_FALSE(ready.has_value());
        }(loop, handle));
        std::fclose(file);
    }
}

TEST(native_files, a_connection_to_a_network_that_does_not_exist_fails_at_once) {
    event_loop loop({.reactor = reactor_kind::epoll, .name = "nowhere"});
    loop.run([](event_loop& here) -> task<void> {
        const auto nowhere = co_await connect_to(here, *socket_address::parse("255.255.255.255", 9));
        EXPECT_FALSE(nowhere.has_value());
    }(loop));
}

TEST(runtime, of_two_failures_one_is_thrown) {
    // not on rings: one may be mapped where a finished thread's was, which a sanitizer takes for a race
    runtime cores({.threads = 3, .reactor = reactor_kind::epoll});
    try {
        cores.run([](event_loop&, unsigned index) -> task<void> {
            throw std::runtime_error(std::to_string(index));
            co_return;
        });
        FAIL();
    } catch (const std::runtime_error& failure) {
        EXPECT_EQ(std::string(failure.what()).size(), 1u);
    }
}

TEST(event_loop, asked_to_stop_before_it_runs_goes_on_when_it_is_run) {
    event_loop loop({.reactor = reactor_kind::epoll, .name = "early"});
    loop.request_stop();
    loop.poke();
    bool ran = false;
    loop.run([](bool& flag) -> task<void> {
        flag = true;
        co_return;
    }(ran));
    EXPECT_TRUE(ran);
}

TEST(event_loop, an_exception_without_a_text_ends_the_process_loudly_too) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            event_loop loop({.reactor = reactor_kind::epoll, .name = "loud"});
            auto throws = []() -> task<void> {
                throw 7;
                co_return;
            };
            loop.spawn(throws(), "seven");
            auto stay = []() -> task<void> { co_await sleep_for(1h); };
            loop.run(stay());
        },
        "no exception leaves a task of the loop");
}

TEST(event_loop, closes_the_sockets_that_outlive_it) {
    event_loop* loop = new event_loop({.reactor = reactor_kind::epoll, .name = "short"});
    const auto handle = native_sockets().open_stream(address_family::ipv4);
    ASSERT_TRUE(handle.has_value());
    (void)loop->reactor().add(*handle, descriptor_kind::stream, true);
    delete loop;
    EXPECT_EQ(::fcntl(*handle, F_GETFD), -1);
}

}  // namespace
}  // namespace co_wq::io::test
