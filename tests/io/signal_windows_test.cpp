// Signals on Windows, as far as a process can send them to itself; Ctrl+C comes in the tests of whole programs.
#include <optional>

#include "io/backend/native_headers.hpp"
#include "io/reactors.hpp"
#include "io/signal.hpp"
#include "io/signal_waits.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class of_signals : public testing::TestWithParam<backend> {
protected:
    of_signals() : blocked_({signals::interrupt, signals::quit, signals::terminate}), loop(GetParam()) {}
    ~of_signals() override { blocked_.take_pending(); }

    static int own() { return static_cast<int>(::GetCurrentProcessId()); }

private:
    blocked_signals blocked_;

protected:
    loop_under_test loop;
};

TEST_P(of_signals, carry_a_value) {
    const signal_set set(*loop, {signals::interrupt});
    ASSERT_TRUE(queue_signal(own(), signals::interrupt, -77).has_value());
    const result<signal_info> got = loop->run(next_of(set));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->number, signals::interrupt);
    EXPECT_EQ(got->origin, signal_origin::queued);
    EXPECT_EQ(got->value, -77);
    EXPECT_EQ(got->process, own());
    EXPECT_EQ(loop->run(none_of(set)), errc::timed_out);
}

TEST_P(of_signals, are_kept_until_somebody_reads_them) {
    ASSERT_TRUE(queue_signal(own(), signals::quit, 1).has_value());
    ASSERT_TRUE(queue_signal(own(), signals::terminate, 2).has_value());
    const signal_set first(*loop, {signals::terminate});
    EXPECT_EQ(loop->run(next_of(first))->value, 2);
    const signal_set second(*loop, {signals::quit});
    EXPECT_EQ(loop->run(next_of(second))->value, 1);
}

TEST_P(of_signals, come_to_who_waits_already) {
    const signal_set set(*loop, {signals::quit});
    auto send = []() -> task<void> {
        for (int i = 0; i < 5; ++i) co_await yield();
        EXPECT_TRUE(queue_signal(own(), signals::quit, 5).has_value());
    };
    counting_scope scope(*loop);
    scope.spawn(send());
    EXPECT_EQ(loop->run(next_of(set))->number, signals::quit);
}

TEST_P(of_signals, end_with_their_set) {
    loop->run(end_a_set_under_its_waiter(*loop, signals::quit));
    ASSERT_TRUE(queue_signal(own(), signals::quit, 3).has_value());
    const signal_set next(*loop, {signals::quit});  // a set that is gone takes nothing
    EXPECT_EQ(loop->run(next_of(next))->value, 3);
}

TEST_P(of_signals, that_cannot_be_sent_are_told) {
    EXPECT_EQ(queue_signal(own(), 1000, 0).error(), errc::invalid_argument);
    EXPECT_EQ(queue_signal(0, signals::quit, 0).error(), errc::invalid_argument);
    EXPECT_EQ(queue_signal(-1, signals::quit, 0).error(), errc::invalid_argument);
    EXPECT_EQ(queue_signal(0x7ffffff0, signals::quit, 0).error(), errc::not_found);
    EXPECT_EQ(queue_signal(own(), 58, 0).error(), errc::not_supported) << "not blocked";
}

INSTANTIATE_TEST_SUITE_P(kernels, of_signals, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
