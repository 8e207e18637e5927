// Disks that are full, limits that are reached, systems that refuse.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <atomic>
#include <csignal>

#include "support/refusing_system.hpp"
#include "world.hpp"

namespace co_wq::io::test {
namespace {

using file_limits = on_files;

task<std::string> writes(event_loop& here, std::string where, std::uint64_t offset, std::size_t size) {
    const file to = co_await opened(here, where, fresh);
    const file_written done = co_await to.write_at(offset, block_of(here, std::string(size, 'x')));
    EXPECT_EQ(done.buffer.size(), size);
    if (!done.outcome) co_return done.outcome.error().message() + " after " + std::to_string(done.written);
    co_return "ok " + std::to_string(done.written);
}

TEST_P(file_limits, a_full_device_is_told) {
    EXPECT_EQ(loop->run(writes(*loop, "/dev/full", 0, 1000)), "no space left after 0");
}

// Writes stop at the limit, and what is in the file is told.
TEST_P(file_limits, a_write_over_the_size_limit_says_how_far_it_came) {
    const auto before_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    rlimit small = before;
    small.rlim_cur = 100'000;
    ::setrlimit(RLIMIT_FSIZE, &small);
    EXPECT_EQ(loop->run(writes(*loop, path("f"), 90'000, 20'000)), "file too large after 10000");
    EXPECT_EQ(loop->run(writes(*loop, path("f"), 100'000, 10)), "file too large after 0");
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, before_handler);
    EXPECT_EQ(text_of("f").size(), 100'000u);
}

TEST_P(file_limits, a_full_file_system_says_how_far_it_came_and_a_copy_leaves_nothing) {
    ASSERT_EQ(::mkdir(path("small").c_str(), 0700), 0);
    if (::mount("none", path("small").c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "may not mount";
    {
        std::string all(3'000'000, 'y');
        put("big", all);
        auto work = [](event_loop& here, std::string in) -> task<void> {
            const result<std::uint64_t> copied = co_await copy_file(here, in + "/big", in + "/small/big");
            EXPECT_EQ(copied.error(), errc::no_space);
            {
                const file to = co_await opened(here, in + "/small/f", fresh);
                std::uint64_t at = 0;
                for (;;) {
                    const file_written done = co_await to.write_at(at, block_of(here, std::string(200'000, 'z')));
                    at += done.written;
                    if (done.outcome) continue;
                    EXPECT_EQ(done.outcome.error(), errc::no_space);
                    break;
                }
                EXPECT_EQ((co_await to.status())->size_bytes, at);
                EXPECT_EQ(at % 4096, 0u);
                const result<void> more = co_await to.allocate(0, 4'000'000);
                EXPECT_EQ(more.error(), errc::no_space);
            }
            const result<void> removed = co_await file_system(here).remove(in + "/small/f");
            EXPECT_TRUE(removed.has_value());
        };
        loop->run(work(*loop, folder));
        expect_nothing_left();
        EXPECT_EQ(
            std::distance(std::filesystem::directory_iterator(path("small")), std::filesystem::directory_iterator()),
            0);
    }
    EXPECT_EQ(::umount(path("small").c_str()), 0);
}

TEST_P(file_limits, without_descriptors_opening_says_so_and_copies_leave_nothing) {
    put("f", "text");
    auto work = [](event_loop& here, std::string in) -> task<void> {
        const result<file> none = co_await file::open(here, in + "/f");
        EXPECT_EQ(none.error(), errc::too_many_files);
    };
    auto copy = [](event_loop& here, std::string in) -> task<void> {
        const result<std::uint64_t> copied = co_await copy_file(here, in + "/f", in + "/g");
        EXPECT_EQ(copied.error(), errc::too_many_files);
    };
    // all is used once before: a sanitizer needs descriptors to look at an object for the first time
    auto rehearsal = [](event_loop& here, std::string in) -> task<void> {
        EXPECT_TRUE((co_await copy_file(here, in + "/f", in + "/g")).has_value());
        const result<file> missing = co_await file::open(here, in + "/missing");
        EXPECT_EQ(missing.error(), errc::not_found);
        EXPECT_TRUE((co_await file_system(here).remove(in + "/g")).has_value());
    };
    loop->run(rehearsal(*loop, folder));
    expect_nothing_left();
    {
        const co_wq::test::few_files none(0);
        loop->run(work(*loop, folder));
    }
    {
        const co_wq::test::few_files one(1);
        loop->run(copy(*loop, folder));
    }
    expect_nothing_left();
    EXPECT_EQ(entries(), 1u);
}

// A child process, because a filter is never taken away again. Returns what went wrong, 0: nothing.
int copy_without(long call, int error, backend on, const std::string& in) {
    co_wq::test::refuse_call(call, error);
    loop_under_test loop(on);
    auto work = [](event_loop& here, std::string where) -> task<int> {
        const result<std::uint64_t> copied = co_await copy_file(here, where + "/a", where + "/b");
        if (!copied) co_return 2;
        co_return *copied == 1'000'000 ? 0 : 3;
    };
    return loop->run(work(*loop, in));
}

TEST_P(file_limits, where_the_system_cannot_copy_inside_the_bytes_go_through_memory) {
    for (const int error : {ENOSYS, EXDEV, EOPNOTSUPP, EINVAL}) {
        put("a", std::string(1'000'000, 'c'));
        const backend on = GetParam();
        EXPECT_EXIT(std::_Exit(copy_without(SYS_copy_file_range, error, on, folder)), testing::ExitedWithCode(0), "");
        EXPECT_EQ(text_of("b"), text_of("a"));
        ::unlink(path("b").c_str());
    }
}

std::atomic<int> alarms = 0;

TEST_P(file_limits, signals_interrupt_nothing) {
    struct sigaction action{}, before{};
    action.sa_handler = [](int) { alarms.fetch_add(1, std::memory_order_relaxed); };  // without SA_RESTART
    ::sigaction(SIGALRM, &action, &before);
    const itimerval often{{0, 300}, {0, 300}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    auto work = [](event_loop& here, std::string in) -> task<void> {
        const file one = co_await opened(here, in + "/a", fresh);
        for (std::uint64_t at = 0; at < 20'000'000 || alarms < 20; at += 200'000) {
            const file_written done = co_await one.write_at(at % 20'000'000, block_of(here, std::string(200'000, 's')));
            EXPECT_TRUE(done.outcome.has_value()) << done.outcome.error().message();
            const result<lease> got = co_await one.read_at(at % 20'000'000, 200'000);
            EXPECT_EQ(got->size(), 200'000u);
            if (!done.outcome || !got) co_return;
        }
        const result<std::uint64_t> copied = co_await copy_file(here, in + "/a", in + "/b");
        EXPECT_EQ(*copied, 20'000'000u);
    };
    loop->run(work(*loop, folder));
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
    EXPECT_EQ(text_of("b"), text_of("a"));
}

int read_without(long call, int error, backend on, const std::string& where) {
    co_wq::test::refuse_call(call, error);
    loop_under_test loop(on);
    auto work = [](event_loop& here, std::string from) -> task<int> {
        const file one = co_await opened(here, from);
        const result<lease> got = co_await one.read_at(0, 100);
        co_return got&& as_text(got->data()) == "text" ? 0 : 2;
    };
    return loop->run(work(*loop, where));
}

TEST_P(file_limits, reads_go_without_a_look_at_the_page_cache) {
    put("f", "text");
    for (const int error : {EOPNOTSUPP, EAGAIN, 0, ENOSYS, EPERM})  // 0: as Linux 5.9 and 5.10 at times
        EXPECT_EXIT(std::_Exit(read_without(SYS_preadv2, error, GetParam(), path("f"))), testing::ExitedWithCode(0),
                    "");
}

INSTANTIATE_TEST_SUITE_P(reactors, file_limits, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
