// Edge-triggered epoll: when events come, and when they do not.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <chrono>
#include <csignal>

#include "kernel.hpp"

namespace kernel {
namespace {

constexpr std::uint32_t as_the_backend = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

class poller {
public:
    poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
    int add(int handle, std::uint64_t name = 1, std::uint32_t events = as_the_backend) {
        epoll_event event{events, {.u64 = name}};
        return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, handle, &event) == 0 ? 0 : errno;
    }
    // The next event's mask; 0: none within the time.
    std::uint32_t next(int limit_ms = soon_ms) {
        epoll_event event{};
        const int got = ::epoll_wait(epoll_, &event, 1, limit_ms);
        tag = event.data.u64;
        return got == 1 ? event.events : 0;
    }
    // Whether an event with this bit comes; those without it that come before are dropped.
    bool comes_with(std::uint32_t bit) {
        for (;;) {
            const std::uint32_t mask = next();
            if (mask == 0 || (mask & bit)) return mask != 0;
        }
    }
    bool quiet() { return next(quiet_ms) == 0; }
    int get() const { return epoll_; }

    std::uint64_t tag = 0;

private:
    file epoll_;
};

// E1
TEST(epoll, registration_reports_what_is_ready_already) {
    pair one = connect_pair();
    ASSERT_EQ(send_text(one.far, "before"), 6);
    ASSERT_TRUE(comes(one.near, POLLIN));
    poller events;
    ASSERT_EQ(events.add(one.near), 0);
    EXPECT_EQ(events.next(), EPOLLIN | EPOLLOUT);
    EXPECT_TRUE(events.quiet()) << "once";
}

// E2
TEST(epoll, each_arrival_is_an_event_whether_or_not_the_earlier_bytes_were_read) {
    pair one = connect_pair();
    poller events;
    ASSERT_EQ(events.add(one.near), 0);
    EXPECT_EQ(events.next(), EPOLLOUT);
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(send_text(one.far, "x"), 1);
        EXPECT_TRUE(events.comes_with(EPOLLIN));
        EXPECT_TRUE(events.quiet());
    }
    EXPECT_EQ(receive(one.near), 3);
    EXPECT_TRUE(events.quiet()) << "reading is no event";
}

// E3
TEST(epoll, bytes_and_the_end_behind_them_are_both_reported) {
    pair one = connect_pair();
    poller events;
    ASSERT_EQ(events.add(one.near), 0);
    ASSERT_EQ(send_text(one.far, "last"), 4);
    ASSERT_TRUE(events.comes_with(EPOLLIN));
    EXPECT_EQ(receive(one.near), 4);
    one.far.close();
    const std::uint32_t mask = events.next();
    EXPECT_EQ(mask, EPOLLIN | EPOLLOUT | EPOLLRDHUP) << "an end that comes after the short read is an edge of its own";
    EXPECT_EQ(receive(one.near), 0);
}

// E4
TEST(epoll, a_full_stream_reports_room_when_there_is_some) {
    pair one = connect_pair(65536, 65536);
    poller events;
    const std::size_t held = fill(one.near);
    ASSERT_EQ(events.add(one.near), 0);
    EXPECT_TRUE(events.quiet());
    EXPECT_EQ(drain(one.far, held), held);
    EXPECT_TRUE(events.comes_with(EPOLLOUT));
}

// E5
TEST(epoll, half_close_full_close_and_reset_differ_in_their_bits) {
    {
        pair one = connect_pair();
        poller events;
        ASSERT_EQ(events.add(one.near), 0);
        ASSERT_EQ(::shutdown(one.far, SHUT_WR), 0);
        EXPECT_TRUE(events.comes_with(EPOLLRDHUP));
        ASSERT_EQ(::shutdown(one.near, SHUT_WR), 0);
        EXPECT_TRUE(events.comes_with(EPOLLHUP)) << "a hang-up comes when both directions have ended";
    }
    {
        pair one = connect_pair();
        poller events;
        ASSERT_EQ(events.add(one.near), 0);
        (void)events.next();
        reset(one.far);
        EXPECT_EQ(events.next(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
    }
}

// E6
TEST(epoll, the_last_close_of_a_file_ends_its_registration_and_its_events) {
    pair one = connect_pair();
    poller events;
    ASSERT_EQ(events.add(one.near), 0);
    const int number = one.near;
    reset(one.near);
    EXPECT_TRUE(events.quiet());
    pair next = connect_pair();
    file same(::fcntl(next.near, F_DUPFD_CLOEXEC, number));
    EXPECT_EQ(events.add(same, 2), 0) << "the number is free for another registration";
    ASSERT_EQ(send_text(next.far, "x"), 1);
    EXPECT_TRUE(events.comes_with(EPOLLIN));
    EXPECT_EQ(events.tag, 2u);
}

// E7
TEST(epoll, a_duplicate_keeps_the_registration_of_a_closed_descriptor) {
    pair one = connect_pair();
    poller events;
    ASSERT_EQ(events.add(one.near), 0);
    (void)events.next();
    const file duplicate(::fcntl(one.near, F_DUPFD_CLOEXEC, 0));
    one.near.close();
    ASSERT_EQ(send_text(one.far, "x"), 1);
    EXPECT_TRUE(events.comes_with(EPOLLIN)) << "which is why what is not ours is taken out by hand";
}

// E8
TEST(epoll, a_limit_in_nanoseconds_is_never_early) {
    using namespace std::chrono;
    poller events;
    const auto before = steady_clock::now();
    const timespec limit{0, 3'000'700};
    epoll_event event{};
    EXPECT_EQ(::epoll_pwait2(events.get(), &event, 1, &limit, nullptr), 0);
    EXPECT_GE(steady_clock::now() - before, nanoseconds(3'000'700));
}

// E9
TEST(epoll, a_connect_that_was_begun_reports_how_it_went) {
    {
        const file listener = listen_on_loopback();
        file client = tcp();
        (void)start_connect(client, address_of(listener));
        poller events;
        ASSERT_EQ(events.add(client), 0);
        EXPECT_EQ(events.next(), EPOLLOUT);
    }
    {
        sockaddr_in nobody;
        {
            const file taken = listen_on_loopback();
            nobody = address_of(taken);
        }
        file client = tcp();
        (void)start_connect(client, nobody);
        poller events;
        ASSERT_EQ(events.add(client), 0);
        const std::uint32_t mask = events.next();
        EXPECT_TRUE(mask & EPOLLOUT) << mask;
        EXPECT_TRUE(mask & EPOLLHUP) << mask;
    }
}

// E10
TEST(epoll, each_connection_at_a_listener_is_an_event_and_a_failed_accept_is_none) {
    const file listener = listen_on_loopback();
    poller events;
    ASSERT_EQ(events.add(listener), 0);
    std::vector<file> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(tcp());
        (void)start_connect(clients.back(), address_of(listener));
        EXPECT_EQ(events.next(), EPOLLIN);
    }
    EXPECT_TRUE(events.quiet()) << "who failed to accept one must come back by himself";
    for (int i = 0; i < 3; ++i) EXPECT_GE(accept_from(listener).get(), 0);
    EXPECT_TRUE(events.quiet());
}

// E11
TEST(epoll, what_cannot_be_watched_is_refused) {
    char name[] = "/tmp/co_wq_kernel_XXXXXX";
    const file regular(::mkstemp(name));
    ::unlink(name);
    poller events;
    EXPECT_EQ(events.add(regular), EPERM);
    pair one = connect_pair();
    EXPECT_EQ(events.add(one.near), 0);
    EXPECT_EQ(events.add(one.near), EEXIST);
}

// E12
TEST(epoll, an_eventfd_reports_each_signal_although_nobody_read_the_one_before) {
    const file wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    poller events;
    ASSERT_EQ(events.add(wake, 7, EPOLLIN | EPOLLET), 0);
    const std::uint64_t one = 1;
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(::write(wake, &one, sizeof one), 8);
        EXPECT_EQ(events.next(), EPOLLIN);
        EXPECT_EQ(events.tag, 7u);
        EXPECT_TRUE(events.quiet());
    }
}

// E13
TEST(epoll, a_blocked_signal_is_read_from_its_descriptor) {
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    {
        const file source(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
        poller events;
        ASSERT_EQ(events.add(source), 0);
        EXPECT_TRUE(events.quiet());
        ASSERT_EQ(::raise(SIGUSR1), 0);
        EXPECT_TRUE(events.comes_with(EPOLLIN));
        signalfd_siginfo info{};
        EXPECT_EQ(::read(source, &info, sizeof info), static_cast<ssize_t>(sizeof info));
        EXPECT_EQ(info.ssi_signo, static_cast<std::uint32_t>(SIGUSR1));
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace kernel
