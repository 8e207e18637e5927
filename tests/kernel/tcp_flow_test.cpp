// Full and empty streams, and what splice makes of them.
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "kernel.hpp"

namespace kernel {
namespace {

// W1
TEST(tcp_flow, a_read_with_room_to_spare_takes_everything_that_is_there) {
    pair one = connect_pair();
    std::size_t sent = 0;
    for (int i = 1; i <= 100; ++i) sent += static_cast<std::size_t>(send_text(one.near, std::string(i, 'x')));
    char seen[65536];
    ssize_t there = 0;
    while (there < static_cast<ssize_t>(sent)) {
        ASSERT_TRUE(comes(one.far, POLLIN));
        there = ::recv(one.far, seen, sizeof seen, MSG_PEEK);
    }
    EXPECT_EQ(receive(one.far), static_cast<ssize_t>(sent)) << "a short read has emptied the stream";
    EXPECT_EQ(receive(one.far), -EAGAIN);
}

// W2
TEST(tcp_flow, nothing_asked_for_waits_like_anything_else_and_nothing_sent_arrives_as_nothing) {
    pair one = connect_pair();
    EXPECT_EQ(receive(one.far, 0), -EAGAIN);
    EXPECT_EQ(send_text(one.near, ""), 0);
    EXPECT_EQ(receive(one.far), -EAGAIN);
    EXPECT_EQ(send_text(one.near, "x"), 1);
    ASSERT_TRUE(comes(one.far, POLLIN));
    EXPECT_EQ(receive(one.far, 0), 0);
    EXPECT_EQ(receive(one.far), 1);
}

// W3
TEST(tcp_flow, a_full_stream_takes_part_of_a_message_and_then_refuses) {
    pair one = connect_pair(16384, 16384);
    const std::string big(4 << 20, 'x');
    const ssize_t first = send_text(one.near, big);
    EXPECT_GT(first, 0);
    EXPECT_LT(first, static_cast<ssize_t>(big.size()));
    std::size_t total = static_cast<std::size_t>(first) + fill(one.near);
    EXPECT_EQ(send_text(one.near, "x"), -EAGAIN);
    EXPECT_EQ(drain(one.far, total), total);
}

// W4
TEST(tcp_flow, room_is_reported_when_a_good_part_of_the_buffer_is_free_and_not_before) {
    pair one = connect_pair(65536, 65536);
    const std::size_t held = fill(one.near);
    ASSERT_EQ(receive(one.far, 1), 1);
    EXPECT_EQ(events_within(one.near, POLLOUT, full_ms), 0) << "one byte read is no room to write";
    EXPECT_EQ(drain(one.far, held - 1), held - 1);
    EXPECT_TRUE(comes(one.near, POLLOUT));
}

// W5
TEST(tcp_flow, bytes_sent_before_the_accept_wait_for_it) {
    const file listener = listen_on_loopback();
    file client = tcp();
    (void)start_connect(client, address_of(listener));
    ASSERT_TRUE(comes(client, POLLOUT));
    EXPECT_EQ(send_text(client, "early"), 5);
    const file server = accept_from(listener);
    EXPECT_EQ(receive_soon(server), 5);
}

struct pipe_ends {
    pipe_ends() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        out = file(ends[0]);
        in = file(ends[1]);
    }
    file out, in;
};

ssize_t splice_some(int from, int to, std::size_t most) {
    const ssize_t moved = ::splice(from, nullptr, to, nullptr, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    return moved < 0 ? -errno : moved;
}

// P1
TEST(splice, of_an_empty_stream_would_block_and_of_an_ended_one_is_zero) {
    pair one = connect_pair();
    const pipe_ends pipe;
    EXPECT_EQ(splice_some(one.far, pipe.in, 65536), -EAGAIN);
    ASSERT_EQ(::shutdown(one.near, SHUT_WR), 0);
    ASSERT_TRUE(comes(one.far, POLLIN));
    EXPECT_EQ(splice_some(one.far, pipe.in, 65536), 0);
}

// P2
TEST(splice, into_a_full_pipe_would_block_although_the_stream_has_bytes) {
    pair one = connect_pair();
    const pipe_ends pipe;
    const std::string block(4096, 'p');
    while (::write(pipe.in, block.data(), block.size()) > 0) {
    }
    ASSERT_EQ(send_text(one.near, "waiting"), 7);
    ASSERT_TRUE(comes(one.far, POLLIN));
    EXPECT_EQ(splice_some(one.far, pipe.in, 65536), -EAGAIN);
    EXPECT_EQ(receive(one.far), 7) << "they stayed in the stream";
}

// P3
TEST(splice, of_a_reset_stream_reports_the_reset) {
    pair one = connect_pair();
    const pipe_ends pipe;
    reset(one.near);
    ASSERT_TRUE(comes(one.far, POLLIN));
    EXPECT_EQ(splice_some(one.far, pipe.in, 65536), -ECONNRESET);
}

// P4
TEST(splice, into_a_full_stream_would_block_and_leaves_the_pipe_alone) {
    pair one = connect_pair(16384, 16384);
    const pipe_ends pipe;
    fill(one.near);
    ASSERT_EQ(::write(pipe.in, "kept", 4), 4);
    EXPECT_EQ(splice_some(pipe.out, one.near, 4), -EAGAIN);
    char kept[8];
    EXPECT_EQ(::read(pipe.out, kept, sizeof kept), 4);
}

// P5
TEST(splice, a_pipe_holds_64_kib_until_told_otherwise_and_a_refusal_changes_nothing) {
    const pipe_ends pipe;
    EXPECT_EQ(::fcntl(pipe.in, F_GETPIPE_SZ), 65536);
    const int got = ::fcntl(pipe.in, F_SETPIPE_SZ, 256 * 1024);
    if (got < 0) {
        EXPECT_EQ(errno, EPERM);
        EXPECT_EQ(::fcntl(pipe.in, F_GETPIPE_SZ), 65536);
    } else {
        EXPECT_GE(got, 256 * 1024);
    }
}

// P6
TEST(splice, to_a_peer_that_is_gone_is_a_broken_pipe) {
    pair one = connect_pair();
    const pipe_ends pipe;
    ASSERT_EQ(::shutdown(one.near, SHUT_WR), 0);
    ASSERT_EQ(::write(pipe.in, "lost", 4), 4);
    const auto before = ::signal(SIGPIPE, SIG_IGN);  // splice knows no MSG_NOSIGNAL
    EXPECT_EQ(splice_some(pipe.out, one.near, 4), -EPIPE);
    ::signal(SIGPIPE, before);
}

// V1
TEST(eventfd, adds_up_what_is_signalled_and_refuses_only_when_it_is_full) {
    const file event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    const auto signal = [&](std::uint64_t by) { return ::write(event, &by, sizeof by) < 0 ? -errno : 0; };
    std::uint64_t count = 0;
    EXPECT_EQ(signal(1), 0);
    EXPECT_EQ(signal(1), 0);
    EXPECT_EQ(::read(event, &count, sizeof count), 8);
    EXPECT_EQ(count, 2u);
    EXPECT_EQ(::read(event, &count, sizeof count), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(signal(~std::uint64_t{0} - 1), 0);
    EXPECT_EQ(signal(1), -EAGAIN);
    EXPECT_TRUE(comes(event, POLLIN)) << "and then its reader is being woken anyway";
}

}  // namespace
}  // namespace kernel
