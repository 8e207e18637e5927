// Calls on one open file, and on paths.
#include "io/file.hpp"

#include <algorithm>

#include "task/when.hpp"
#include "world.hpp"

namespace co_wq::io::test {
namespace {

using files = on_files;

task<std::string> read_text(const file& from, std::uint64_t offset, std::size_t size) {
    const result<lease> got = co_await from.read_at(offset, size);
    if (!got) co_return got.error().message();
    co_return std::string(as_text(got->data()));
}

task<std::string> write_text(const file& to, std::uint64_t offset, std::string text) {
    const file_written done = co_await to.write_at(offset, block_of(to.loop(), text));
    EXPECT_EQ(as_text(done.buffer.data()), text);
    if (!done.outcome) co_return done.outcome.error().message() + " after " + std::to_string(done.written);
    co_return "ok " + std::to_string(done.written);
}

TEST_P(files, what_is_written_is_read) {
    auto work = [](event_loop& here, std::string where) -> task<void> {
        const file one = co_await opened(here, where, fresh);
        EXPECT_EQ(co_await write_text(one, 0, "hello world"), "ok 11");
        EXPECT_EQ(co_await write_text(one, 6, "there"), "ok 5");
        EXPECT_EQ(co_await read_text(one, 0, 100), "hello there");
        EXPECT_EQ(co_await read_text(one, 6, 3), "the");
        EXPECT_EQ(co_await read_text(one, 11, 100), "");
        EXPECT_EQ(co_await read_text(one, 1000, 100), "");
        EXPECT_TRUE((co_await one.sync()).has_value());
        EXPECT_TRUE((co_await one.sync_data()).has_value());
        const result<file_status> found = co_await one.status();
        EXPECT_EQ(found->size_bytes, 11u);
        EXPECT_EQ(found->type, file_type::regular);
        EXPECT_TRUE((co_await one.truncate(5)).has_value());
        EXPECT_EQ(co_await read_text(one, 0, 100), "hello");
        EXPECT_TRUE((co_await one.truncate(7)).has_value());
        EXPECT_EQ(co_await read_text(one, 0, 100), std::string("hello\0\0", 7));
        EXPECT_TRUE((co_await one.set_mode(0640)).has_value());
        const result<file_status> changed = co_await one.status();
        EXPECT_EQ(changed->mode, has_permissions ? 0640u : 0666u);
    };
    loop->run(work(*loop, path("f")));
    EXPECT_EQ(text_of("f").size(), 7u);
}

TEST_P(files, offsets_reach_beyond_4_GiB) {
    auto work = [](event_loop& here, std::string where) -> task<void> {
        constexpr std::uint64_t far = (std::uint64_t{5} << 30) + 123;
        file one = co_await opened(here, where, fresh);
        EXPECT_EQ(co_await write_text(one, far, "far out"), "ok 7");
        EXPECT_EQ(co_await read_text(one, far, 100), "far out");
        EXPECT_EQ(co_await read_text(one, far - 2, 4), std::string("\0\0fa", 4));
        EXPECT_EQ(co_await read_text(one, far - (std::uint64_t{1} << 32), 2), std::string("\0\0", 2));
        EXPECT_EQ((co_await one.status())->size_bytes, far + 7);
        EXPECT_TRUE((co_await one.truncate(std::uint64_t{6} << 30)).has_value());
        const result<file_status> grown = co_await one.status();
        EXPECT_EQ(grown->size_bytes, std::uint64_t{6} << 30);
        EXPECT_LT(grown->stored_bytes, 1u << 20);
        // the first numbers that are none
        for (const std::uint64_t bad : {UINT64_MAX, std::uint64_t{INT64_MAX}, UINT64_MAX - 4096}) {
            const result<lease> got = co_await one.read_at(bad, 16);
            EXPECT_EQ(got.error(), errc::invalid_argument);
        }
        EXPECT_EQ(co_await write_text(one, UINT64_MAX, "x"), "invalid argument after 0");
        EXPECT_EQ((co_await one.truncate(UINT64_MAX)).error(), errc::invalid_argument);
    };
    loop->run(work(*loop, path("f")));
}

task<void> write_and_read(const file& on, std::uint64_t offset, char fill) {
    const std::string text(20'000, fill);
    EXPECT_EQ(co_await write_text(on, offset, text), "ok 20000");
    EXPECT_EQ(co_await read_text(on, offset, text.size()), text);
}

TEST_P(files, many_calls_are_under_way_on_one_file) {
    auto work = [](event_loop& here, std::string where) -> task<void> {
        const file one = co_await opened(here, where, fresh);
        std::vector<task<void>> all;
        for (unsigned i = 0; i < 200; ++i)
            all.push_back(write_and_read(one, i * std::uint64_t{20'000}, static_cast<char>('a' + i % 26)));
        co_await when_all(std::move(all));
    };
    loop->run(work(*loop, path("f")));
    const std::string text = text_of("f");
    ASSERT_EQ(text.size(), 4'000'000u);
    for (std::size_t at = 0; at < text.size(); at += 20'000) EXPECT_EQ(text[at], 'a' + char(at / 20'000 % 26));
}

TEST_P(files, a_read_is_as_long_as_its_largest_block_at_most) {
    put("f", std::string(300'000, 'x'));
    auto work = [](event_loop& here, std::string where) -> task<void> {
        const file one = co_await opened(here, where);
        EXPECT_EQ((co_await read_text(one, 0, 1'000'000)).size(), file::read_bytes_max);
        EXPECT_EQ((co_await read_text(one, 262'144, 1'000'000)).size(), 300'000u - 262'144);
        EXPECT_EQ(co_await read_text(one, 0, 0), "");
    };
    loop->run(work(*loop, path("f")));
}

TEST_P(files, opening_says_what_is_wrong) {
    put("f", "old");
    const bool links = link_to("f", path("link")) && link_to("circle", path("circle"));
    ASSERT_TRUE(links || !has_permissions);
    auto work = [](event_loop& here, std::string in, bool has_links) -> task<void> {
        auto why = [](event_loop& at, std::string where, open_options how) -> task<errc> {
            const result<file> made = co_await file::open(at, where, how);
            co_return made ? errc::other : made.error().code();
        };
        const open_options create{.access = file_access::write, .creation = file_creation::must};
        EXPECT_EQ(co_await why(here, in + "/none", {}), errc::not_found);
        EXPECT_EQ(co_await why(here, in + "/f", create), errc::already_exists);
        EXPECT_EQ(co_await why(here, in, {.access = file_access::write}), errc::is_directory);
        EXPECT_EQ(co_await why(here, in + "/f/below", {}), errc::not_directory);
        EXPECT_EQ(co_await why(here, in + "/" + std::string(256, 'n'), {}), errc::name_too_long);
        EXPECT_EQ(co_await why(here, std::string(5000, 'n'), {}), errc::name_too_long);
        EXPECT_EQ(co_await why(here, "", {}), errc::not_found);
        EXPECT_EQ(co_await why(here, std::string("a\0b", 3), {}), errc::invalid_argument);
        if (!has_links) co_return;
        EXPECT_EQ(co_await why(here, in + "/circle", {}), errc::too_many_links);
        EXPECT_EQ(co_await why(here, in + "/link", {.no_follow = true}), errc::too_many_links);
        EXPECT_EQ(co_await why(here, in + "/link", {}), errc::other);
    };
    loop->run(work(*loop, folder, links));
}

TEST_P(files, a_file_that_is_only_read_is_not_written_and_the_other_way_round) {
    put("f", "old");
    auto work = [](event_loop& here, std::string where) -> task<void> {
        const file reader = co_await opened(here, where);
        EXPECT_EQ(co_await write_text(reader, 0, "new"), "permission denied after 0");
        const file writer = co_await opened(here, where, {.access = file_access::write});
        EXPECT_EQ(co_await read_text(writer, 0, 3), "permission denied");
        const file cut = co_await opened(here, where, {.access = file_access::write, .truncate = true});
        EXPECT_EQ(co_await read_text(reader, 0, 3), "");
    };
    loop->run(work(*loop, path("f")));
}

TEST_P(files, an_open_file_stays_the_file_it_was) {
    if (on_wine()) GTEST_SKIP() << "Wine does not rename over an open file";
    put("f", "old text");
    put("new", "new text");
    auto work = [](event_loop& here, std::string in) -> task<void> {
        const file_system paths(here);
        const file one = co_await opened(here, in + "/f");
        EXPECT_TRUE((co_await paths.rename(in + "/new", in + "/f")).has_value());
        EXPECT_EQ(co_await read_text(one, 0, 100), "old text");
        EXPECT_EQ((co_await one.status())->links, 0u);
        const file two = co_await opened(here, in + "/f", fresh);
        EXPECT_TRUE((co_await two.truncate(3)).has_value());  // under a reader's feet
        EXPECT_EQ(co_await read_text(two, 0, 100), "new");
        EXPECT_EQ(co_await read_text(two, 4, 100), "");
    };
    loop->run(work(*loop, folder));
}

TEST_P(files, paths_are_renamed_removed_and_looked_at) {
    put("a", "1234");
    put("b", "12");
    auto work = [](event_loop& here, std::string in) -> task<void> {
        const file_system paths(here);
        EXPECT_EQ((co_await paths.status(in + "/a"))->size_bytes, 4u);
        EXPECT_EQ((co_await paths.status(in + "/none")).error(), errc::not_found);
        EXPECT_EQ((co_await paths.rename(in + "/a", in + "/b", true)).error(), errc::already_exists);
        EXPECT_TRUE((co_await paths.rename(in + "/a", in + "/b")).has_value());
        EXPECT_EQ((co_await paths.status(in + "/b"))->size_bytes, 4u);
        EXPECT_TRUE((co_await paths.make_directory(in + "/d", 0700)).has_value());
        EXPECT_EQ((co_await paths.make_directory(in + "/d")).error(), errc::already_exists);
        const result<file_status> folder_made = co_await paths.status(in + "/d");
        EXPECT_EQ(folder_made->mode, has_permissions ? 0700u : 0777u);
        EXPECT_TRUE((co_await paths.rename(in + "/b", in + "/d/b")).has_value());
        EXPECT_EQ((co_await paths.remove_directory(in + "/d")).error(), errc::not_empty);
        EXPECT_EQ((co_await paths.remove(in + "/d")).error(), errc::is_directory);
        EXPECT_EQ((co_await paths.rename(in + "/d", in + "/d/b/c")).error(), errc::not_directory);
        if (has_permissions) EXPECT_EQ((co_await paths.rename(in + "/d/b", "/proc/b")).error(), errc::cross_device);
        const result<file> folder = co_await paths.open_directory(in + "/d");
        const file_system below(here, *folder);
        EXPECT_EQ((co_await below.status("b"))->size_bytes, 4u);
        EXPECT_TRUE((co_await below.rename("b", "c")).has_value());
        EXPECT_TRUE((co_await below.remove("c")).has_value());
    };
    loop->run(work(*loop, folder));
    auto after = [](event_loop& here, std::string in) -> task<void> {
        EXPECT_TRUE((co_await file_system(here).remove_directory(in + "/d")).has_value());
    };
    expect_nothing_left();  // Windows removes a folder when nobody has it open
    loop->run(after(*loop, folder));
    EXPECT_EQ(entries(), 0u);
}

TEST_P(files, a_link_is_looked_at_and_removed_itself) {
    put("a", "1234");
    std::filesystem::create_directory(path("d"));
    if (!link_to("a", path("link")) || !link_to("d", path("folder"))) GTEST_SKIP() << "no symbolic links";
    auto work = [](event_loop& here, std::string in) -> task<void> {
        const file_system paths(here);
        EXPECT_EQ((co_await paths.status(in + "/link"))->type, file_type::regular);
        EXPECT_EQ((co_await paths.status(in + "/link", links::no_follow))->type, file_type::symbolic_link);
        EXPECT_EQ((co_await paths.status(in + "/folder"))->type, file_type::directory);
        EXPECT_EQ((co_await paths.status(in + "/folder", links::no_follow))->type, file_type::symbolic_link);
        EXPECT_EQ((co_await paths.open_directory(in + "/folder", links::no_follow)).error(), errc::not_directory);
        EXPECT_EQ((co_await paths.remove_directory(in + "/folder")).error(), errc::not_directory);
        EXPECT_TRUE((co_await paths.remove(in + "/folder")).has_value());
        EXPECT_TRUE((co_await paths.remove(in + "/link")).has_value());
        EXPECT_EQ((co_await paths.remove(in + "/link")).error(), errc::not_found);
        EXPECT_TRUE((co_await paths.remove_directory(in + "/d")).has_value());
        EXPECT_EQ((co_await paths.status(in + "/a"))->size_bytes, 4u);
    };
    loop->run(work(*loop, folder));
    EXPECT_EQ(entries(), 1u);
}

TEST_P(files, direct_access_goes_with_blocks_of_the_loop) {
    auto work = [](event_loop& here, std::string where) -> task<void> {
        result<file> one = co_await file::open(
            here, where, {.access = file_access::read_write, .creation = file_creation::if_missing, .direct = true});
        if (!one) {
            EXPECT_EQ(one.error(), errc::invalid_argument);  // not on this file system
            co_return;
        }
        EXPECT_FALSE(one->where().entry->readable);  // no read of it is tried on the loop's thread
        EXPECT_EQ(co_await write_text(*one, 0, std::string(65536, 'd')), "ok 65536");
        EXPECT_EQ(co_await read_text(*one, 4096, 4096), std::string(4096, 'd'));
        lease crooked = block_of(here, std::string(4097, 'c'));
        crooked.consume(1);
        const file_written refused = co_await one->write_at(0, std::move(crooked));
        if (!refused.outcome) EXPECT_EQ(refused.outcome.error(), errc::invalid_argument);
        EXPECT_EQ(refused.buffer.size(), 4096u);
    };
    loop->run(work(*loop, path("f")));
}

TEST_P(files, closing_tells_what_became_of_it) {
    auto work = [](event_loop& here, std::string where) -> task<void> {
        file one = co_await opened(here, where, fresh);
        EXPECT_EQ(co_await write_text(one, 0, "text"), "ok 4");
        EXPECT_TRUE((co_await one.finish()).has_value());
        EXPECT_FALSE(one.is_open());
        EXPECT_EQ((co_await one.finish()).error(), errc::closed);
        file two = co_await opened(here, where);
        service_of(here).pause();
        counting_scope reading(here);
        auto reads = [](file& from) -> task<void> { (void)co_await from.sync(); };
        reading.spawn(reads(two), "sync");
        co_await yield();
        EXPECT_EQ((co_await two.finish()).error(), errc::busy);
        EXPECT_TRUE(two.is_open());
        service_of(here).resume();
        co_await reading.join();
    };
    loop->run(work(*loop, path("f")));
}

TEST_P(files, threads_are_there_only_where_they_are_needed) {
    EXPECT_EQ(service().threads(), 0u);
    auto work = [](event_loop& here, std::string where) -> task<void> {
        const file one = co_await opened(here, where, fresh);
        EXPECT_EQ(co_await write_text(one, 0, "text"), "ok 4");
        EXPECT_EQ(co_await read_text(one, 0, 4), "text");
        EXPECT_TRUE((co_await one.sync()).has_value());
    };
    loop->run(work(*loop, path("f")));
    EXPECT_EQ(service().threads(), GetParam().kind == reactor_kind::uring ? 0u : 4u);
}

INSTANTIATE_TEST_SUITE_P(reactors, files, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
