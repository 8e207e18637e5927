// In steady state a read or a write allocates nothing; without memory nothing is lost.
#include "support/counted_heap.hpp"
#include "task/when.hpp"
#include "world.hpp"

namespace co_wq::io::test {
namespace {

using file_memory = on_files;

task<void> reads(const file& from, int count) {
    for (int i = 0; i < count; ++i) {
        const result<lease> got = co_await from.read_at(static_cast<std::uint64_t>(i % 8) * 4096, 4096);
        EXPECT_EQ(got->size(), 4096u);
    }
}

task<void> writes(const file& to, int count) {
    lease block = block_of(to.loop(), std::string(4096, 'w'));
    for (int i = 0; i < count; ++i) {
        file_written done = co_await to.write_at(static_cast<std::uint64_t>(i % 8) * 4096, std::move(block));
        EXPECT_TRUE(done.outcome.has_value());
        block = std::move(done.buffer);
    }
}

TEST_P(file_memory, reads_and_writes_do_not_touch_the_heap) {
    put("f", std::string(64 * 1024, 'x'));
    auto work = [](event_loop& here, std::string where) -> task<void> {
        const file one = co_await opened(here, where, fresh);
        co_await when_all(reads(one, 100), reads(one, 100), writes(one, 100));
        const std::size_t before = heap_allocations();
        co_await when_all(reads(one, 300), reads(one, 300), writes(one, 300));
        EXPECT_LE(heap_allocations() - before, 9u);  // of the test itself, and of queues that grow
    };
    loop->run(work(*loop, path("f")));
}

TEST_P(file_memory, files_are_closed_though_there_is_no_memory) {
    if (!heap_is_counted) GTEST_SKIP() << "the heap is a sanitizer's";
    auto work = [](event_loop& here, std::string where) -> task<void> {
        std::vector<file> many;
        for (int i = 0; i < 300; ++i) many.push_back(co_await opened(here, where, fresh));
        heap_fails(true);
        many.clear();
        heap_fails(false);
    };
    loop->run(work(*loop, path("f")));
    expect_nothing_left();
}

TEST_P(file_memory, a_read_without_memory_throws_and_leaves_nothing) {
    if (!heap_is_counted) GTEST_SKIP() << "the heap is a sanitizer's";
    put("f", std::string(64 * 1024, 'x'));
    auto work = [](event_loop& here, std::string where) -> task<void> {
        const file one = co_await opened(here, where, fresh);
        bool thrown = false;
        heap_fails(true);
        try {
            (void)co_await one.read_at(0, file::read_bytes_max);
        } catch (const std::bad_alloc&) {
            thrown = true;
        }
        heap_fails(false);
        EXPECT_TRUE(thrown);
        EXPECT_EQ(file_buffers(here).lent(), 0u);
    };
    loop->run(work(*loop, path("f")));
}

TEST_P(file_memory, blocks_come_back_though_there_is_no_memory) {
    if (!heap_is_counted) GTEST_SKIP() << "the heap is a sanitizer's";
    std::vector<lease> many;
    for (int i = 0; i < 300; ++i) many.push_back(file_buffers(*loop).take(4096));
    heap_fails(true);
    many.clear();
    heap_fails(false);
    EXPECT_EQ(file_buffers(*loop).lent(), 0u);
}

INSTANTIATE_TEST_SUITE_P(reactors, file_memory, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
