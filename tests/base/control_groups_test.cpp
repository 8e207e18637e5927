#include "base/os/control_groups.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace co_wq::os {
namespace {

using paths = std::vector<std::string>;

TEST(control_groups, each_line_has_its_controllers_and_its_path) {
    const auto found = control_groups("12:cpu,cpuacct:/jobs/a:b\n1:name=systemd:/\n0::/user.slice\n");
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].controllers, "cpu,cpuacct");
    EXPECT_EQ(found[0].path, "/jobs/a:b") << "a name may have colons";
    EXPECT_EQ(found[1].controllers, "name=systemd");
    EXPECT_EQ(found[2].controllers, "");
    EXPECT_EQ(found[2].path, "/user.slice");
}

TEST(control_groups, what_is_no_line_of_them_is_passed_over) {
    for (const char* text : {"", "\n", "0", "0:", ":", "nonsense\n\n"})
        EXPECT_TRUE(control_groups(text).empty()) << text;
    EXPECT_EQ(control_groups("nonsense\n0::/").size(), 1u) << "the last line need not end";
    EXPECT_EQ(control_groups("::").size(), 1u);
}

TEST(control_groups, a_controller_is_a_whole_word) {
    const control_group some{"cpu,cpuacct,memory", "/"};
    for (const char* word : {"cpu", "cpuacct", "memory"}) EXPECT_TRUE(some.has(word)) << word;
    for (const char* word : {"", "cp", "acct", "memoryless", "cpu,cpuacct"}) EXPECT_FALSE(some.has(word)) << word;
    EXPECT_FALSE(control_group().has("cpu"));
}

TEST(control_groups, the_folders_go_up_to_the_mount) {
    EXPECT_EQ(folders_upwards("/m", "/a/b"), (paths{"/m/a/b", "/m/a", "/m"}));
    EXPECT_EQ(folders_upwards("/m", "/a//b//"), (paths{"/m/a//b", "/m/a", "/m"}));
    EXPECT_EQ(folders_upwards("/m", "/../a"), (paths{"/m/../a", "/m/..", "/m"}));
    for (const char* top : {"", "/", "//"}) EXPECT_EQ(folders_upwards("/m", top), (paths{"/m"})) << top;
}

TEST(control_groups, every_group_of_this_process_is_read) {
    const std::string membership = own_membership();
    const auto lines = std::count(membership.begin(), membership.end(), '\n');
    EXPECT_EQ(control_groups(membership).size(), static_cast<std::size_t>(lines));
}

}  // namespace
}  // namespace co_wq::os
