// Changes of files and folders, on the real kernels.
#include "io/directory_watch.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "io/passed_files.hpp"
#include "io/reactors.hpp"
#include "support/refusing_system.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class watching : public testing::TestWithParam<backend> {
protected:
    watching() : loop(GetParam()) {
        char name[] = "/tmp/co_wq_watch_XXXXXX";
        folder_ = ::mkdtemp(name);
        result<directory_watch> made = directory_watch::open(*loop);
        EXPECT_TRUE(made.has_value());
        watch = std::move(*made);
    }
    ~watching() override { std::filesystem::remove_all(folder_); }

    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    const std::string& folder() const { return folder_; }
    void write(const std::string& name) const { std::ofstream(path(name)) << "text"; }
    file_event next() {
        auto one = [](const directory_watch& from) -> task<result<file_event>> {
            auto waiting = from.next();
            const result<file_event> got = co_await with_timeout(10s, std::move(waiting));
            co_return got;
        };
        const result<file_event> got = loop->run(one(watch));
        EXPECT_TRUE(got.has_value());
        return got ? *got : file_event{};
    }
    bool nothing() {
        auto one = [](const directory_watch& from) -> task<bool> {
            auto waiting = from.next();
            const result<file_event> got = co_await with_timeout(1ms, std::move(waiting));
            co_return !got && got.error() == errc::timed_out;
        };
        return loop->run(one(watch));
    }

    loop_under_test loop;
    directory_watch watch;

private:
    std::string folder_;
};

TEST_P(watching, tells_what_happens_in_order) {
    const int number = watch.add(folder()).value();
    write("file");
    const file_event made = next();
    EXPECT_EQ(made.watch, number);
    EXPECT_TRUE(made.is(change::created));
    EXPECT_EQ(made.name, "file");
    EXPECT_FALSE(made.folder);
    EXPECT_TRUE(next().is(change::closed_written));
    ::mkdir(path("below").c_str(), 0700);
    const file_event below = next();
    EXPECT_TRUE(below.is(change::created) && below.folder);
    ::unlink(path("file").c_str());
    const file_event removed = next();
    EXPECT_TRUE(removed.is(change::removed));
    EXPECT_EQ(removed.name, "file");
    EXPECT_TRUE(nothing());
}

TEST_P(watching, knows_both_halves_of_a_rename) {
    (void)watch.add(folder(), change::moved_from | change::moved_to);
    write("old");
    ::rename(path("old").c_str(), path("new").c_str());
    const file_event from = next(), to = next();
    EXPECT_TRUE(from.is(change::moved_from) && to.is(change::moved_to));
    EXPECT_EQ(from.name, "old");
    EXPECT_EQ(to.name, "new");
    EXPECT_NE(from.cookie, 0u);
    EXPECT_EQ(from.cookie, to.cookie);
}

TEST_P(watching, takes_names_as_they_are) {
    (void)watch.add(folder(), change::created);
    for (const std::string& name : {std::string(255, 'n'), std::string("\xff\xfe\n*"), std::string("x")}) {
        write(name);
        EXPECT_EQ(next().name, name);
    }
}

TEST_P(watching, reads_many_at_once) {
    (void)watch.add(folder(), change::created);
    for (int i = 0; i < 500; ++i) write(std::string(static_cast<std::size_t>(100 + i % 150), 'a') + std::to_string(i));
    for (int i = 0; i < 500; ++i) EXPECT_TRUE(next().name.ends_with(std::to_string(i)));
    EXPECT_TRUE(nothing());
}

TEST_P(watching, comes_to_who_waits) {
    (void)watch.add(folder(), change::created);
    auto makes = [](std::string name) -> task<void> {
        for (int i = 0; i < 5; ++i) co_await yield();
        std::ofstream made(name);
    };
    counting_scope scope(*loop);
    scope.spawn(makes(path("late")));
    EXPECT_EQ(next().name, "late");
}

TEST_P(watching, says_when_a_watch_is_gone) {
    ::mkdir(path("below").c_str(), 0700);
    const int below = watch.add(path("below"), change::created).value();
    const int above = watch.add(folder(), change::created).value();
    write("below/before");
    EXPECT_TRUE(watch.remove(below).has_value());
    write("below/after");
    EXPECT_EQ(next().name, "before");
    const file_event gone = next();
    EXPECT_EQ(gone.watch, below);
    EXPECT_TRUE(gone.is(change::watch_gone));
    EXPECT_EQ(watch.remove(below).error(), errc::not_found);
    EXPECT_EQ(watch.remove(12345).error(), errc::not_found);
    write("here");
    const file_event here = next();
    EXPECT_EQ(here.watch, above);
    // ... and when what is watched is
    (void)watch.add(path("here"), change::self_removed);
    ::unlink(path("here").c_str());
    EXPECT_TRUE(next().is(change::self_removed));
    EXPECT_TRUE(next().is(change::watch_gone));
}

TEST_P(watching, once_is_once) {
    (void)watch.add(folder(), change::created, {.once = true});
    write("first");
    write("second");
    EXPECT_EQ(next().name, "first");
    EXPECT_TRUE(next().is(change::watch_gone));
    EXPECT_TRUE(nothing());
}

TEST_P(watching, says_that_events_were_dropped) {
    (void)watch.add(folder(), change::attributes);
    write("a");
    write("b");
    std::ifstream setting("/proc/sys/fs/inotify/max_queued_events");
    long most = 16384;
    setting >> most;
    for (long i = 0; i <= most / 2 + 8; ++i) {  // two different ones in turn are not merged
        ::chmod(path("a").c_str(), 0600);
        ::chmod(path("b").c_str(), 0600);
    }
    auto counts = [](const directory_watch& from) -> task<std::map<int, long>> {
        std::map<int, long> seen;
        for (;;) {
            const result<file_event> got = co_await from.next();
            if (!got) co_return seen;
            ++seen[got->watch];
            if (got->is(change::overflow)) co_return seen;
        }
    };
    std::map<int, long> seen = loop->run(counts(watch));
    EXPECT_EQ(seen[-1], 1);
    EXPECT_TRUE(nothing());
    write("c");  // goes on
    ::chmod(path("c").c_str(), 0600);
    EXPECT_EQ(next().name, "c");
}

TEST_P(watching, refuses_what_is_not_there) {
    EXPECT_EQ(watch.add(path("none")).error(), errc::not_found);
    write("file");
    EXPECT_EQ(watch.add(path("file"), change::all, {.only_folders = true}).error().os_code(), ENOTDIR);
    EXPECT_EQ(watch.add(std::string("a\0b", 3)).error(), errc::invalid_argument);
    EXPECT_EQ(watch.add(folder(), change::none).error(), errc::invalid_argument);
    ::symlink(path("file").c_str(), path("link").c_str());
    const int file = watch.add(path("file")).value();
    EXPECT_EQ(watch.add(path("link")).value(), file);
    EXPECT_NE(watch.add(path("link"), change::all, {.follow_link = false}).value(), file);
}

TEST_P(watching, names_the_limit_that_was_met) {
    const pid_t child = ::fork();
    if (child == 0) {
        loop_under_test own(GetParam());
        const result<directory_watch> made = directory_watch::open(*own);
        co_wq::test::refuse_call(SYS_inotify_add_watch, ENOSPC);
        const result<int> none = made->add("/tmp");
        if (none || none.error() != errc::limit_exceeded) ::_exit(1);
        if (directory_watch::limit_of(none.error()) != std::string("fs.inotify.max_user_watches")) ::_exit(2);
        const co_wq::test::few_files few(0);
        const result<directory_watch> second = directory_watch::open(*own);
        if (second || second.error() != errc::too_many_files) ::_exit(3);
        ::_exit(*directory_watch::limit_of(second.error()) ? 0 : 4);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_STREQ(directory_watch::limit_of(error(errc::not_found, ENOENT)), "");
}

TEST_P(watching, ends_its_wait_when_it_goes) {
    auto run = [](event_loop& here, bool destroys) -> task<void> {
        std::optional<directory_watch> on(*directory_watch::open(here));
        errc outcome = errc::other;
        auto waits = [](const directory_watch& from, errc& into) -> task<void> {
            const result<file_event> got = co_await from.next();
            if (!got) into = got.error().code();
        };
        counting_scope scope(here);
        scope.spawn(waits(*on, outcome));
        for (int i = 0; i < 5; ++i) co_await yield();
        on.emplace(std::move(*on));  // moved while it is waited on
        for (int i = 0; i < 5; ++i) co_await yield();
        if (destroys) {
            on.reset();
        } else {
            on->close();
        }
        co_await scope.join();
        EXPECT_EQ(outcome, errc::closed);
        if (on) {
            const result<file_event> none = co_await on->next();
            EXPECT_EQ(none.error(), errc::closed);
            EXPECT_EQ(on->add("/tmp").error(), errc::closed);
            EXPECT_EQ(on->remove(1).error(), errc::closed);
        }
    };
    for (const bool destroys : {true, false}) loop->run(run(*loop, destroys));
}

INSTANTIATE_TEST_SUITE_P(kernels, watching,
                         testing::Values(backend{reactor_kind::epoll, 0}, backend{reactor_kind::uring, 0}),
                         name_of_case);

TEST(simulated, there_is_nothing_to_watch) {
    loop_under_test loop(backend{reactor_kind::sim, 1});
    EXPECT_EQ(directory_watch::open(*loop).error(), errc::not_supported);
}

}  // namespace
}  // namespace co_wq::io::test
