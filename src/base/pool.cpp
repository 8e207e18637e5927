#include "base/pool.hpp"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

namespace co_wq::detail {

#if defined(__clang__)
constinit const char library_built_by_clang = 0;
#else
constinit const char library_built_by_gcc = 0;
#endif

constinit thread_local pool_cache thread_pool_cache;

namespace {

constexpr std::uint32_t batch = 256;
constexpr std::size_t chunk_bytes = 16 * 1024;

struct depot {
    std::mutex lock;
    std::atomic<std::size_t> bytes{0};  // written under the lock
    std::vector<pool_block*> batches[pool_classes];

    void put(std::size_t size_class, pool_block* list) {
        batches[size_class].push_back(list);
        count(size_class, *list, 1);
    }
    void count(std::size_t size_class, const pool_block& list, std::size_t times) noexcept {
        const std::size_t size = list.count * (size_class + 1) * pool_class_bytes;
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
    {
        const std::scoped_lock guard(shared_depot().lock);
        auto& kept = shared_depot().batches[size_class];
        if (!kept.empty()) {
            bin.head = kept.back();
            kept.pop_back();
            shared_depot().count(size_class, *bin.head, ~std::size_t{0});  // taken off
        }
    }
    if (!bin.head) {
        const std::size_t size = (size_class + 1) * pool_class_bytes;
        const std::size_t count = chunk_bytes / size;
        auto* chunk = static_cast<std::byte*>(::operator new(count * size, std::align_val_t{64}, std::nothrow));
        if (!chunk) return nullptr;
        for (std::size_t i = count; i-- > 0;) bin.push(chunk + i * size);
    }
    return bin.pop();
}

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

void* pool_large(std::size_t size) noexcept { return ::operator new(size, std::nothrow); }
void pool_large_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }

}  // namespace co_wq::detail

namespace co_wq {

std::size_t pool_own_bytes() noexcept {
    std::size_t all = 0;
    for (std::size_t size_class = 0; size_class < pool_classes; ++size_class)
        all += detail::thread_pool_cache.bins[size_class].count() * (size_class + 1) * pool_class_bytes;
    return all;
}

std::size_t pool_shared_bytes() noexcept { return detail::shared_depot().bytes.load(std::memory_order_relaxed); }

}  // namespace co_wq
