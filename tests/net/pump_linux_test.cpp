// The pump and SIGPIPE: splice(2) has no MSG_NOSIGNAL.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <vector>

#include "pumped.hpp"
#include "task/when.hpp"

namespace co_wq::net {
namespace {

using namespace std::chrono_literals;
using test::receive_pattern;
using test::send_pattern;
using pumped_by_linux = test::pump_on_every_reactor;

std::size_t open_pipes() {
    std::size_t count = 0;
    for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        count += std::filesystem::read_symlink(one.path(), gone).string().starts_with("pipe:");
    }
    return count;
}

task<void> flood(tcp_stream& to, std::size_t& sent) {
    const std::vector<std::byte> block(100'000);
    for (;;) {
        const result<void> done = co_await to.send_all(block);
        if (!done) co_return;
        sent += block.size();
    }
}

// Its own direction has ended: to write to it after its reset is a broken pipe.
task<void> end_then_reset(tcp_stream& origin, const std::size_t& sent) {
    (void)origin.shutdown_send();
    std::vector<std::byte> block(100'000);
    for (std::size_t got = 0; got < 3'000'000;) {
        const result<std::size_t> some = co_await origin.recv(block);
        if (!some || *some == 0) co_return;
        got += *some;
    }
    // until everything is full and the pump waits for room
    for (std::size_t before = 0; before != sent;) {
        before = sent;
        co_await sleep_for(10ms);
    }
    origin.reset();
}

int exit_code_of(void (*body)(io::event_loop&), io::test::backend which) {
    const pid_t child = ::fork();
    if (child == 0) {
        {
            io::test::loop_under_test own(which);
            body(*own);
        }
        ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
}

TEST_P(pumped_by_linux, a_broken_pipe_is_a_result_and_no_signal) {
    const auto child = [](io::event_loop& loop) {
        std::signal(SIGPIPE, SIG_DFL);
        loop.run([](io::event_loop& here) -> task<void> {
            for (int round = 0; round < 5; ++round) {
                ends all = co_await make_ends(here);
                std::size_t count = 0;
                auto [sent, reset, done] =
                    co_await when_all(flood(all.client, count), end_then_reset(all.origin, count),
                                      pump(all.client_side, all.origin_side, {}));
                EXPECT_EQ(done.forth.end, end_reason::reset);
                EXPECT_EQ(done.back.end, end_reason::eof);
            }
        }(loop));
        // nothing is left behind for whoever unblocks it or installs a handler
        sigset_t pending, blocked;
        sigpending(&pending);
        ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
        EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
        EXPECT_EQ(sigismember(&blocked, SIGPIPE), 0);
    };
    const int status = exit_code_of(child, GetParam());
    EXPECT_FALSE(WIFSIGNALED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(status, 0);
}

TEST_P(pumped_by_linux, bulk_is_spliced_whatever_becomes_of_sigpipe) {
    using action = void (*)(int);
    for (const action what : {action(SIG_DFL), action(SIG_IGN)}) {
        const auto before = std::signal(SIGPIPE, what);
        const std::size_t pipes = open_pipes();
        io::test::loop_under_test own(GetParam());
        own->run([](io::event_loop& here) -> task<void> {
            ends all = co_await make_ends(here);
            (void)all.origin.shutdown_send();
            auto [up, got, done] =
                co_await when_all(send_pattern(all.client, 5'000'000, true), receive_pattern(all.origin),
                                  pump(all.client_side, all.origin_side, {}));
            EXPECT_EQ(got, 5'000'000u);
        }(*own));
        EXPECT_GT(open_pipes(), pipes);  // the loop keeps them for the next
        std::signal(SIGPIPE, before);
    }
}

INSTANTIATE_TEST_SUITE_P(reactors, pumped_by_linux, io::test::every_kernel, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net
