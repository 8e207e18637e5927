// Signals as values, on the real kernels. They are sent to this thread or process; nothing of it is left at the end.
#include "io/signal.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <system_error>

#include "io/reactors.hpp"
#include "io/signal_waits.hpp"
#include "support/refusing_system.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class of_signals : public testing::TestWithParam<backend> {
protected:
    of_signals() : blocked_({SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1}), loop(GetParam()) {}
    ~of_signals() override { blocked_.take_pending(); }

private:
    blocked_signals blocked_;

protected:
    loop_under_test loop;
};

TEST_P(of_signals, say_who_sent_them) {
    const signal_set set(*loop, {signals::user_1});
    ::kill(::getpid(), SIGUSR1);
    const result<signal_info> got = loop->run(next_of(set));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->number, SIGUSR1);
    EXPECT_EQ(got->origin, signal_origin::process);
    EXPECT_EQ(got->process, ::getpid());
    EXPECT_EQ(got->user, ::getuid());
    EXPECT_EQ(loop->run(none_of(set)), errc::timed_out);
}

TEST_P(of_signals, carry_a_value) {
    const signal_set set(*loop, {signals::user_2});
    ASSERT_TRUE(queue_signal(::getpid(), signals::user_2, -77).has_value());
    const result<signal_info> got = loop->run(next_of(set));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->origin, signal_origin::queued);
    EXPECT_EQ(got->value, -77);
}

TEST_P(of_signals, of_real_time_are_queued_in_order) {
    const int low = signals::real_time(0), high = signals::real_time(1);
    const signal_set set(*loop, {low, high, signals::user_1});
    for (int i = 0; i < 3; ++i) ::kill(::getpid(), SIGUSR1);  // merged into one
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(queue_signal(::getpid(), high, 100 + i).has_value());
        ASSERT_TRUE(queue_signal(::getpid(), low, i).has_value());
    }
    EXPECT_EQ(loop->run(next_of(set))->number, SIGUSR1);
    for (int i = 0; i < 10; ++i) {
        const result<signal_info> got = loop->run(next_of(set));
        ASSERT_TRUE(got.has_value());
        EXPECT_EQ(got->number, i < 5 ? low : high);
        EXPECT_EQ(got->value, i < 5 ? i : 100 + i - 5);
    }
    EXPECT_EQ(loop->run(none_of(set)), errc::timed_out);
}

TEST_P(of_signals, come_to_who_waits_already) {
    const signal_set set(*loop, {signals::user_1});
    auto send = []() -> task<void> {
        for (int i = 0; i < 5; ++i) co_await yield();
        ::kill(::getpid(), SIGUSR1);
    };
    counting_scope scope(*loop);
    scope.spawn(send());
    EXPECT_EQ(loop->run(next_of(set))->number, SIGUSR1);
}

TEST_P(of_signals, end_with_their_set) { loop->run(end_a_set_under_its_waiter(*loop, signals::user_1)); }

TEST_P(of_signals, of_children_tell_which) {
    blocked_signals also({SIGCHLD});
    const signal_set set(*loop, {signals::child});
    const pid_t child = ::fork();
    if (child == 0) ::_exit(9);
    const result<signal_info> got = loop->run(next_of(set));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->origin, signal_origin::child);
    EXPECT_EQ(got->process, child);
    EXPECT_EQ(got->value, 9);
    ::waitpid(child, nullptr, 0);
    also.take_pending();
}

TEST_P(of_signals, that_cannot_be_sent_are_told) {
    EXPECT_EQ(queue_signal(::getpid(), 1000, 0).error(), errc::invalid_argument);
    EXPECT_EQ(queue_signal(0, signals::user_1, 0).error(), errc::invalid_argument);
    EXPECT_EQ(queue_signal(-1, signals::user_1, 0).error(), errc::invalid_argument);
    EXPECT_EQ(queue_signal(0x7fffffff, signals::user_1, 0).error(), errc::not_found);
}

INSTANTIATE_TEST_SUITE_P(kernels, of_signals,
                         testing::Values(backend{reactor_kind::epoll, 0}, backend{reactor_kind::uring, 0}),
                         name_of_case);

TEST(signal_masks, are_put_back_as_they_were) {
    sigset_t seen;
    {
        blocked_signals outer({SIGUSR1});
        {
            blocked_signals inner({SIGUSR1, SIGUSR2});
            ::pthread_sigmask(SIG_BLOCK, nullptr, &seen);
            EXPECT_TRUE(sigismember(&seen, SIGUSR1) && sigismember(&seen, SIGUSR2));
            ::raise(SIGUSR2);
            EXPECT_EQ(inner.take_pending(), 1);
        }
        ::pthread_sigmask(SIG_BLOCK, nullptr, &seen);
        EXPECT_TRUE(sigismember(&seen, SIGUSR1));
        EXPECT_FALSE(sigismember(&seen, SIGUSR2));
    }
    ::pthread_sigmask(SIG_BLOCK, nullptr, &seen);
    EXPECT_FALSE(sigismember(&seen, SIGUSR1));
}

TEST(simulated, there_are_no_signals) {
    loop_under_test loop(backend{reactor_kind::sim, 1});
    EXPECT_THROW(signal_set(*loop, {SIGUSR1}), std::system_error);
}

}  // namespace
}  // namespace co_wq::io::test
