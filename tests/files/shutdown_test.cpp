// A loop dies while calls are under way: it waits for them, up to its limit, and leaks what a system does not give
// back.
#include "world.hpp"

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class dying : public testing::TestWithParam<backend> {
protected:
    const co_wq::test::temp_folder place;
    const std::string folder = place.path().generic_string();
};

task<void> writes(event_loop& here, std::string where) {
    const file to = co_await opened(here, where, fresh);
    for (std::uint64_t at = 0;; at += 250'000) {
        const file_written done = co_await to.write_at(at % 5'000'000, block_of(here, std::string(250'000, 'w')));
        if (!done.outcome) co_return;
    }
}
task<void> copies(event_loop& here, std::string in) {
    for (;;) {
        const result<std::uint64_t> done = co_await copy_file(here, in + "/big", in + "/copy");
        if (!done) co_return;
    }
}
task<void> some_turns(int count) {
    for (int i = 0; i < count; ++i) {
        if (i % 4 == 3) {
            (void)co_await sleep_for(100us);
        } else {
            co_await yield();
        }
    }
}

TEST_P(dying, the_loop_waits_for_what_is_under_way) {
    std::ofstream(folder + "/big", std::ios::binary) << std::string(3'000'000, 'b');
    const std::size_t before = open_descriptors();
    for (int count = 0; count < 30; ++count) {
        {
            loop_under_test loop(GetParam());
            for (int i = 0; i < 8; ++i) loop->spawn(writes(*loop, folder + "/f" + std::to_string(i)), "writer");
            loop->spawn(copies(*loop, folder), "copier");
            loop->run(some_turns(count));
        }
        EXPECT_EQ(open_descriptors(), before);
        // what stands beside a copy goes with it
        for (const auto& one : std::filesystem::directory_iterator(folder))
            EXPECT_EQ(one.path().filename().string().find(".co_wq-"), std::string::npos) << one.path();
    }
}

TEST_P(dying, calls_that_have_not_begun_die_with_it) {
    {
        loop_under_test loop(GetParam());
        loop->reactor().files().pause();
        for (int i = 0; i < 8; ++i) loop->spawn(writes(*loop, folder + "/f" + std::to_string(i)), "writer");
        loop->run(some_turns(4));
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder));
}

#ifndef _WIN32
task<void> opens(event_loop& here, std::string where) { (void)co_await file::open(here, where); }

// One of the process's other threads is in open(2).
bool a_thread_opens() {
    for (const auto& one : std::filesystem::directory_iterator("/proc/self/task")) {
        if (one.path().filename() == std::to_string(::getpid())) continue;
        std::string text;
        std::getline(std::ifstream(one.path() / "syscall"), text);
        if (text.starts_with(std::to_string(SYS_openat) + " ")) return true;
    }
    return false;
}
task<void> until_a_thread_opens() {
    for (int i = 0; i < 10'000 && !a_thread_opens(); ++i) (void)co_await sleep_for(1ms);
}

// A fifo without another end stands for a disk that does not answer: its thread cannot be got back. In a process of its
// own, which ends with that thread still in the call.
int die_with_a_stuck_call(backend on, const std::string& fifo) {
    {
        event_loop loop({.reactor = on.kind, .name = "dying", .shutdown_limit = 50ms});
        loop.spawn(opens(loop, fifo), "opener");
        if (on.kind == reactor_kind::epoll) {
            loop.run(until_a_thread_opens());
        } else {
            loop.run(some_turns(20));
        }
    }
    // the late result finds no loop: the other end lets the thread go
    const int other_end = ::open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    loop_under_test next(on);
    next->run(some_turns(40));
    ::close(other_end);
    return 0;
}

TEST_P(dying, a_call_that_never_ends_is_leaked_on_purpose_and_named) {
    const std::string fifo = folder + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    // the ring's own worker is interrupted, a thread is not
    const char* said = GetParam().kind == reactor_kind::epoll ? "still holds a file open in state orphaned" : "";
    EXPECT_EXIT(std::_Exit(die_with_a_stuck_call(GetParam(), fifo)), testing::ExitedWithCode(0), said);
}
#endif

INSTANTIATE_TEST_SUITE_P(reactors, dying, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
