#include "base/os/append_file.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/temp_folder.hpp"

using namespace co_wq;
using namespace std::chrono_literals;

namespace {

std::string text_of(const std::string& path) {
    std::ostringstream all;
    all << std::ifstream(path, std::ios::binary).rdbuf();
    return all.str();
}

TEST(append_file, two_writers_of_a_file_never_overwrite_each_other) {
    const test::temp_folder folder;
    auto first = os::append_file::open(folder / "log");
    auto second = os::append_file::open(folder / "log");
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->append("one\n", 0ms), 4u);
    EXPECT_EQ(second->append("two\n", 0ms), 4u);
    EXPECT_EQ(first->append("three\n", 0ms), 6u);
    EXPECT_EQ(text_of(folder / "log"), "one\ntwo\nthree\n");
}

TEST(append_file, what_is_there_stays) {
    const test::temp_folder folder;
    std::ofstream(folder / "log", std::ios::binary) << "before\n";
    auto file = os::append_file::open(folder / "log");
    ASSERT_TRUE(file);
    EXPECT_EQ(file->append("after\n", 0ms), 6u);
    EXPECT_EQ(text_of(folder / "log"), "before\nafter\n");
}

TEST(append_file, a_file_that_was_renamed_is_another_one_than_its_successor) {
    const test::temp_folder folder;
    auto old = os::append_file::open(folder / "log");
    auto same = os::append_file::open(folder / "log");
    ASSERT_TRUE(old && same);
    EXPECT_TRUE(old->same_file_as(*same));
    std::filesystem::rename(folder / "log", folder / "log.1");
    auto made = os::append_file::open(folder / "log");
    ASSERT_TRUE(made);
    EXPECT_FALSE(old->same_file_as(*made));
    EXPECT_EQ(old->append("late\n", 0ms), 5u);
    EXPECT_EQ(text_of(folder / "log.1"), "late\n");
    EXPECT_EQ(text_of(folder / "log"), "");
}

TEST(append_file, a_name_need_not_be_ascii) {
    const test::temp_folder folder;
    const std::u8string name = u8"r\u00e9sum\u00e9 \u4e2d";
    const std::u8string path = (folder.path() / name).u8string();
    auto file = os::append_file::open(std::string(path.begin(), path.end()));
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(file->append("x", 0ms), 1u);
    const std::filesystem::directory_iterator first(folder.path());
    EXPECT_TRUE(first->path().filename().u8string() == name);  // Debian's GoogleTest prints none of these
}

TEST(append_file, what_cannot_be_opened_says_why) {
    const test::temp_folder folder;
    EXPECT_EQ(os::append_file::open(folder.path().string()).error(), errc::is_directory);
    EXPECT_EQ(os::append_file::open(folder / "no" + "/log").error(), errc::not_found);
    EXPECT_EQ(os::append_file::open("").error(), errc::not_found);
}

TEST(append_file, one_that_was_moved_from_closes_nothing) {
    const test::temp_folder folder;
    auto opened = os::append_file::open(folder / "log");
    ASSERT_TRUE(opened);
    os::append_file kept;
    {
        os::append_file passed(std::move(*opened));
        kept = std::move(passed);
    }
    EXPECT_EQ(kept.append("still\n", 0ms), 6u);
}

}  // namespace
