// Folders and walks.
#include "io/directory.hpp"

#include <algorithm>
#include <map>

#include "world.hpp"

#ifndef _WIN32
#include <sys/stat.h>

#include "support/refusing_system.hpp"
#endif

namespace co_wq::io::test {
namespace {

using folders = on_files;

struct seen {
    std::map<std::string, walk_entry> entries;
    std::string end;
    bool has(const std::string& path) const { return entries.contains(path); }
    std::string failure(const std::string& path) const {
        const auto found = entries.find(path);
        if (found == entries.end()) return "not seen";
        return found->second.failure ? found->second.failure->message() : "none";
    }
};

task<seen> walked(event_loop& here, std::string root, walk_options how = {}) {
    seen all;
    tree_walk walk(here, root, how);
    for (;;) {
        result<std::optional<walk_entry>> one = co_await walk.next();
        if (!one || !*one) {
            all.end = one ? "end" : one.error().message();
            break;
        }
        const std::string key = (*one)->path;
        EXPECT_FALSE(all.has(key)) << key << " came twice";
        all.entries.emplace(key, std::move(**one));
        if (all.entries.size() > 20'000) break;
    }
    co_return all;
}

TEST_P(folders, all_entries_of_a_large_folder_come_once) {
    constexpr int files = 1000;
    for (int i = 0; i < files; ++i) put(std::string(200, 'n') + std::to_string(i), "");  // several blocks of entries
    ASSERT_TRUE(std::filesystem::create_directory(path("d")));
    auto work = [](event_loop& here, std::string where) -> task<std::size_t> {
        const result<directory> open = co_await directory::open(here, where);
        std::size_t count = 0, directories = 0;
        for (;;) {
            const result<std::vector<directory_entry>> some = co_await open->next();
            if (!some || some->empty()) break;
            count += some->size();
            for (const directory_entry& one : *some) directories += one.type == file_type::directory;
        }
        EXPECT_EQ(directories, 1u);
        const result<std::vector<directory_entry>> again = co_await open->next();
        EXPECT_TRUE(again->empty());
        co_return count;
    };
    EXPECT_EQ(loop->run(work(*loop, folder)), files + 1u);
}

TEST_P(folders, opening_and_reading_say_what_is_wrong) {
    put("f", "");
    auto work = [](event_loop& here, std::string in) -> task<void> {
        const result<directory> none = co_await directory::open(here, in + "/none");
        EXPECT_EQ(none.error(), errc::not_found);
        const result<directory> no_folder = co_await directory::open(here, in + "/f");
        EXPECT_EQ(no_folder.error(), errc::not_directory);
        const result<file> removed = co_await file_system(here).open_directory(in);
        EXPECT_TRUE(removed.has_value());
    };
    loop->run(work(*loop, folder));
    EXPECT_EQ(loop->run(walked(*loop, path("none"))).end, "not found");
}

TEST_P(folders, a_walk_sees_everything_once_and_folders_first) {
    std::filesystem::create_directories(path("a/b/c"));
    std::filesystem::create_directories(path("empty"));
    put("a/1", "");
    put("a/b/2", "");
    put("a/b/c/3", "");
    const seen all = loop->run(walked(*loop, folder));
    EXPECT_EQ(all.end, "end");
    EXPECT_EQ(all.entries.size(), 7u);
    for (const char* one : {"a", "a/1", "a/b", "a/b/2", "a/b/c", "a/b/c/3", "empty"}) EXPECT_TRUE(all.has(one)) << one;
    EXPECT_EQ(all.entries.at("a/b/c/3").depth, 4u);
    const seen flat = loop->run(walked(*loop, folder, {.depth_max = 1}));
    EXPECT_EQ(flat.entries.size(), 2u);
}

TEST_P(folders, links_are_not_followed_unless_asked_and_circles_end) {
    std::filesystem::create_directories(path("a/b"));
    put("a/f", "");
    const bool linked = link_to("../..", path("a/b/up")) && link_to("a", path("link")) &&
                        link_to("nowhere", path("dangling")) && link_to("self", path("self"));
    if (!linked) GTEST_SKIP() << "no symbolic links";
    const seen plain = loop->run(walked(*loop, folder));
    EXPECT_EQ(plain.end, "end");
    EXPECT_EQ(plain.entries.size(), 7u);
    EXPECT_EQ(plain.entries.at("link").type, file_type::symbolic_link);
    const seen followed = loop->run(walked(*loop, folder, {.follow_links = true}));
    EXPECT_EQ(followed.end, "end");
    EXPECT_TRUE(followed.has("link/b/up"));
    EXPECT_EQ(followed.failure("a/b/up"), "too many links");
    EXPECT_EQ(followed.failure("self"), "too many links");
    EXPECT_EQ(followed.failure("dangling"), "none");
}

TEST_P(folders, trees_deeper_than_a_path_can_say_are_walked) {
    // Linux takes 4,096 bytes and opens them from where it is; Windows has 32,767 units for all; Wine is on Linux, and
    // removes by whole names
    const int levels = on_wine() ? 15 : has_permissions ? 300 : 100;
    const std::string name(200, 'n');
    auto down = [](event_loop& here, std::string root, std::string each, int deep,
                   std::vector<file>& way) -> task<void> {
        result<file> top = co_await file_system(here).open_directory(root);
        way.push_back(std::move(*top));
        for (int i = 0; i < deep; ++i) {
            const file_system at(here, way.back());
            EXPECT_TRUE((co_await at.make_directory(each)).has_value());
            result<file> below = co_await at.open_directory(each);
            EXPECT_TRUE(below.has_value());
            if (!below) co_return;
            way.push_back(std::move(*below));
        }
        EXPECT_TRUE((co_await file_system(here, way.back()).open("leaf", fresh)).has_value());
    };
    // taken down from the inside, as nothing can name it from the outside
    auto up = [](event_loop& here, std::string each, std::vector<file>& way) -> task<void> {
        EXPECT_TRUE((co_await file_system(here, way.back()).remove("leaf")).has_value());
        while (way.size() > 1) {
            EXPECT_TRUE((co_await way.back().finish()).has_value());
            way.pop_back();
            EXPECT_TRUE((co_await file_system(here, way.back()).remove_directory(each)).has_value());
        }
    };
    std::vector<file> way;
    loop->run(down(*loop, folder, name, levels, way));
    ASSERT_EQ(way.size(), levels + 1u);
    const seen all = loop->run(walked(*loop, folder));
    EXPECT_EQ(all.end, "end");
    EXPECT_EQ(all.entries.size(), levels + 1u);
    EXPECT_EQ(std::ranges::max_element(all.entries, {}, [](const auto& one) { return one.second.depth; })->second.depth,
              levels + 1u);
    loop->run(up(*loop, name, way));
    way.clear();
    EXPECT_EQ(entries(), 0u);
}

#ifndef _WIN32  // names are UTF-16 there, everything is read by an administrator, and nothing limits handles
TEST_P(folders, names_are_bytes) {
    const std::string odd = "\xff\xfe\x80 new\nline\t\\";
    put(odd, "x");
    const std::string longest(255, '\xe4');
    put(longest, "x");
    const seen all = loop->run(walked(*loop, folder));
    EXPECT_TRUE(all.has(odd));
    EXPECT_TRUE(all.has(longest));
    auto work = [](event_loop& here, std::string in, std::string name) -> task<void> {
        EXPECT_EQ((co_await file_system(here).status(in + "/" + name))->size_bytes, 1u);
    };
    loop->run(work(*loop, folder, odd));
}

TEST_P(folders, a_folder_that_cannot_be_read_is_told_and_the_walk_goes_on) {
    std::filesystem::create_directories(path("a/secret/deep"));
    std::filesystem::create_directories(path("z"));
    put("z/f", "");
    if (::geteuid() == 0) {
        // root reads everything: too few descriptors stop it in the same way
        walk_options how;
        seen all = loop->run(walked(*loop, folder, how));  // a sanitizer needs descriptors for what it sees first
        EXPECT_EQ(all.entries.size(), 5u);
        expect_nothing_left();  // its folders are closed
        {
            const co_wq::test::few_files few(1);
            all = loop->run(walked(*loop, folder, how));
        }
        EXPECT_EQ(all.end, "end");
        EXPECT_EQ(all.failure("a"), "too many open files");
        EXPECT_EQ(all.failure("z"), "too many open files");
        EXPECT_EQ(all.entries.size(), 2u);
        return;
    }
    ASSERT_EQ(::chmod(path("a/secret").c_str(), 0), 0);
    const seen all = loop->run(walked(*loop, folder));
    EXPECT_EQ(all.end, "end");
    EXPECT_EQ(all.failure("a/secret"), "permission denied");
    EXPECT_TRUE(all.has("z/f"));
    ::chmod(path("a/secret").c_str(), 0700);
}
#endif

TEST_P(folders, a_cancelled_walk_goes_on_where_it_was) {
    std::filesystem::create_directories(path("a/b/c"));
    auto work = [](event_loop& here, std::string where) -> task<void> {
        tree_walk walk(here, where);
        const result<std::optional<walk_entry>> first = co_await walk.next();
        EXPECT_EQ((**first).path, "a");
        counting_scope scope(here);
        auto goes_on = [](tree_walk& on, std::string& into) -> task<void> {
            const result<std::optional<walk_entry>> one = co_await on.next();
            into = one ? (**one).path : one.error().message();
        };
        std::string stopped, next;
        scope.request_stop();
        scope.spawn(goes_on(walk, stopped), "walk");
        co_await scope.join();
        EXPECT_EQ(stopped, "stopped");
        co_await goes_on(walk, next);
        EXPECT_EQ(next, "a/b");
    };
    loop->run(work(*loop, folder));
}

TEST_P(folders, a_step_that_died_is_made_again) {
    std::filesystem::create_directories(path("a/b/c"));
    auto work = [](event_loop& here, std::string where, int after) -> task<std::vector<std::string>> {
        tree_walk walk(here, where);
        counting_scope scope(here);
        auto step = [](tree_walk& on) -> task<void> { (void)co_await on.next(); };
        scope.spawn(step(walk), "walk");
        for (int i = 0; i < after && !scope.empty(); ++i) co_await yield();
        const bool over = scope.empty();
        scope.destroy_all();
        std::vector<std::string> found;
        if (over) found.push_back("a");
        for (;;) {
            const result<std::optional<walk_entry>> one = co_await walk.next();
            EXPECT_TRUE(one.has_value());
            if (!one || !*one) break;
            found.push_back((**one).path);
        }
        co_return found;
    };
    for (int after = 0; after < 40; ++after)
        EXPECT_EQ(loop->run(work(*loop, folder, after)), (std::vector<std::string>{"a", "a/b", "a/b/c"})) << after;
}

TEST_P(folders, a_walk_may_die_at_any_time) {
    std::filesystem::create_directories(path("a/b/c"));
    auto work = [](event_loop& here, std::string where, int after) -> task<void> {
        counting_scope scope(here);
        auto all = [](event_loop& at, std::string root) -> task<void> { (void)co_await walked(at, root); };
        scope.spawn(all(here, where), "walk");
        for (int i = 0; i < after && !scope.empty(); ++i) {
            if (i % 3 == 2) {
                (void)co_await sleep_for(std::chrono::microseconds(50));
            } else {
                co_await yield();
            }
        }
        scope.destroy_all();
    };
    for (int after = 0; after < 40; ++after) loop->run(work(*loop, folder, after));
}

INSTANTIATE_TEST_SUITE_P(reactors, folders, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
