#include "base/pool.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <unordered_set>
#include <vector>

#include "support/counted_heap.hpp"

namespace co_wq {
namespace {

// Fills `count` blocks with a pattern of their own; returns them.
std::vector<unsigned char*> take(std::size_t count, std::size_t size) {
    std::vector<unsigned char*> blocks;
    blocks.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        blocks.push_back(static_cast<unsigned char*>(pool_allocate(size)));
        std::memset(blocks.back(), static_cast<int>(i % 251), size);
    }
    return blocks;
}

void give_back(const std::vector<unsigned char*>& blocks, std::size_t size) {
    for (unsigned char* block : blocks) pool_free(block, size);
}

TEST(pool, blocks_are_aligned_distinct_and_do_not_overlap) {
    for (const std::size_t size : {1u, 64u, 65u, 200u, 2048u, 2049u, 10'000u}) {
        const auto blocks = take(1'000, size);
        EXPECT_EQ(std::unordered_set<unsigned char*>(blocks.begin(), blocks.end()).size(), blocks.size());
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks[i]) % 16, 0u);
            EXPECT_EQ(blocks[i][0], i % 251);
            EXPECT_EQ(blocks[i][size - 1], i % 251);
        }
        give_back(blocks, size);
    }
}

TEST(pool, surplus_goes_through_the_depot_and_comes_back_whole) {
    constexpr std::size_t many = detail::pool_bin_limit * 3;
    for (int round = 0; round < 3; ++round) {
        const auto blocks = take(many, 100);
        EXPECT_EQ(std::unordered_set<unsigned char*>(blocks.begin(), blocks.end()).size(), many);
        give_back(blocks, 100);
    }
}

TEST(pool, one_thread_takes_and_another_gives_back_without_the_heap) {
    constexpr std::size_t many = 20'000;
    const auto pass_on = [] {
        const auto blocks = take(many, 128);
        std::thread([&] { give_back(blocks, 128); }).join();
    };
    pass_on();
    const std::size_t before = heap_allocations();
    for (int round = 0; round < 10; ++round) pass_on();
    // a vector, a thread, and what the depot's list of batches may grow by
    EXPECT_LT(heap_allocations() - before, 10u * 8u);
}

}  // namespace
}  // namespace co_wq
