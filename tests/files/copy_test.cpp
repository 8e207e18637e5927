// Copies: whole or not at all.
#include <algorithm>

#include "io/copy_file.hpp"
#include "world.hpp"

#ifndef _WIN32
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;
using file_copy = on_files;

std::string pattern(std::size_t size) {
    std::string made(size, '\0');
    std::uint32_t state = 1;
    for (char& one : made) one = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
    return made;
}

task<std::string> copies(event_loop& here, std::string from, std::string to, copy_options how = {}) {
    const result<std::uint64_t> done = co_await copy_file(here, from, to, how);
    if (!done) co_return done.error().message();
    co_return "ok " + std::to_string(*done);
}

TEST_P(file_copy, a_copy_has_all_bytes_and_the_permissions) {
    for (const std::size_t size : {0u, 1u, 4096u, 300'001u, 5'000'000u}) {
        put("a", pattern(size));
        if (has_permissions) std::filesystem::permissions(path("a"), std::filesystem::perms(0751));
        EXPECT_EQ(loop->run(copies(*loop, path("a"), path("b"))), "ok " + std::to_string(size));
        EXPECT_EQ(text_of("b"), text_of("a"));
        if (has_permissions) EXPECT_EQ(std::filesystem::status(path("b")).permissions(), std::filesystem::perms(0751));
        EXPECT_EQ(entries(), 2u);
    }
}

TEST_P(file_copy, progress_is_told_for_each_chunk) {
    put("a", pattern(1'000'000));
    std::vector<std::uint64_t> seen;
    copy_options how;
    how.chunk_bytes = 300'000;
    how.progress = [&](copy_progress at) {
        EXPECT_EQ(at.size_bytes, 1'000'000u);
        seen.push_back(at.copied_bytes);
    };
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("b"), how)), "ok 1000000");
    ASSERT_GE(seen.size(), 4u);
    EXPECT_TRUE(std::ranges::is_sorted(seen));
    EXPECT_EQ(seen.back(), 1'000'000u);
    EXPECT_EQ(text_of("b"), text_of("a"));
}

TEST_P(file_copy, holes_stay_holes_beyond_4_GiB) {
    if (on_wine()) GTEST_SKIP() << "Wine does not say where holes are";
    static constexpr std::uint64_t far = (std::uint64_t{5} << 30) + 4096;
    static constexpr std::uint64_t size = far + (std::uint64_t{1} << 30);
    auto make = [](event_loop& here, std::string where) -> task<void> {
        const file made = co_await opened(here, where, fresh);
        const file_written begin = co_await made.write_at(0, block_of(here, "begin"));
        EXPECT_TRUE(begin.outcome.has_value());
        const file_written end = co_await made.write_at(far, block_of(here, "far"));
        EXPECT_TRUE(end.outcome.has_value());
        EXPECT_TRUE((co_await made.truncate(size)).has_value());
    };
    auto check = [](event_loop& here, std::string where) -> task<void> {
        const file copy = co_await opened(here, where);
        const result<file_status> found = co_await copy.status();
        EXPECT_EQ(found->size_bytes, size);
        EXPECT_LT(found->stored_bytes, 1u << 20);
        const result<lease> text = co_await copy.read_at(far, 3);
        EXPECT_EQ(as_text(text->data()), "far");
    };
    loop->run(make(*loop, path("a")));
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("b"))), "ok " + std::to_string(size));
    loop->run(check(*loop, path("b")));
}

TEST_P(file_copy, an_existing_destination_is_replaced_or_kept_as_asked) {
    put("a", "new");
    put("b", "old");
    copy_options keep;
    keep.keep_existing = true;
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("b"), keep)), "already exists");
    EXPECT_EQ(text_of("b"), "old");
    copy_options durable;
    durable.durable = true;
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("b"), durable)), "ok 3");
    EXPECT_EQ(text_of("b"), "new");
    EXPECT_EQ(entries(), 2u);
}

TEST_P(file_copy, a_long_name_stays_one_of_characters) {
    put("a", "text");
    std::string name;
    for (int i = 0; i < 80; ++i) name += "\xe6\x97\xa5";
    auto check = [](event_loop& here, std::string where) -> task<void> {
        EXPECT_EQ((co_await file_system(here).status(where))->size_bytes, 4u);
        EXPECT_TRUE((co_await file_system(here).remove(where)).has_value());
    };
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path(name))), "ok 4");
    loop->run(check(*loop, path(name)));
    EXPECT_EQ(entries(), 1u);
}

#ifdef _WIN32
TEST_P(file_copy, a_destination_is_written_with_either_slash) {
    put("a", "text");
    std::filesystem::create_directory(path("d"));
    copy_options durable;
    durable.durable = true;
    std::string to = path("d/b");
    to[to.size() - 2] = '\\';
    EXPECT_EQ(loop->run(copies(*loop, path("a"), to, durable)), "ok 4");
    EXPECT_EQ(text_of("d/b"), "text");
    EXPECT_EQ(entries(), 2u);
}
#endif

TEST_P(file_copy, what_cannot_be_copied_is_told) {
    put("a", "text");
    std::filesystem::create_hard_link(path("a"), path("same"));
    std::filesystem::create_directory(path("d"));
    EXPECT_EQ(loop->run(copies(*loop, path("none"), path("b"))), "not found");
    EXPECT_EQ(loop->run(copies(*loop, path("d"), path("b"))), "is a directory");
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("d"))), "is a directory");
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("same"))), "invalid argument");
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("none/b"))), "not found");
    EXPECT_EQ(text_of("a"), "text");
    EXPECT_EQ(entries(), 3u);
}

#ifndef _WIN32
TEST_P(file_copy, a_fifo_is_neither_copied_nor_replaced) {
    put("a", "text");
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    EXPECT_EQ(loop->run(copies(*loop, path("pipe"), path("b"))), "not supported");
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("pipe"))), "not supported");
    EXPECT_TRUE(std::filesystem::is_fifo(path("pipe")));
    EXPECT_EQ(entries(), 2u);
}
#endif

TEST_P(file_copy, a_source_that_changes_under_it_is_told_and_no_copy_stays) {
    for (const bool shrinks : {true, false}) {
        put("a", pattern(1'000'000));
        // long ago, so that the change is in another tick of the clock
        std::filesystem::last_write_time(path("a"),
                                         std::filesystem::last_write_time(path("a")) - std::chrono::hours(24));
        copy_options how;
        how.chunk_bytes = 100'000;
        how.progress = [&](copy_progress at) {
            if (at.copied_bytes != 300'000) return;
            if (shrinks) {
                std::filesystem::resize_file(path("a"), 350'000);
            } else {
                std::ofstream(path("a"), std::ios::in | std::ios::out) << "other";
            }
        };
        EXPECT_EQ(loop->run(copies(*loop, path("a"), path("b"), how)), "file changed while it was read");
        EXPECT_FALSE(exists("b"));
        expect_nothing_left();
        EXPECT_EQ(entries(), 1u);
    }
}

TEST_P(file_copy, a_source_that_is_replaced_is_copied_as_it_was) {
    const std::string old = pattern(1'000'000);
    put("a", old);
    put("new", "new");
    copy_options how;
    how.chunk_bytes = 100'000;
    how.progress = [&](copy_progress at) {
        if (at.copied_bytes == 300'000) EXPECT_TRUE(replace(path("new"), path("a")));
    };
    EXPECT_EQ(loop->run(copies(*loop, path("a"), path("b"), how)), "ok 1000000");
    EXPECT_EQ(text_of("b"), old);
    EXPECT_EQ(text_of("a"), "new");
}

TEST_P(file_copy, a_cancelled_or_destroyed_copy_leaves_nothing) {
    put("a", pattern(1'000'000));
    put("b", "old");
    auto work = [](event_loop& here, std::string in, int after, bool destroy) -> task<void> {
        counting_scope scope(here);
        copy_options how;
        how.chunk_bytes = 200'000;
        std::string text;
        auto one = [](event_loop& at, std::string where, copy_options with, std::string& into) -> task<void> {
            into = co_await copies(at, where + "/a", where + "/b", with);
        };
        scope.spawn(one(here, in, how, text), "copy");
        for (int i = 0; i < after && !scope.empty(); ++i) {
            if (i % 3 == 2) {
                (void)co_await sleep_for(50us);
            } else {
                co_await yield();
            }
        }
        if (destroy) {
            scope.destroy_all();
        } else {
            scope.request_stop();
            co_await scope.join();
            EXPECT_TRUE(text == "ok 1000000" || text == "stopped") << text;
        }
    };
    for (int after = 0; after < 60; after += 3) {
        loop->run(work(*loop, folder, after, after % 2 == 0));
        expect_nothing_left();
        EXPECT_EQ(entries(), 2u) << after;
        const std::string now = text_of("b");
        EXPECT_TRUE(now == "old" || now == text_of("a"));
    }
}

#ifndef _WIN32
TEST_P(file_copy, files_without_a_size_are_copied_as_far_as_they_say) {
    // what /proc shows has no size: such a copy is empty, as the source's status says
    EXPECT_EQ(loop->run(copies(*loop, "/proc/self/status", path("b"))), "ok 0");
}

TEST_P(file_copy, other_file_systems_are_reached_through_memory) {
    char name[] = "/dev/shm/co_wq_copy_XXXXXX";
    const int handle = ::mkstemp(name);
    if (handle < 0) GTEST_SKIP() << "no second file system";
    ::close(handle);
    const std::string text = pattern(3'000'000);
    std::ofstream(name, std::ios::binary) << text;
    EXPECT_EQ(loop->run(copies(*loop, name, path("b"))), "ok 3000000");
    EXPECT_EQ(text_of("b"), text);
    ::unlink(name);
}
#endif

INSTANTIATE_TEST_SUITE_P(reactors, file_copy, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
