// The promise that a cached answer allocates nothing but the list that is returned.
#include "support/counted_heap.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using steady_state = with_name_server;

TEST_P(steady_state, a_cached_answer_costs_one_allocation) {
    server.answer(both_families);
    run([](world on) -> task<void> {
        const char* name = "www.example";  // fits into a string's own memory
        (void)co_await on.resolve(name);
        (void)co_await on.resolve(name);
        const std::size_t before = heap_allocations();
        for (int i = 0; i < 1000; ++i) (void)co_await on.resolve(name);
        EXPECT_EQ(heap_allocations() - before, heap_is_counted ? 1000u : 0u);
        EXPECT_EQ(on.server.asked(), 2u);
    });
}

INSTANTIATE_TEST_SUITE_P(reactors, steady_state, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
