// A system that refuses what loops are made of, and kernels that can do less than ours. Each case runs in a child
// process of its own, because a refusal is for ever and what the kernel can do is asked once per process.
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>

#include "io/backend/native_sockets.hpp"
#include "io/backend/reactor_uring.hpp"
#include "io/backend/uring_probe.hpp"
#include "io/runtime.hpp"
#include "io/signal.hpp"
#include "reactors.hpp"
#include "support/refusing_system.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;
using co_wq::test::few_files;
using co_wq::test::refuse_call;

class refused : public testing::Test {
protected:
    refused() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// In the child: what is not as expected ends it.
void check(bool holds, const std::string& what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what.c_str());
    std::exit(1);
}
#define EXPECT_IN_CHILD(...) \
    EXPECT_EXIT(             \
        {                    \
            __VA_ARGS__;     \
            std::exit(0);    \
        },                   \
        testing::ExitedWithCode(0), "")

// The sanitizer opens a pipe whenever it looks at an object for the first time, and calls it invalid when it cannot.
#if defined(CO_WQ_SANITIZED)
#define SKIP_WITHOUT_FILES() GTEST_SKIP() << "the sanitizer needs files too"
#else
#define SKIP_WITHOUT_FILES() static_cast<void>(0)
#endif

class nothing_runs final : public workqueue {
public:
    nothing_runs() noexcept : workqueue("nothing") {}

private:
    void wake() noexcept override {}
};

void expect_no_reactor(reactor_kind kind, errc code, const char* reason) {
    nothing_runs queue;
    std::string why;
    const auto made = make_reactor(kind, queue.slots(), why);
    check(!made.has_value(), "no reactor");
    check(made.error() == code, std::to_string(made.error().os_code()) + " " + why);
    check(why.find(reason) != std::string::npos, why);
}

int next_file() {
    const int next = ::dup(0);
    ::close(next);
    return next;
}

// A connection that carries 300,000 bytes as leases, through a pipe and borrowed, and ends; an accept that is left.
task<void> use(event_loop& here) {
    connection pair = co_await make_connection(here);
    auto sends = [](socket& out) -> task<void> {
        const std::vector<std::byte> data(100'000, std::byte{7});
        for (int round = 0; round < 3; ++round) {
            const result<void> sent = co_await out.send_all(data);
            check(sent.has_value(), "all is sent");
        }
        check(out.shutdown_send().has_value(), "ended");
    };
    auto reads = [](socket& in) -> task<void> {
        std::size_t got = 0;
        for (;;) {
            const result<void> ready = co_await in.ready(direction::read);
            check(ready.has_value(), "something comes");
            const bool lend = got % 2 == 0;
            if (lend) {
                const result<lease> some = co_await in.recv_lease(4096);
                check(some.has_value(), "a lease");
                if (some->size() == 0) break;
                got += some->size();
            } else {
                std::array<std::byte, 777> block;
                const result<std::size_t> some = co_await in.recv(block);
                check(some.has_value(), "a read");
                if (*some == 0) break;
                got += *some;
            }
        }
        check(got == 300'000, "every byte came: " + std::to_string(got));
    };
    co_await when_all(sends(pair.near), reads(pair.far));
    auto waits = [](event_loop& in) -> task<void> {
        const result<socket> listener = listen_on_loopback(in);
        check(listener.has_value(), "a listener");
        const auto none = co_await listener->accept();
        check(!none && none.error() == errc::timed_out, "nobody comes");
    };
    co_await with_timeout(2ms, waits(here));
}

TEST_F(refused, a_reactor_without_the_files_it_needs_is_not_made_and_says_why) {
    for (const auto& [call, name] : {std::pair{SYS_eventfd2, "eventfd"}, std::pair{SYS_epoll_create1, "epoll_create1"}})
        EXPECT_IN_CHILD(refuse_call(call, EMFILE); expect_no_reactor(reactor_kind::epoll, errc::too_many_files, name));
    EXPECT_IN_CHILD(refuse_call(SYS_epoll_ctl, ENOMEM);
                    expect_no_reactor(reactor_kind::epoll, errc::out_of_memory, "epoll_ctl"));
    EXPECT_IN_CHILD(refuse_call(SYS_io_uring_setup, EPERM);
                    expect_no_reactor(reactor_kind::uring, errc::permission_denied, "forbidden here"));
}

TEST_F(refused, a_reactor_that_is_not_made_leaves_no_file_open) {
    EXPECT_IN_CHILD({
        const int before = next_file();
        refuse_call(SYS_epoll_ctl, ENOSPC);
        expect_no_reactor(reactor_kind::epoll, errc::no_space, "epoll_ctl");
        check(next_file() == before, "all are closed");
    });
    EXPECT_IN_CHILD({
        const int before = next_file();
        refuse_call(SYS_io_uring_setup, ENOSYS);
        expect_no_reactor(reactor_kind::uring, errc::not_supported, "no io_uring");
        check(next_file() == before, "all are closed");
    });
}

TEST_F(refused, a_kind_of_reactor_that_does_not_exist_is_not_made) {
    nothing_runs queue;
    std::string why;
    const auto made = make_reactor(static_cast<reactor_kind>(99), queue.slots(), why);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code(), errc::not_supported);
}

TEST_F(refused, the_reason_for_no_ring_names_what_an_operator_can_change) {
    EXPECT_NE(uring_refusal(ENOSYS).find("no io_uring"), std::string::npos);
    EXPECT_NE(uring_refusal(EPERM).find("seccomp"), std::string::npos);
    EXPECT_NE(uring_refusal(EINVAL).find("Linux 6.1"), std::string::npos);
    EXPECT_NE(uring_refusal(ENOMEM).find("ulimit -l"), std::string::npos);
    EXPECT_NE(uring_refusal(EMFILE).find("open files"), std::string::npos);
    EXPECT_NE(uring_refusal(EIO).find("Input/output"), std::string::npos);
}

TEST_F(refused, without_a_ring_the_loop_runs_on_epoll_and_tells_the_reason) {
    EXPECT_IN_CHILD({
        refuse_call(SYS_io_uring_setup, ENOSYS);
        event_loop loop({.reactor = reactor_kind::automatic, .name = "automatic"});
        check(std::string(loop.reactor().name()) == "epoll", loop.reactor().name());
        check(loop.reactor_reason().find("no io_uring") != std::string::npos, loop.reactor_reason());
        loop.run(use(loop));
    });
}

TEST_F(refused, a_loop_whose_reactor_is_not_to_be_had_is_not_made) {
    EXPECT_IN_CHILD({
        refuse_call(SYS_io_uring_setup, ENOMEM);
        try {
            event_loop loop({.reactor = reactor_kind::uring, .name = "uring"});
            check(false, "thrown");
        } catch (const std::runtime_error& failure) {
            check(std::string(failure.what()).find("memory-lock limit") != std::string::npos, failure.what());
        }
        runtime cores({.threads = 3, .reactor = reactor_kind::uring});
        try {
            cores.run([](event_loop&, unsigned) -> task<void> { co_return; });
            check(false, "thrown from all of them");
        } catch (const std::runtime_error&) {
        }
    });
}

TEST_F(refused, a_kernel_without_precise_timeouts_still_never_wakes_early) {
    EXPECT_IN_CHILD({
        refuse_call(SYS_epoll_pwait2, ENOSYS);
        event_loop loop({.reactor = reactor_kind::epoll, .name = "epoll"});
        loop.run([](event_loop& here) -> task<void> {
            for (int round = 0; round < 3; ++round) {
                const time_point before = here.now();
                co_await sleep_for(1500us);
                check(here.now() - before >= 1500us, "not early");
            }
        }(loop));
        loop.run(use(loop));
    });
}

std::string features_of(event_loop& loop) {
    const auto& made = static_cast<reactor_uring&>(loop.reactor()).features();
    return std::string(made.multishot_accept ? "accept " : "") + (made.multishot_recv ? "recv" : "");
}

// The trials need four files: their ring and three sockets. With fewer, the answer is no, and the loop does without.
TEST_F(refused, a_ring_whose_trials_find_no_files_waits_for_readiness_instead) {
    SKIP_WITHOUT_FILES();
    for (unsigned room = 2; room <= 6; ++room) {
        EXPECT_IN_CHILD({
            std::optional<event_loop> loop;
            {
                const few_files limit(room);
                loop.emplace(loop_options{.reactor = reactor_kind::uring, .name = "uring"});
            }
            if (room < 6) check(features_of(*loop).find("accept") == std::string::npos, features_of(*loop));
            if (room < 5) check(features_of(*loop).empty(), features_of(*loop));
            loop->run(use(*loop));
        });
    }
}

TEST_F(refused, a_ring_without_files_for_itself_is_not_made) {
    SKIP_WITHOUT_FILES();
    EXPECT_IN_CHILD(const few_files limit(1);
                    expect_no_reactor(reactor_kind::uring, errc::too_many_files, "too many open files"));
}

TEST_F(refused, a_kernel_that_registers_no_blocks_receives_on_readiness) {
    EXPECT_IN_CHILD({
        refuse_call(SYS_io_uring_register, EINVAL);
        event_loop loop({.reactor = reactor_kind::uring, .name = "uring"});
        check(features_of(loop).find("recv") == std::string::npos, features_of(loop));
        loop.run(use(loop));
    });
}

TEST_F(refused, trials_that_are_refused_a_step_answer_no) {
    for (const long call : {SYS_bind, SYS_listen, SYS_getsockname, SYS_connect})
        EXPECT_IN_CHILD(refuse_call(call, EACCES); check(!uring_has_multishot_accept(), "no multishot accept"));
    EXPECT_IN_CHILD(refuse_call(SYS_socketpair, EACCES); check(!uring_cancel_race_is_lossless(), "not lossless"));
    EXPECT_IN_CHILD(refuse_call(SYS_io_uring_enter, EAGAIN); check(!uring_has_multishot_accept(), "no answer");
                    check(!uring_cancel_race_is_lossless(), "no answer to this one either"));
}

TEST_F(refused, sockets_and_pipes_beyond_the_limit_are_refused_by_name) {
    SKIP_WITHOUT_FILES();
    EXPECT_IN_CHILD({
        const few_files limit(1);
        socket_calls& calls = native_sockets();
        const auto first = calls.open_stream(address_family::ipv4);
        check(first.has_value(), "there is room for one");
        check(calls.open_stream(address_family::ipv4).error() == errc::too_many_files, "a stream");
        check(calls.open_datagram(address_family::ipv4).error() == errc::too_many_files, "a datagram socket");
        check(calls.open_listener(socket_address::loopback(0), 1, true).error() == errc::too_many_files, "a listener");
        check(calls.open_pipe(4096).error() == errc::too_many_files, "a pipe");
        calls.close(*first);
    });
}

TEST_F(refused, a_listener_that_may_not_listen_is_closed_again) {
    SKIP_WITHOUT_FILES();
    EXPECT_IN_CHILD({
        refuse_call(SYS_listen, EADDRINUSE);
        const auto made = native_sockets().open_listener(socket_address::loopback(0), 1, false);
        check(!made && made.error() == errc::address_in_use, "told why");
        const few_files limit(1);
        check(native_sockets().open_stream(address_family::ipv4).has_value(), "its file is free again");
    });
}

TEST_F(refused, an_accept_that_finds_no_file_tells_the_one_who_waits) {
    SKIP_WITHOUT_FILES();
    for (const reactor_kind kind : {reactor_kind::epoll, reactor_kind::uring}) {
        EXPECT_IN_CHILD({
            event_loop loop({.reactor = kind, .name = "poor"});
            loop.run([](event_loop& here) -> task<void> {
                const result<socket> listener = listen_on_loopback(here);
                auto near = co_await connect_to(here, *listener->local_address());
                check(near.has_value(), "connected");
                {
                    const few_files limit(0);
                    const auto none = co_await listener->accept();
                    check(!none && none.error() == errc::too_many_files, "no file for it");
                }
                const auto again = co_await connect_to(here, *listener->local_address());
                const auto taken = co_await listener->accept();
                check(taken.has_value(), "the listener goes on");
            }(loop));
        });
    }
}

TEST_F(refused, a_signal_set_without_a_file_throws) {
    EXPECT_IN_CHILD({
        refuse_call(SYS_signalfd4, EMFILE);
        event_loop loop({.reactor = reactor_kind::epoll, .name = "signals"});
        try {
            const signal_set set(loop, {SIGUSR2});
            check(false, "thrown");
        } catch (const std::system_error& failure) {
            check(failure.code().value() == EMFILE, failure.what());
        }
    });
}

TEST_F(refused, a_signal_that_cannot_be_read_is_told) {
    EXPECT_IN_CHILD({
        event_loop loop({.reactor = reactor_kind::epoll, .name = "signals"});
        block_signals({SIGUSR2});
        auto waits = [](event_loop& here) -> task<void> {
            signal_set set(here, {SIGUSR2});
            auto wait = [](signal_set& on) -> task<result<signal_info>> {
                const result<signal_info> got = co_await on.next();
                co_return got;
            };
            auto next = wait(set);
            const result<signal_info> none = co_await with_timeout(1ms, std::move(next));
            check(!none && none.error() == errc::timed_out, "none came");
            std::raise(SIGUSR2);
            const result<signal_info> came = co_await set.next();
            check(came && came->number == SIGUSR2, "one came");
            refuse_call(SYS_read, EIO);
            const result<signal_info> broken = co_await set.next();
            check(!broken && broken.error().os_code() == EIO, "cannot be read");
        };
        loop.run(waits(loop));
    });
}

}  // namespace
}  // namespace co_wq::io::test
