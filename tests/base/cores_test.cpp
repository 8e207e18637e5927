#include "base/os/cores.hpp"

#include "base/group_tree.hpp"

using namespace co_wq;

namespace {

class quota_tree : public test::group_tree {
protected:
    // As version 1 has it, of a period of 100 ms.
    void set_old(const std::string& group, const std::string& quota) const {
        set(group + "/cpu.cfs_quota_us", quota);
        set(group + "/cpu.cfs_period_us", "100000");
    }
    unsigned cores(const std::string& membership) const { return os::quota_cores(membership, mount()); }
};

TEST_F(quota_tree, a_quota_is_rounded_up) {
    for (const auto& [text, expected] : {std::pair{"200000 100000", 2u},
                                         {"150000 100000", 2u},
                                         {"1000 100000", 1u},
                                         {"6400000 100000", 64u},
                                         {"50000 50000", 1u}}) {
        set("cpu.max", text);
        EXPECT_EQ(cores("0::/\n"), expected) << text;
    }
}

TEST_F(quota_tree, none_and_what_is_no_quota_limit_nothing) {
    EXPECT_EQ(cores("0::/\n"), 0u);
    for (const char* text : {"max 100000", "", "0 100000", "100000 0", "-1 100000", "x", "100000"}) {
        set("cpu.max", text);
        EXPECT_EQ(cores("0::/\n"), 0u) << text;
    }
    set("cpu.max", "200000 100000");
    for (const char* text : {"", "\n", "0", "0:", "nonsense\n", "5:memory:/\n", "5:cpuacct,cpuset:/\n"})
        EXPECT_EQ(cores(text), 0u) << text;
    EXPECT_EQ(os::quota_cores("0::/a\n", "/does/not/exist"), 0u);
}

TEST_F(quota_tree, the_smallest_one_of_a_group_and_those_above_counts) {
    set("a/cpu.max", "300000 100000");
    set("a/b/cpu.max", "400000 100000");
    set("a/b/c/cpu.max", "max 100000");
    EXPECT_EQ(cores("0::/a/b/c\n"), 3u);
    EXPECT_EQ(cores("0::/a/b/c/\n"), 3u);
    EXPECT_EQ(cores("0::/b\n"), 0u);
    set("a/b/c/cpu.max", "100000 100000");
    EXPECT_EQ(cores("0::/a/b/c\n"), 1u);
    EXPECT_EQ(cores("0::/a\n"), 3u);
}

TEST_F(quota_tree, the_top_counts_where_the_group_is_the_hosts) {
    set("cpu.max", "200000 100000");
    EXPECT_EQ(cores("0::/kubepods/pod1/container\n"), 2u);
    EXPECT_EQ(cores("0::/../other\n"), 2u);
}

TEST_F(quota_tree, version_one) {
    set_old("cpu/jobs", "250000");
    set_old("cpu", "-1");
    EXPECT_EQ(cores("4:memory:/\n2:cpu:/jobs\n1:name=systemd:/\n0::/\n"), 3u);
    EXPECT_EQ(cores("2:cpu,cpuacct:/jobs\n"), 3u);
    EXPECT_EQ(cores("2:cpu:/\n"), 0u);
    set_old("cpu,cpuacct", "100000");
    EXPECT_EQ(cores("2:cpu,cpuacct:/jobs\n"), 1u);
}

TEST(cores, there_is_at_least_one) { EXPECT_GE(os::usable_cores(), 1u); }

}  // namespace
