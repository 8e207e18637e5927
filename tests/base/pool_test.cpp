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

#if !defined(CO_WQ_SANITIZED)  // there every block is the heap's own

constexpr std::size_t class_of(std::size_t size) { return (size - 1) / pool_class_bytes; }

TEST(pool, what_a_peak_left_goes_back_to_the_heap) {
    for (const std::size_t size : {64u, 384u, 2048u}) {
        const std::size_t many = 8 * 1024 * 1024 / size;
        (void)pool_trim(class_of(size));
        const std::size_t own = pool_own_bytes(), shared = pool_shared_bytes();
        give_back(take(many, size), size);
        EXPECT_GE(pool_own_bytes() + pool_shared_bytes(), own + shared + many * size / 2);
        EXPECT_GE(pool_trim(class_of(size)), many * size);
        EXPECT_LT(pool_own_bytes() + pool_shared_bytes(), own + shared + 64 * 1024);
        EXPECT_EQ(pool_trim(class_of(size)), 0u);
    }
}

TEST(pool, a_block_in_use_keeps_its_chunk_and_its_bytes) {
    constexpr std::size_t size = 320, many = 20'000, every = 500;
    (void)pool_trim(class_of(size));
    const auto blocks = take(many, size);
    std::vector<unsigned char*> kept, others;
    for (std::size_t i = 0; i < many; ++i) (i % every == 0 ? kept : others).push_back(blocks[i]);
    give_back(others, size);
    const std::size_t released = pool_trim(class_of(size));
    EXPECT_GE(released, (many / 50 - 2 * kept.size()) * 16 * 1024);
    EXPECT_LE(released, many * size);
    for (std::size_t i = 0; i < kept.size(); ++i)
        for (std::size_t at = 0; at < size; ++at) ASSERT_EQ(kept[i][at], i * every % 251);
    // what stayed is whole, and new chunks come as before
    const auto again = take(many, size);
    EXPECT_EQ(std::unordered_set<unsigned char*>(again.begin(), again.end()).size(), many);
    give_back(again, size);
    give_back(kept, size);
    EXPECT_GE(pool_trim(class_of(size)), many * size);
}

TEST(pool, blocks_that_another_thread_keeps_hold_their_chunks) {
    constexpr std::size_t size = 448, many = 5'000;
    (void)pool_trim(class_of(size));
    const auto blocks = take(many, size);
    std::vector<unsigned char*> mine, theirs;
    for (std::size_t i = 0; i < many; ++i) (i % 2 == 0 ? mine : theirs).push_back(blocks[i]);
    give_back(mine, size);
    std::thread([&] {
        give_back(theirs, size);
        (void)pool_trim(class_of(size));
    }).join();
    // the other thread's list is the depot's now
    EXPECT_GE(pool_trim(class_of(size)), many * size / 2);
}

TEST(pool, a_thread_that_only_gives_back_leaves_it_to_the_others) {
    constexpr std::size_t size = 1024, many = 100;
    const auto blocks = take(many, size);
    const std::size_t before = pool_shared_bytes();
    std::thread([&] { give_back(blocks, size); }).join();
    EXPECT_EQ(pool_shared_bytes(), before + many * size);
}

#endif

}  // namespace
}  // namespace co_wq
