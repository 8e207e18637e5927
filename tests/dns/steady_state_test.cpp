// The promise that a cached answer allocates nothing but the list that is returned.
#include <atomic>
#include <cstdlib>
#include <new>

#include "world.hpp"

namespace {
std::atomic<long> allocations{0};
}

void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);  // a counter read on this thread
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace co_wq::net::dns::test {
namespace {

using steady_state = with_name_server;

TEST_P(steady_state, a_cached_answer_costs_one_allocation) {
#if defined(CO_WQ_SANITIZED)
    GTEST_SKIP() << "under a sanitizer every coroutine frame is its own allocation";
#endif
    server.answer(both_families);
    run([](world on) -> task<void> {
        const char* name = "www.example";  // fits into a string's own memory
        (void)co_await on.resolve(name);
        (void)co_await on.resolve(name);
        const long before = allocations;
        for (int i = 0; i < 1000; ++i) (void)co_await on.resolve(name);
        EXPECT_EQ(allocations - before, 1000);
        EXPECT_EQ(on.server.asked(), 2u);
    });
}

INSTANTIATE_TEST_SUITE_P(reactors, steady_state, real_reactors, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
