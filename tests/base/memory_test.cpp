#include "base/os/memory.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/group_tree.hpp"
#include "base/pool.hpp"

namespace co_wq {
namespace {

struct memory_tree : test::group_tree {
    std::optional<std::uint64_t> of(const std::string& membership) const {
        return os::control_group_memory(membership, mount());
    }
};

TEST_F(memory_tree, the_least_limit_of_a_group_and_of_those_it_is_in_counts) {
    set("memory.max", "max");
    set("a/memory.max", "1000");
    set("a/b/memory.max", "max");
    set("a/c/memory.max", "500");
    set("a/d/memory.max", "2000");
    EXPECT_EQ(of("0::/\n"), std::nullopt);
    EXPECT_EQ(of("0::/a\n"), 1000u);
    EXPECT_EQ(of("0::/a/b\n"), 1000u);
    EXPECT_EQ(of("0::/a/c\n"), 500u);
    EXPECT_EQ(of("0::/a/d/\n"), 1000u);
    EXPECT_EQ(of("0::/a/elsewhere\n"), 1000u);
}

TEST_F(memory_tree, the_first_version_of_groups_counts_too) {
    set("memory/memory.limit_in_bytes", "9223372036854771712");
    set("memory/x/memory.limit_in_bytes", "7000");
    EXPECT_EQ(of("12:pids:/x\n3:cpu,memory:/x\n"), 7000u);
    EXPECT_EQ(of("12:pids:/x\n3:cpu,memory:/\n"), 9223372036854771712u);
    EXPECT_EQ(of("3:cpu,memoryless:/x\n"), std::nullopt);
    set("unified/x/memory.max", "6000");
    EXPECT_EQ(of("3:memory:/x\n0::/x\n"), 6000u);
}

TEST_F(memory_tree, what_makes_no_sense_is_no_limit) {
    set("a/memory.max", "12x");
    set("b/memory.max", "");
    set("c/memory.max", "-1");
    for (const char* membership : {"", "nonsense", ":", "::", "0::", "0::/a", "0::/b", "0::/c", "\n\n0::/../..\n"})
        EXPECT_EQ(of(membership), std::nullopt) << membership;
}

TEST(memory, resident_memory_grows_with_what_is_touched) {
    const os::memory_gauge gauge;
    const std::uint64_t before = gauge.resident_bytes();
    EXPECT_GT(before, 0u);
    std::vector<char> touched(64 << 20);
    for (std::size_t at = 0; at < touched.size(); at += 1024) const_cast<volatile char&>(touched[at]) = 1;
    EXPECT_GT(gauge.resident_bytes(), before + (32 << 20));
    EXPECT_GT(os::allowed_memory().value_or(0), before);
}

#if !defined(CO_WQ_SANITIZED)
TEST(pool, what_is_kept_for_later_is_counted) {
    std::thread([] {  // its lists are its own
        constexpr std::size_t count = 20'000, size = 1000;
        std::vector<void*> blocks;
        for (std::size_t i = 0; i < count; ++i) blocks.push_back(pool_allocate(size));
        const std::size_t before = pool_own_bytes() + pool_shared_bytes();
        for (void* each : blocks) pool_free(each, size);
        EXPECT_EQ(pool_own_bytes() + pool_shared_bytes(), before + count * 1024);
        EXPECT_GT(pool_shared_bytes(), count * 1024 / 2) << "a thread keeps so much, the rest is for all";
        for (void*& each : blocks) each = pool_allocate(size);
        EXPECT_LE(pool_own_bytes() + pool_shared_bytes(), before + 1024 * 16);
        for (void* each : blocks) pool_free(each, size);
    })
        .join();
}
#endif

}  // namespace
}  // namespace co_wq
