// Sockets through the ring: multishot accept, receive and poll, sends, connects, and cancels that race them.
#include <sys/resource.h>

#include "ring.hpp"

namespace kernel {
namespace {

void arm_accept(ring& on, int listener, std::uint64_t tag) {
    io_uring_sqe* sqe = on.sqe(tag);
    io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    on.tag(sqe);
    on.submit();
}

void arm_receive(ring& on, int handle, std::uint64_t tag) {
    io_uring_sqe* sqe = on.sqe(tag);
    io_uring_prep_recv_multishot(sqe, handle, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    on.tag(sqe);
    on.submit();
}

void send_through(ring& on, int handle, const std::string& text, std::uint64_t tag, int flags) {
    io_uring_sqe* sqe = on.sqe(tag);
    io_uring_prep_send(sqe, handle, text.data(), text.size(), MSG_NOSIGNAL | flags);
    on.tag(sqe);
    on.submit();
}

// A1
TEST_F(uring, a_multishot_accept_takes_one_after_the_other) {
    const file listener = listen_on_loopback();
    arm_accept(made, listener, 5);
    for (int i = 0; i < 3; ++i) {
        file client = tcp();
        (void)start_connect(client, address_of(listener));
        bool more = false;
        const file server(made.result_of(5, &more));
        EXPECT_GE(server.get(), 0);
        EXPECT_TRUE(more);
    }
    made.cancel(5);
    bool more = true;
    EXPECT_EQ(made.result_of(5, &more), -ECANCELED);
    EXPECT_FALSE(more);
}

// A2
TEST_F(uring, a_connection_that_waits_survives_a_cancelled_accept) {
    for (int round = 0; round < 200; ++round) {
        const file listener = listen_on_loopback();
        arm_accept(made, listener, 5);
        file client = tcp();
        (void)start_connect(client, address_of(listener));
        ASSERT_TRUE(comes(client, POLLOUT));
        if (round % 2) io_uring_get_events(made.get());
        made.cancel(5);
        int accepted = 0;
        bool more = true;
        while (more) {
            const file server(made.result_of(5, &more));
            accepted += server.get() >= 0;
        }
        if (accepted == 0) accepted += file(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)).get() >= 0;
        ASSERT_EQ(accepted, 1) << "round " << round;
    }
}

// A3
TEST_F(uring, an_accept_without_descriptors_ends_and_leaves_the_connection) {
    const file listener = listen_on_loopback();
    file client = tcp();
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int lowest = ::dup(0);
    ::close(lowest);
    // the request remembers the limit of the time it was made
    const rlimit one_more{static_cast<rlim_t>(lowest + 1), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &one_more), 0);
    arm_accept(made, listener, 5);
    file last(::dup(0));
    EXPECT_EQ(last.get(), lowest);
    (void)start_connect(client, address_of(listener));
    bool more = true;
    EXPECT_EQ(made.result_of(5, &more), -EMFILE);
    EXPECT_FALSE(more);
    arm_accept(made, listener, 5);
    EXPECT_EQ(made.result_of(5, &more), -EMFILE) << "and so does every further one";
    last.close();
    EXPECT_GE(accept_from(listener).get(), 0);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

// R1
TEST_F(uring, a_multishot_receive_fills_blocks_and_ends_with_the_stream) {
    const provided blocks(made, 4);
    pair one = connect_pair();
    arm_receive(made, one.near, 5);
    ASSERT_EQ(send_text(one.far, "first"), 5);
    bool more = false;
    ASSERT_EQ(made.result_of(5, &more), 5);
    EXPECT_TRUE(more);
    ASSERT_TRUE(made.flags & IORING_CQE_F_BUFFER);
    EXPECT_EQ(blocks.text(made.flags >> IORING_CQE_BUFFER_SHIFT, 5), "first");
    one.far.close();
    EXPECT_EQ(made.result_of(5, &more), 0);
    EXPECT_FALSE(more);
}

// R2
TEST_F(uring, a_multishot_receive_without_blocks_ends_and_the_bytes_stay_in_the_stream) {
    const provided blocks(made, 2);
    pair one = connect_pair();
    arm_receive(made, one.near, 5);
    const std::string text(provided::block_bytes * 3, 'x');
    ASSERT_EQ(send_text(one.far, text), static_cast<ssize_t>(text.size()));
    std::size_t got = 0;
    bool more = true;
    int last = 0;
    while (more) {
        last = made.result_of(5, &more);
        if (last > 0) got += static_cast<std::size_t>(last);
    }
    EXPECT_EQ(last, -ENOBUFS);
    const ssize_t rest = receive(one.near);
    ASSERT_GT(rest, 0);
    EXPECT_EQ(got + static_cast<std::size_t>(rest), text.size());
}

// R3
TEST_F(uring, a_multishot_receive_reports_a_reset_and_ends) {
    const provided blocks(made, 2);
    pair one = connect_pair();
    arm_receive(made, one.near, 5);
    reset(one.far);
    bool more = true;
    EXPECT_EQ(made.result_of(5, &more), -ECONNRESET);
    EXPECT_FALSE(more);
}

// R4
TEST_F(uring, a_cancel_wins_over_bytes_that_arrived_before_and_they_stay_in_the_stream) {
    const provided blocks(made, 4);
    for (int round = 0; round < 1000; ++round) {
        pair one = connect_pair();
        char buffer[64];
        if (round % 2) {
            arm_receive(made, one.near, 5);
        } else {
            io_uring_sqe* sqe = made.sqe(5);
            io_uring_prep_recv(sqe, one.near, buffer, sizeof buffer, 0);
            made.tag(sqe);
            made.submit();
        }
        ASSERT_EQ(send_text(one.far, "arrived first"), 13);
        ASSERT_TRUE(comes(one.near, POLLIN));
        made.cancel(5);
        ASSERT_EQ(made.result_of(5), -ECANCELED) << "round " << round;
        ASSERT_EQ(receive(one.near), 13) << "round " << round;
    }
}

// R5
TEST_F(uring, a_cancelled_multishot_receive_loses_no_byte_whoever_was_first) {
    provided blocks(made, 4);
    for (int round = 0; round < 500; ++round) {
        pair one = connect_pair();
        arm_receive(made, one.near, 5);
        ASSERT_EQ(send_text(one.far, "somewhere"), 9);
        if (round % 3 == 1) io_uring_get_events(made.get());
        made.cancel(5);
        ssize_t got = 0;
        bool more = true;
        while (more) {
            const int result = made.result_of(5, &more);
            if (result > 0) got += result;
            if (made.flags & IORING_CQE_F_BUFFER) blocks.offer(made.flags >> IORING_CQE_BUFFER_SHIFT);
        }
        while (got < 9 && comes(one.near, POLLIN)) got += receive(one.near);
        ASSERT_EQ(got, 9) << "round " << round;
    }
}

// O1
TEST_F(uring, a_multishot_poll_reports_what_is_ready_and_then_each_arrival) {
    pair one = connect_pair();
    ASSERT_EQ(send_text(one.far, "before"), 6);
    ASSERT_TRUE(comes(one.near, POLLIN));
    io_uring_sqe* sqe = made.sqe(5);
    io_uring_prep_poll_multishot(sqe, one.near, POLLIN | POLLRDHUP);
    made.tag(sqe);
    made.submit();
    bool more = false;
    EXPECT_TRUE(made.result_of(5, &more) & POLLIN);
    EXPECT_TRUE(more);
    EXPECT_TRUE(made.quiet()) << "unread bytes are no event of their own";
    ASSERT_EQ(send_text(one.far, "more"), 4);
    EXPECT_TRUE(made.result_of(5, &more) & POLLIN);
    one.far.close();
    EXPECT_TRUE(made.result_of(5) & POLLRDHUP);
}

// O2
TEST_F(uring, a_poll_for_room_completes_when_there_is_some) {
    pair one = connect_pair(65536, 65536);
    const std::size_t held = fill(one.near);
    io_uring_sqe* sqe = made.sqe(5);
    io_uring_prep_poll_add(sqe, one.near, POLLOUT);
    made.tag(sqe);
    made.submit();
    EXPECT_TRUE(made.quiet());
    EXPECT_EQ(drain(one.far, held), held);
    EXPECT_TRUE(made.result_of(5) & POLLOUT);
}

// O3
TEST_F(uring, a_poll_says_how_a_connection_ended) {
    pair one = connect_pair();
    io_uring_sqe* sqe = made.sqe(5);
    io_uring_prep_poll_multishot(sqe, one.near, POLLIN | POLLRDHUP);
    made.tag(sqe);
    made.submit();
    EXPECT_TRUE(made.quiet());
    reset(one.far);
    const int mask = made.result_of(5);
    EXPECT_TRUE(mask & POLLERR) << mask;
    EXPECT_TRUE(mask & POLLHUP) << mask;
}

// S1
TEST_F(uring, a_send_of_all_completes_when_the_last_byte_has_found_room) {
    pair one = connect_pair(16384, 16384);
    const std::size_t held = fill(one.near);
    const std::string text(1500, 's');
    send_through(made, one.near, text, 5, MSG_WAITALL);
    EXPECT_TRUE(made.quiet());
    EXPECT_EQ(drain(one.far, held), held);
    EXPECT_EQ(made.result_of(5), 1500);
    EXPECT_EQ(drain(one.far, 1500), 1500u);
}

// S2
TEST_F(uring, a_cancelled_send_sends_no_more_than_it_says) {
    pair one = connect_pair(16384, 16384);
    const std::size_t held = fill(one.near);
    const std::string text(1'000'000, 's');
    send_through(made, one.near, text, 5, MSG_WAITALL);
    const std::size_t got = drain(one.far, held);
    ASSERT_GE(got, held);
    made.cancel(5);
    const int result = made.result_of(5);
    const std::size_t sent = result > 0 ? static_cast<std::size_t>(result) : 0;
    EXPECT_LT(sent, text.size());
    EXPECT_EQ(got + drain(one.far, held + sent - got), held + sent) << "a partial send is a positive count";
    EXPECT_EQ(events_within(one.far, POLLIN, quiet_ms), 0);
}

// S3
TEST_F(uring, a_send_to_a_peer_that_is_gone_fails_without_a_signal) {
    pair one = connect_pair();
    ASSERT_EQ(::shutdown(one.near, SHUT_WR), 0);
    const std::string text = "x";
    send_through(made, one.near, text, 5, 0);
    EXPECT_EQ(made.result_of(5), -EPIPE);
}

// K1
TEST_F(uring, a_connect_ends_as_the_system_call_would) {
    const auto connect_to = [&](const sockaddr_in& where) {
        const file client = tcp();
        io_uring_sqe* sqe = made.sqe(5);
        io_uring_prep_connect(sqe, client, plain(where), sizeof where);
        made.tag(sqe);
        made.submit();
        return made.result_of(5);
    };
    sockaddr_in nobody;
    {
        const file listener = listen_on_loopback();
        nobody = address_of(listener);
        EXPECT_EQ(connect_to(nobody), 0);
    }
    EXPECT_EQ(connect_to(nobody), -ECONNREFUSED);
}

// K2
TEST_F(uring, a_connect_that_hangs_can_be_cancelled) {
    const file listener = listen_on_loopback(1);
    const sockaddr_in where = address_of(listener);
    std::vector<file> clients;
    for (int i = 0; i < 2; ++i) {
        clients.push_back(tcp());
        (void)start_connect(clients.back(), where);
        ASSERT_TRUE(comes(clients.back(), POLLOUT));
    }
    const file late = tcp();
    io_uring_sqe* sqe = made.sqe(5);
    io_uring_prep_connect(sqe, late, plain(where), sizeof where);
    made.tag(sqe);
    made.submit();
    EXPECT_TRUE(made.quiet());
    made.cancel(5);
    EXPECT_EQ(made.result_of(5), -ECANCELED);
}

}  // namespace
}  // namespace kernel
