// How a TCP connection ends, as the two ends see it.
#include <csignal>

#include "kernel.hpp"

namespace kernel {
namespace {

// T1
TEST(tcp_end, closing_with_unread_bytes_resets_the_connection) {
    pair one = connect_pair();
    EXPECT_EQ(send_text(one.near, "unread"), 6);
    ASSERT_TRUE(comes(one.far, POLLIN));
    one.far.close();
    EXPECT_EQ(receive_soon(one.near), -ECONNRESET);
}

// T1
TEST(tcp_end, closing_with_everything_read_ends_the_stream) {
    pair one = connect_pair();
    EXPECT_EQ(send_text(one.near, "read"), 4);
    EXPECT_EQ(receive_soon(one.far), 4);
    one.far.close();
    EXPECT_EQ(receive_soon(one.near), 0);
}

// T2
TEST(tcp_end, a_reset_is_reported_once_and_then_the_stream_has_ended) {
    pair one = connect_pair();
    reset(one.far);
    EXPECT_EQ(receive_soon(one.near), -ECONNRESET);
    EXPECT_EQ(receive(one.near), 0);
    EXPECT_EQ(receive(one.near), 0);
}

// T3
TEST(tcp_end, bytes_that_arrived_before_a_reset_can_be_read_before_it_is_reported) {
    pair one = connect_pair();
    EXPECT_EQ(send_text(one.far, "last words"), 10);
    ASSERT_TRUE(comes(one.near, POLLIN));
    reset(one.far);
    ASSERT_TRUE(events_within(one.near, POLLIN, soon_ms) & POLLIN);
    ASSERT_TRUE(comes(one.near, 0)) << "POLLERR and POLLHUP come unasked: the reset is there";
    EXPECT_EQ(receive(one.near), 10);
    EXPECT_EQ(receive(one.near), -ECONNRESET);
    EXPECT_EQ(receive(one.near), 0);
}

// T4
TEST(tcp_end, sending_after_a_reset_fails_with_the_reset_once_and_then_with_a_broken_pipe) {
    pair one = connect_pair();
    reset(one.far);
    ASSERT_TRUE(comes(one.near, POLLIN));
    EXPECT_EQ(send_text(one.near, "x"), -ECONNRESET);
    EXPECT_EQ(send_text(one.near, "x"), -EPIPE);
    EXPECT_EQ(receive(one.near), 0) << "the send has taken the error away";
}

// T5
TEST(tcp_end, sending_to_a_peer_that_closed_works_once_and_then_is_a_broken_pipe) {
    pair one = connect_pair();
    one.far.close();
    ASSERT_TRUE(events_within(one.near, POLLIN | POLLRDHUP, soon_ms) & POLLRDHUP);
    EXPECT_EQ(send_text(one.near, "into the void"), 13);
    ASSERT_TRUE(comes(one.near, 0)) << "the answer is a reset";
    EXPECT_EQ(send_text(one.near, "x"), -EPIPE);
    EXPECT_EQ(receive(one.near), 0) << "the end had been seen first: it stays an end";
}

// T6
TEST(tcp_end, a_linger_of_zero_resets_although_nothing_is_unread) {
    pair one = connect_pair();
    reset(one.near);
    EXPECT_EQ(receive_soon(one.far), -ECONNRESET);
}

// T7
TEST(tcp_end, what_was_sent_before_a_close_arrives_before_the_end) {
    pair one = connect_pair(no_size, 8192);
    const std::size_t sent = fill(one.near);
    ASSERT_GT(sent, 8192u);
    one.near.close();
    EXPECT_EQ(drain(one.far, sent), sent);
    EXPECT_EQ(receive_soon(one.far), 0);
}

// T8
TEST(tcp_end, a_half_close_ends_one_direction_for_good_and_leaves_the_other) {
    pair one = connect_pair();
    EXPECT_EQ(send_text(one.near, "all"), 3);
    EXPECT_EQ(::shutdown(one.near, SHUT_WR), 0);
    EXPECT_EQ(::shutdown(one.near, SHUT_WR), 0) << "twice is as good as once";
    EXPECT_EQ(receive_soon(one.far), 3);
    EXPECT_EQ(receive_soon(one.far), 0);
    EXPECT_EQ(receive(one.far), 0);
    EXPECT_EQ(send_text(one.far, "still"), 5);
    EXPECT_EQ(receive_soon(one.near), 5);
    EXPECT_EQ(send_text(one.near, "x"), -EPIPE);
}

// T9
TEST(tcp_end, a_broken_pipe_raises_no_signal_when_none_is_wanted) {
    pair one = connect_pair();
    ASSERT_EQ(::shutdown(one.near, SHUT_WR), 0);
    const auto before = std::signal(SIGPIPE, SIG_DFL);  // it would end the program
    EXPECT_EQ(send_text(one.near, "x"), -EPIPE);
    std::signal(SIGPIPE, before);
}

// T10
TEST(tcp_end, what_poll_says_about_each_kind_of_end) {
    constexpr int all = POLLIN | POLLOUT | POLLRDHUP;
    {
        pair one = connect_pair();
        EXPECT_EQ(events_within(one.near, all, 0), POLLOUT);
        ASSERT_EQ(::shutdown(one.far, SHUT_WR), 0);
        ASSERT_TRUE(comes(one.near, POLLRDHUP));
        EXPECT_EQ(events_within(one.near, all, 0), POLLIN | POLLOUT | POLLRDHUP) << "the peer has ended";
        EXPECT_EQ(events_within(one.near, 0, quiet_ms), 0) << "which is no hang-up";
        ASSERT_EQ(::shutdown(one.near, SHUT_WR), 0);
        ASSERT_TRUE(comes(one.near, 0));
        EXPECT_EQ(events_within(one.near, all, 0), POLLIN | POLLOUT | POLLRDHUP | POLLHUP) << "both have";
    }
    {
        pair one = connect_pair();
        reset(one.far);
        ASSERT_TRUE(comes(one.near, 0));
        EXPECT_EQ(events_within(one.near, all, 0), POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP) << "reset";
    }
}

// T11
TEST(tcp_end, after_a_reset_there_is_no_peer_any_more) {
    pair one = connect_pair();
    reset(one.far);
    ASSERT_TRUE(comes(one.near, 0));
    sockaddr_in where{};
    socklen_t size = sizeof where;
    EXPECT_EQ(::getpeername(one.near, reinterpret_cast<sockaddr*>(&where), &size), -1);
    EXPECT_EQ(errno, ENOTCONN);
    EXPECT_EQ(::shutdown(one.near, SHUT_WR), -1);
    EXPECT_EQ(errno, ENOTCONN);
}

// T12
TEST(tcp_end, the_number_of_a_closed_descriptor_is_given_out_again_at_once) {
    file one = tcp();
    const int number = one;
    one.close();
    const file next = tcp();
    EXPECT_EQ(next.get(), number);
}

}  // namespace
}  // namespace kernel
