// How a TCP connection begins: connects, backlogs, accepts.
#include <sys/resource.h>

#include "kernel.hpp"

namespace kernel {
namespace {

// The lowest free number is the limit: nothing can be opened while it lives.
class no_descriptors {
public:
    no_descriptors() {
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        const int next = ::dup(0);
        ::close(next);
        rlimit none{static_cast<rlim_t>(next), before_.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    }
    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

sockaddr_in free_address() {
    const file taken = listen_on_loopback();
    return address_of(taken);
}

// C1
TEST(tcp_connect, to_nobody_is_refused_when_the_socket_becomes_writable) {
    file client = tcp();
    const int first = start_connect(client, free_address());
    if (first == EINPROGRESS) {
        ASSERT_TRUE(comes(client, POLLOUT));
        EXPECT_EQ(option(client, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
        EXPECT_EQ(option(client, SOL_SOCKET, SO_ERROR), 0) << "it is reported once";
    } else {
        EXPECT_EQ(first, ECONNREFUSED);
    }
}

// C2
TEST(tcp_connect, success_is_a_writable_socket_without_an_error) {
    const file listener = listen_on_loopback();
    file client = tcp();
    (void)start_connect(client, address_of(listener));
    ASSERT_EQ(events_within(client, POLLIN | POLLOUT | POLLRDHUP, soon_ms), POLLOUT);
    EXPECT_EQ(option(client, SOL_SOCKET, SO_ERROR), 0);
}

// C3
TEST(tcp_connect, a_socket_that_was_never_connected_hangs_up_and_knows_no_peer) {
    file lonely = tcp();
    EXPECT_EQ(events_within(lonely, POLLIN | POLLOUT | POLLRDHUP, 0), POLLOUT | POLLHUP);
    EXPECT_EQ(receive(lonely), -ENOTCONN);
    EXPECT_EQ(send_text(lonely, "x"), -EPIPE);
    EXPECT_EQ(::shutdown(lonely, SHUT_WR), -1);
    EXPECT_EQ(errno, ENOTCONN);
}

// C4
TEST(tcp_connect, beyond_the_backlog_it_neither_succeeds_nor_fails_until_somebody_is_accepted) {
    const file listener = listen_on_loopback(1);
    const sockaddr_in where = address_of(listener);
    std::vector<file> clients;
    for (int i = 0; i < 2; ++i) {  // one more than asked for has always found room
        clients.push_back(tcp());
        (void)start_connect(clients.back(), where);
        ASSERT_TRUE(comes(clients.back(), POLLOUT));
    }
    file late = tcp();
    EXPECT_EQ(start_connect(late, where), EINPROGRESS);
    EXPECT_EQ(events_within(late, POLLOUT, 10 * quiet_ms), 0);
    const file first = accept_from(listener), second = accept_from(listener);
    EXPECT_GE(first.get(), 0);
    EXPECT_TRUE(comes(late, POLLOUT)) << "its next attempt, a second later, finds room";
    EXPECT_EQ(option(late, SOL_SOCKET, SO_ERROR), 0);
}

// C5
TEST(tcp_connect, a_listener_that_closes_resets_those_it_never_accepted) {
    file listener = listen_on_loopback();
    file client = tcp();
    (void)start_connect(client, address_of(listener));
    ASSERT_TRUE(comes(client, POLLOUT));
    listener.close();
    EXPECT_EQ(receive_soon(client), -ECONNRESET);
}

// C6
TEST(tcp_connect, a_client_that_left_before_the_accept_is_accepted_all_the_same) {
    const file listener = listen_on_loopback();
    file client = tcp();
    (void)start_connect(client, address_of(listener));
    ASSERT_TRUE(comes(client, POLLOUT));
    reset(client);
    const file server = accept_from(listener);
    ASSERT_GE(server.get(), 0);
    EXPECT_EQ(receive_soon(server), -ECONNRESET);
}

// C7
TEST(tcp_connect, an_accept_without_descriptors_fails_and_leaves_the_connection_where_it_is) {
    const file listener = listen_on_loopback();
    file client = tcp();
    (void)start_connect(client, address_of(listener));
    ASSERT_TRUE(comes(listener, POLLIN));
    {
        const no_descriptors none;
        EXPECT_EQ(::accept4(listener, nullptr, nullptr, 0), -1);
        EXPECT_EQ(errno, EMFILE);
        EXPECT_EQ(::accept4(listener, nullptr, nullptr, 0), -1);
        EXPECT_EQ(errno, EMFILE) << "as often as it is asked";
        EXPECT_EQ(::socket(AF_INET, SOCK_STREAM, 0), -1);
        EXPECT_EQ(errno, EMFILE);
    }
    const file server = accept_from(listener);
    ASSERT_GE(server.get(), 0);
    EXPECT_EQ(send_text(client, "served"), 6);
    EXPECT_EQ(receive_soon(server), 6);
}

// C8
TEST(tcp_connect, an_accept_with_nobody_waiting_would_block) {
    const file listener = listen_on_loopback();
    EXPECT_EQ(::accept4(listener, nullptr, nullptr, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
}

// C9
TEST(tcp_connect, an_accepted_socket_inherits_no_delay_but_not_the_non_blocking_mode) {
    const file listener = listen_on_loopback();
    set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    file client = tcp();
    (void)start_connect(client, address_of(listener));
    ASSERT_TRUE(comes(listener, POLLIN));
    const file server(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_EQ(option(server, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(::fcntl(server, F_GETFL) & O_NONBLOCK, 0);
}

// C10
TEST(tcp_connect, a_port_has_one_listener_unless_all_of_them_share_it) {
    const auto listen_at = [](sockaddr_in where, bool share, file& out) {
        out = tcp();
        set_option(out, SOL_SOCKET, SO_REUSEADDR, 1);
        if (share) set_option(out, SOL_SOCKET, SO_REUSEPORT, 1);
        if (::bind(out, plain(where), sizeof where) != 0) return errno;
        return ::listen(out, 1) == 0 ? 0 : errno;
    };
    file first, second;
    ASSERT_EQ(listen_at(loopback(), false, first), 0);
    EXPECT_EQ(listen_at(address_of(first), false, second), EADDRINUSE);
    ASSERT_EQ(listen_at(loopback(), true, first), 0);
    EXPECT_EQ(listen_at(address_of(first), true, second), 0);
}

}  // namespace
}  // namespace kernel
