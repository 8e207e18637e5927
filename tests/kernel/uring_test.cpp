// The ring itself: submission, completion, cancelling, closing.
#include <chrono>
#include <thread>

#include "ring.hpp"

namespace kernel {
namespace {

// U1
TEST_F(uring, has_what_the_backend_cannot_do_without) {
    EXPECT_TRUE(made.features() & IORING_FEAT_EXT_ARG);
    EXPECT_TRUE(made.features() & IORING_FEAT_NODROP);
}

void arm_poll(ring& on, int handle, std::uint64_t tag) {
    io_uring_sqe* one = on.sqe(tag);
    io_uring_prep_poll_add(one, handle, POLLIN);
    on.tag(one);
}

// U2
TEST_F(uring, nothing_is_delivered_unless_asked_for) {
    pair one = connect_pair();
    arm_poll(made, one.near, 5);
    made.submit();
    ASSERT_EQ(send_text(one.far, "x"), 1);
    ASSERT_TRUE(comes(one.near, POLLIN));
    EXPECT_EQ(made.lying(), 0u);
    io_uring_submit_and_get_events(made.get());
    EXPECT_EQ(made.lying(), 1u);
}

// U3
TEST_F(uring, one_call_for_events_is_no_drain) {
    constexpr unsigned many = 200;
    std::vector<pair> pairs;
    for (unsigned i = 0; i < many; ++i) {
        pairs.push_back(connect_pair());
        arm_poll(made, pairs.back().near, i + 1);
    }
    made.submit();
    for (pair& one : pairs) ASSERT_EQ(send_text(one.far, "x"), 1);
    for (pair& one : pairs) ASSERT_TRUE(comes(one.near, POLLIN));
    io_uring_get_events(made.get());
    const unsigned first = made.lying();
    EXPECT_GT(first, 0u);
    EXPECT_LT(first, many) << "all at once";
    for (int i = 0; i < 1000 && made.lying() < many; ++i) io_uring_get_events(made.get());
    EXPECT_EQ(made.lying(), many);
    RecordProperty("completions_of_one_call", static_cast<int>(first));
}

// U4
TEST_F(uring, a_cancelled_request_ends_with_a_completion_and_the_cancel_itself_says_nothing) {
    pair one = connect_pair();
    arm_poll(made, one.near, 5);
    made.submit();
    made.cancel(5);
    EXPECT_EQ(made.result_of(5), -ECANCELED);
    EXPECT_TRUE(made.quiet());
}

// U5
TEST_F(uring, a_cancel_that_finds_nothing_says_so) {
    made.cancel(77, 3);
    EXPECT_EQ(made.result_of(3), -ENOENT);
}

// U6
TEST_F(uring, a_cancel_that_found_nothing_proves_nothing) {
    pair one = connect_pair();
    arm_poll(made, one.near, 5);  // prepared, not submitted
    io_uring_sync_cancel_reg what{};
    what.addr = 5;
    what.fd = -1;
    what.timeout = {-1, -1};
    EXPECT_EQ(io_uring_register_sync_cancel(made.get(), &what), -ENOENT);
    ASSERT_EQ(send_text(one.far, "x"), 1);
    EXPECT_GT(made.result_of(5), 0) << "and yet it is alive";
}

// U7
TEST_F(uring, closing_a_descriptor_cancels_nothing) {
    pair one = connect_pair();
    char buffer[16];
    io_uring_sqe* sqe = made.sqe(5);
    io_uring_prep_recv(sqe, one.near, buffer, sizeof buffer, 0);
    made.tag(sqe);
    made.submit();
    one.near.close();
    EXPECT_TRUE(made.quiet());
    ASSERT_EQ(send_text(one.far, "late"), 4);
    EXPECT_EQ(made.result_of(5), 4);
}

// U8
TEST_F(uring, an_armed_request_keeps_a_closed_socket_alive_until_it_has_ended) {
    pair one = connect_pair();
    arm_poll(made, one.near, 5);
    made.submit();
    one.near.close();
    EXPECT_EQ(events_within(one.far, POLLIN | POLLRDHUP, quiet_ms), 0) << "the peer sees no end";
    made.cancel(5);
    EXPECT_EQ(made.result_of(5), -ECANCELED);
    EXPECT_EQ(receive_soon(one.far), 0);
}

// U9
TEST_F(uring, what_is_queued_is_issued_in_order_and_before_the_submission_returns) {
    pair one = connect_pair();
    std::string sent;
    std::vector<std::string> parts;
    for (int i = 0; i < 100; ++i) parts.push_back(std::to_string(i) + ",");
    for (const std::string& part : parts) {
        io_uring_sqe* sqe = made.sqe(9);
        io_uring_prep_send(sqe, one.near, part.data(), part.size(), MSG_NOSIGNAL);
        made.tag(sqe);
        sent += part;
    }
    made.submit();
    ASSERT_EQ(::shutdown(one.near, SHUT_WR), 0) << "what follows does not overtake";
    std::string got;
    char buffer[1024];
    while (comes(one.far, POLLIN)) {
        const ssize_t count = ::recv(one.far, buffer, sizeof buffer, 0);
        if (count <= 0) break;
        got.append(buffer, static_cast<std::size_t>(count));
    }
    EXPECT_EQ(got, sent);
}

// U10
TEST(uring_queue, a_full_submission_queue_is_empty_after_a_submission) {
    ring small(4, 64);
    if (small.error() < 0) GTEST_SKIP();
    for (int i = 0; i < 4; ++i) {
        io_uring_sqe* sqe = small.sqe(1);
        io_uring_prep_nop(sqe);
        small.tag(sqe);
    }
    EXPECT_EQ(io_uring_get_sqe(small.get()), nullptr);
    EXPECT_EQ(small.submit(), 4);
    EXPECT_NE(io_uring_get_sqe(small.get()), nullptr);
}

// U11
TEST(uring_queue, completions_beyond_the_queue_are_kept) {
    ring small(8, 16);
    if (small.error() < 0) GTEST_SKIP();
    constexpr int many = 100;
    for (int i = 0; i < many; ++i) {
        io_uring_sqe* sqe = io_uring_get_sqe(small.get());
        if (!sqe) {
            ASSERT_GT(small.submit(), 0);
            sqe = io_uring_get_sqe(small.get());
        }
        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data64(sqe, static_cast<std::uint64_t>(i));
    }
    small.submit();
    std::vector<bool> seen(many, false);
    io_uring_cqe got{};
    for (int i = 0; i < many; ++i) {
        ASSERT_TRUE(small.next(got)) << "after " << i;
        ASSERT_FALSE(seen[got.user_data]);
        seen[got.user_data] = true;
    }
}

// U12
TEST_F(uring, a_limited_wait_is_never_early) {
    using namespace std::chrono;
    const auto before = steady_clock::now();
    io_uring_cqe* none = nullptr;
    __kernel_timespec limit{0, 3'000'700};
    EXPECT_EQ(io_uring_submit_and_wait_timeout(made.get(), &none, 1, &limit, nullptr), -ETIME);
    EXPECT_GE(steady_clock::now() - before, nanoseconds(3'000'700));
}

// U13
TEST_F(uring, belongs_to_the_thread_that_submitted_first) {
    io_uring_prep_nop(made.sqe(1));
    ASSERT_EQ(made.submit(), 1);
    int foreign = 0;
    std::thread([&] {
        io_uring_prep_nop(io_uring_get_sqe(made.get()));
        foreign = made.submit();
    }).join();
    EXPECT_EQ(foreign, -EEXIST);
}

// U14
TEST_F(uring, closing_the_ring_ends_its_requests_later_and_not_at_once) {
    pair one = connect_pair();
    arm_poll(made, one.near, 5);
    made.submit();
    one.near.close();
    made.exit();
    // the request's reference to the socket goes in the kernel's own time; nothing tells when
    EXPECT_EQ(receive_soon(one.far), 0);
}

}  // namespace
}  // namespace kernel
