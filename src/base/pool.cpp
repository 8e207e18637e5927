#include "base/pool.hpp"

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/os/pages.hpp"

namespace co_wq::detail {

#if defined(__clang__)
constinit const char library_built_by_clang = 0;
#elif defined(CO_WQ_MSVC)
constinit const char library_built_by_msvc = 0;
#else
constinit const char library_built_by_gcc = 0;
#endif

constinit thread_local pool_cache thread_pool_cache;

namespace {

constexpr std::uint32_t batch = 256;
// A chunk begins where its address says, so that each block knows its own.
constexpr std::size_t chunk_bytes = 16 * 1024;
constexpr std::size_t arena_bytes = 1024 * 1024;

constexpr std::size_t size_of(std::size_t size_class) noexcept { return (size_class + 1) * pool_class_bytes; }
constexpr std::size_t blocks_in_chunk(std::size_t size_class) noexcept { return chunk_bytes / size_of(size_class); }
std::uintptr_t chunk_of(const void* block) noexcept {
    return reinterpret_cast<std::uintptr_t>(block) & ~static_cast<std::uintptr_t>(chunk_bytes - 1);
}

struct depot {
    std::mutex lock;
    std::atomic<std::size_t> bytes{0};  // written under the lock
    std::vector<pool_block*> batches[pool_classes];
    std::vector<void*> spare;  // chunks without memory
    std::byte* arena = nullptr;  // what is left of the last one taken from the system
    std::size_t left = 0;

    // Null: there is no memory.
    void* take_chunk() noexcept {
        if (!spare.empty()) {
            void* const chunk = spare.back();
            spare.pop_back();
            return chunk;
        }
        if (left < chunk_bytes) {
            auto* const taken = static_cast<std::byte*>(os::take_pages(arena_bytes));
            if (!taken) return nullptr;
            const std::size_t skipped =
                (chunk_bytes - reinterpret_cast<std::uintptr_t>(taken) % chunk_bytes) % chunk_bytes;
            arena = taken + skipped;
            left = arena_bytes - skipped;
        }
        left -= chunk_bytes;
        return std::exchange(arena, arena + chunk_bytes);
    }

    void put(std::size_t size_class, pool_block* list) {
        batches[size_class].push_back(list);
        count(size_class, *list, 1);
    }
    void count(std::size_t size_class, const pool_block& list, std::size_t times) noexcept {
        const std::size_t size = list.count * size_of(size_class);
        bytes.store(bytes.load(std::memory_order_relaxed) + size * times, std::memory_order_relaxed);
    }
};

// Never destroyed: threads may return memory until the very end of the process.
depot& shared_depot() {
    static depot* instance = new depot;
    return *instance;
}

struct flush_at_thread_exit {
    bool armed = false;
    ~flush_at_thread_exit() {
        for (std::size_t size_class = 0; size_class < pool_classes; ++size_class) {
            auto& bin = thread_pool_cache.bins[size_class];
            if (!bin.head) continue;
            const std::scoped_lock guard(shared_depot().lock);
            shared_depot().put(size_class, std::exchange(bin.head, nullptr));
        }
    }
};
thread_local flush_at_thread_exit flusher;

}  // namespace

void throw_bad_alloc() { throw std::bad_alloc(); }

void* pool_refill(std::size_t size_class) noexcept {
    flusher.armed = true;
    auto& bin = thread_pool_cache.bins[size_class];
    void* memory = nullptr;
    {
        const std::scoped_lock guard(shared_depot().lock);
        auto& kept = shared_depot().batches[size_class];
        if (!kept.empty()) {
            bin.head = kept.back();
            kept.pop_back();
            shared_depot().count(size_class, *bin.head, ~std::size_t{0});  // taken off
            return bin.pop();
        }
        memory = shared_depot().take_chunk();
    }
    if (!memory) return nullptr;
    auto* const chunk = static_cast<std::byte*>(memory);
    for (std::size_t i = blocks_in_chunk(size_class); i-- > 0;) bin.push(chunk + i * size_of(size_class));
    return bin.pop();
}

void pool_arm() noexcept { flusher.armed = true; }

void pool_spill(std::size_t size_class) noexcept {
    flusher.armed = true;
    auto& bin = thread_pool_cache.bins[size_class];
    while (bin.count() > pool_bin_limit / 2) {
        pool_cache::bin surplus;
        for (std::uint32_t i = 0; i < batch; ++i) surplus.push(bin.pop());
        const std::scoped_lock guard(shared_depot().lock);
        shared_depot().put(size_class, surplus.head);
    }
}

namespace {

template <class Visit>
void each_block(pool_block* list, Visit&& visit) {
    while (list) visit(*std::exchange(list, list->next));
}

// Lists of free blocks without those of chunks that are free as a whole, whose memory goes. Throws before it changes
// anything.
std::size_t release_chunks(std::size_t size_class, const std::vector<pool_block*>& lists, std::vector<void*>& spare,
                           pool_cache::bin& left) {
    std::unordered_map<std::uintptr_t, std::size_t> free_in;
    for (pool_block* list : lists) each_block(list, [&](pool_block& one) { ++free_in[chunk_of(&one)]; });
    const std::size_t whole = blocks_in_chunk(size_class);
    spare.reserve(spare.size() + free_in.size());
    for (pool_block* list : lists)
        each_block(list, [&](pool_block& one) {
            if (free_in.find(chunk_of(&one))->second < whole) left.push(&one);
        });
    std::size_t released = 0;
    for (const auto& [chunk, count] : free_in) {
        if (count < whole) continue;
        void* const memory = reinterpret_cast<void*>(chunk);
        os::drop_pages(memory, chunk_bytes);
        spare.push_back(memory);
        released += chunk_bytes;
    }
    return released;
}

}  // namespace

std::size_t pool_trim(std::size_t size_class) noexcept {
    flusher.armed = true;
    auto& bin = thread_pool_cache.bins[size_class];
    std::size_t released = 0;
    try {
        std::vector<pool_block*> lists;
        const std::scoped_lock guard(shared_depot().lock);
        auto& kept = shared_depot().batches[size_class];
        lists.reserve(kept.size() + 1);
        lists.assign(kept.begin(), kept.end());
        if (bin.head) lists.push_back(bin.head);
        std::size_t shared = 0;
        for (const pool_block* each : kept) shared += each->count * size_of(size_class);
        pool_cache::bin left;
        released = release_chunks(size_class, lists, shared_depot().spare, left);
        kept.clear();
        shared_depot().bytes.fetch_sub(shared, std::memory_order_relaxed);
        bin = left;
    } catch (const std::bad_alloc&) {  // no memory for the count: everything stays where it is
    }
    if (bin.count() > pool_bin_limit) pool_spill(size_class);
    return released;
}

void* pool_large(std::size_t size) noexcept { return ::operator new(size, std::nothrow); }
void pool_large_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }

}  // namespace co_wq::detail

namespace co_wq {

std::size_t pool_own_bytes() noexcept {
    std::size_t all = 0;
    for (std::size_t size_class = 0; size_class < pool_classes; ++size_class)
        all += detail::thread_pool_cache.bins[size_class].count() * detail::size_of(size_class);
    return all;
}

std::size_t pool_trim(std::size_t size_class) noexcept { return detail::pool_trim(size_class); }

std::size_t pool_shared_bytes() noexcept { return detail::shared_depot().bytes.load(std::memory_order_relaxed); }

}  // namespace co_wq
