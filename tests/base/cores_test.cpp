#include "base/os/cores.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace co_wq;

namespace {

// A tree of files like /sys/fs/cgroup, and one like /proc/self/cgroup.
struct quota_tree : ::testing::Test {
    std::filesystem::path folder;

    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "co_wq_cores_XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    void write(const std::string& path, const std::string& text) const {
        std::filesystem::create_directories((folder / path).parent_path());
        std::ofstream(folder / path) << text;
    }
    unsigned cores(const std::string& membership) const {
        write("membership", membership);
        return os::quota_cores((folder / "membership").string(), (folder / "cgroup").string());
    }
};

TEST_F(quota_tree, a_quota_is_rounded_up) {
    for (const auto& [text, expected] : {std::pair{"200000 100000\n", 2u},
                                         {"150000 100000\n", 2u},
                                         {"1000 100000\n", 1u},
                                         {"6400000 100000\n", 64u},
                                         {"50000 50000\n", 1u}}) {
        write("cgroup/cpu.max", text);
        EXPECT_EQ(cores("0::/\n"), expected) << text;
    }
}

TEST_F(quota_tree, none_and_what_is_no_quota_limit_nothing) {
    EXPECT_EQ(cores("0::/\n"), 0u);
    for (const char* text : {"max 100000\n", "", "0 100000\n", "100000 0\n", "-1 100000\n", "x", "100000"}) {
        write("cgroup/cpu.max", text);
        EXPECT_EQ(cores("0::/\n"), 0u) << text;
    }
    write("cgroup/cpu.max", "200000 100000\n");
    for (const char* text : {"", "\n", "0", "0:", "nonsense\n", "5:memory:/\n", "5:cpuacct,cpuset:/\n"})
        EXPECT_EQ(cores(text), 0u) << text;
    EXPECT_EQ(os::quota_cores("/does/not/exist", "/neither"), 0u);
}

TEST_F(quota_tree, the_smallest_one_of_a_group_and_those_above_counts) {
    write("cgroup/a/cpu.max", "300000 100000");
    write("cgroup/a/b/cpu.max", "400000 100000");
    write("cgroup/a/b/c/cpu.max", "max 100000");
    EXPECT_EQ(cores("0::/a/b/c\n"), 3u);
    EXPECT_EQ(cores("0::/a/b/c/\n"), 3u);
    EXPECT_EQ(cores("0::/b\n"), 0u);
    write("cgroup/a/b/c/cpu.max", "100000 100000");
    EXPECT_EQ(cores("0::/a/b/c\n"), 1u);
    EXPECT_EQ(cores("0::/a\n"), 3u);
}

TEST_F(quota_tree, the_top_counts_where_the_group_is_the_hosts) {
    write("cgroup/cpu.max", "200000 100000");
    EXPECT_EQ(cores("0::/kubepods/pod1/container\n"), 2u);
    EXPECT_EQ(cores("0::/../other\n"), 2u);
}

TEST_F(quota_tree, version_one) {
    write("cgroup/cpu/jobs/cpu.cfs_quota_us", "250000\n");
    write("cgroup/cpu/jobs/cpu.cfs_period_us", "100000\n");
    write("cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    write("cgroup/cpu/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(cores("4:memory:/\n2:cpu:/jobs\n1:name=systemd:/\n0::/\n"), 3u);
    EXPECT_EQ(cores("2:cpu,cpuacct:/jobs\n"), 3u);
    EXPECT_EQ(cores("2:cpu:/\n"), 0u);
    write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
    write("cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(cores("2:cpu,cpuacct:/jobs\n"), 1u);
}

TEST(cores, there_is_at_least_one) { EXPECT_GE(os::usable_cores(), 1u); }

}  // namespace
