#include "proxy/limits/memory_guard.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/pool.hpp"

namespace co_wq::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t mib = 1024 * 1024;
constexpr time_point now{1h};

#if !defined(CO_WQ_SANITIZED)  // there the pool keeps nothing

// What a load needs and leaves to this thread's pool: 31 MiB.
constexpr std::size_t load_sizes[] = {2048, 1984, 1920, 1856};
constexpr std::size_t load_count = 4000;

void take_a_load_and_leave_it() {
    for (const std::size_t size : load_sizes) {
        std::vector<void*> blocks(load_count);
        for (void*& each : blocks) each = pool_allocate(size);
        for (void* each : blocks) pool_free(each, size);
    }
}

// Another loop, whose new work takes so much.
bool sheds_with(memory_guard& guard, std::size_t taken) {
    bool sheds = false;
    std::thread([&] {
        std::vector<char> more(taken);
        for (std::size_t at = 0; at < more.size(); at += 1024) const_cast<volatile char&>(more[at]) = 1;
        memory_watch other(guard);
        sheds = other.look(now, [] {});
    }).join();
    return sheds;
}

TEST(memory_guard, what_a_loop_keeps_is_free_for_others_until_it_has_given_it_back) {
    std::thread([] {  // its lists are its own
        memory_guard guard;
        const std::uint64_t before = guard.used_bytes();
        guard.set_ceiling(before + 12 * mib);
        memory_watch watch(guard);
        take_a_load_and_leave_it();
        EXPECT_FALSE(watch.look(now, [] {}));
        EXPECT_GT(guard.resident_bytes(), before + 24 * mib);
        EXPECT_FALSE(sheds_with(guard, 0)) << "it is for the next load";
        std::size_t released = 0;
        for (const std::size_t size : load_sizes) released += watch.trim((size - 1) / pool_class_bytes);
        EXPECT_GT(released, 24 * mib);
        EXPECT_FALSE(sheds_with(guard, 0));
        EXPECT_TRUE(sheds_with(guard, 24 * mib)) << "though this loop has not looked again";
    })
        .join();
}

#endif

TEST(memory_guard, without_a_ceiling_nothing_is_too_much) {
    memory_guard guard;
    memory_watch watch(guard);
    EXPECT_FALSE(watch.look(now, [] { ADD_FAILURE() << "nothing began"; }));
    (void)watch.trim(0);
    EXPECT_FALSE(guard.shedding());
}

TEST(memory_guard, it_begins_once_and_ends_when_there_is_less) {
    memory_guard guard;
    memory_watch watch(guard), other(guard);
    int began = 0;
    const auto begins = [&] { ++began; };
    guard.set_ceiling(1);
    EXPECT_TRUE(watch.look(now, begins));
    EXPECT_TRUE(other.look(now, begins));
    EXPECT_EQ(began, 1);
    guard.set_ceiling(std::uint64_t{1} << 50);
    EXPECT_TRUE(watch.look(now, begins)) << "not so soon again";
    EXPECT_FALSE(watch.look(now + memory_guard::interval, begins));
    EXPECT_FALSE(other.look(now, begins));
}

}  // namespace
}  // namespace co_wq::proxy
