// Calls that do not end by themselves: a named pipe whose other end is silent stands for a disk that does not answer.
#include <windows.h>
#undef near  // are words of ours
#undef far

#include "world.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class silent_pipe {
public:
    silent_pipe() {
        static int number = 0;
        name_ = "//./pipe/co_wq_" + std::to_string(::GetCurrentProcessId()) + "_" + std::to_string(number++);
        std::string native = name_;
        for (char& one : native)
            if (one == '/') one = '\\';
        end_ = ::CreateNamedPipeA(native.c_str(), PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE, 1, 4096, 4096, 0, nullptr);
    }
    silent_pipe(const silent_pipe&) = delete;
    silent_pipe& operator=(const silent_pipe&) = delete;
    ~silent_pipe() { ::CloseHandle(end_); }
    const std::string& name() const { return name_; }
    void says(const char* text) const {
        DWORD wrote = 0;
        ::WriteFile(end_, text, static_cast<DWORD>(std::strlen(text)), &wrote, nullptr);
    }

private:
    std::string name_;
    HANDLE end_;
};

using stuck_files = on_files;

task<void> reads(const file& from, std::string& said) {
    const result<lease> got = co_await from.read_at(0, 4);
    said = got ? std::string(as_text(got->data())) : got.error().message();
}

task<void> some_turns(int count) {
    for (int i = 0; i < count; ++i) {
        if (i % 4 == 3) {
            (void)co_await sleep_for(500us);
        } else {
            co_await yield();
        }
    }
}

TEST_P(stuck_files, a_frame_may_die_and_its_call_ends_later) {
    for (int turns = 0; turns < 20; turns += 3) {
        const silent_pipe pipe;
        std::string said;
        auto work = [](event_loop& here, const silent_pipe& from, std::string& text, int after) -> task<void> {
            const file one = co_await opened(here, from.name(), {.access = file_access::read_write});
            counting_scope scope(here);
            scope.spawn(reads(one, text), "read");
            co_await some_turns(after);
            scope.destroy_all();
            from.says("late");
        };
        loop->run(work(*loop, pipe, said, turns));
        expect_nothing_left();
        EXPECT_EQ(said, "");
    }
}

TEST_P(stuck_files, a_file_that_is_closed_gives_what_it_still_gets) {
    const silent_pipe pipe;
    std::string said;
    auto work = [](event_loop& here, const silent_pipe& from, std::string& text) -> task<void> {
        file one = co_await opened(here, from.name(), {.access = file_access::read_write});
        counting_scope scope(here);
        scope.spawn(reads(one, text), "read");
        co_await some_turns(20);
        one.close();
        co_await some_turns(4);
        from.says("late");
        co_await scope.join();
    };
    loop->run(work(*loop, pipe, said));
    EXPECT_TRUE(said == "late" || said == "closed") << said;
    expect_nothing_left();
}

task<void> opens_and_reads(event_loop& here, std::string where) {
    const file one = co_await opened(here, where, {.access = file_access::read_write});
    std::string said;
    co_await reads(one, said);
}

int die_with_a_stuck_call(backend on) {
    const silent_pipe pipe;
    {
        event_loop loop({.reactor = on.kind, .name = "dying", .shutdown_limit = 50ms});
        loop.spawn(opens_and_reads(loop, pipe.name()), "reader");
        loop.run(some_turns(80));
    }
    pipe.says("late");  // the late result finds no loop
    loop_under_test next(on);
    next->run(some_turns(40));
    return 0;
}

// Without a folder of its own, which the process that dies would leave behind.
TEST(stuck_loops, die_though_a_call_does_not_end) {
    for (const backend on : kernel_backends())
        EXPECT_EXIT(std::_Exit(die_with_a_stuck_call(on)), testing::ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(reactors, stuck_files, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
