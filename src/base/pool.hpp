// Memory for coroutine frames and small fixed-life objects: per-thread free lists by size class.
//
// For:        frames, messages, spawn records. 2 to 3 ns for a pair in steady state.
// Guarantees: 16-byte alignment; memory may be returned on another thread than took it: surplus goes in batches
//             through a shared depot, so a producer and a consumer thread reach a steady state without malloc.
// Threads:    any. A thread's lists go to the depot when it ends.
// Limits:     sizes above pool_max_bytes go to the global heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace co_wq {

inline constexpr std::size_t pool_class_bytes = 64;
inline constexpr std::size_t pool_max_bytes = 2048;
inline constexpr std::size_t pool_classes = pool_max_bytes / pool_class_bytes;

namespace detail {

struct pool_block {
    pool_block* next;
};

// constinit and trivially destructible, so that access is one thread-relative load.
struct pool_cache {
    struct bin {
        pool_block* head = nullptr;
        std::uint32_t count = 0;
    };
    bin bins[pool_classes];
};

extern constinit thread_local pool_cache thread_pool_cache;

void* pool_refill(std::size_t size_class);
void pool_spill(std::size_t size_class) noexcept;
void* pool_large(std::size_t size);
void pool_large_free(void* memory, std::size_t size) noexcept;

inline constexpr std::uint32_t pool_bin_limit = 4096;

}  // namespace detail

#if defined(CO_WQ_SANITIZED)
// Under a sanitizer every block is its own allocation, so that use after free is seen.
inline void* pool_allocate(std::size_t size) { return ::operator new(size); }
inline void pool_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }
#else
inline void* pool_allocate(std::size_t size) {
    const std::size_t size_class = (size - 1) / pool_class_bytes;
    if (size_class >= pool_classes) [[unlikely]]
        return detail::pool_large(size);
    auto& bin = detail::thread_pool_cache.bins[size_class];
    detail::pool_block* block = bin.head;
    if (!block) [[unlikely]]
        return detail::pool_refill(size_class);
    bin.head = block->next;
    --bin.count;
    return block;
}

inline void pool_free(void* memory, std::size_t size) noexcept {
    const std::size_t size_class = (size - 1) / pool_class_bytes;
    if (size_class >= pool_classes) [[unlikely]]
        return detail::pool_large_free(memory, size);
    auto& bin = detail::thread_pool_cache.bins[size_class];
    auto* block = static_cast<detail::pool_block*>(memory);
    block->next = bin.head;
    bin.head = block;
    if (++bin.count > detail::pool_bin_limit) [[unlikely]]
        detail::pool_spill(size_class);
}
#endif

// Makes and destroys an object in pool memory.
template <class T, class... Args>
T* pool_new(Args&&... args) {
    static_assert(alignof(T) <= 16);
    void* memory = pool_allocate(sizeof(T));
    try {
        return ::new (memory) T(std::forward<Args>(args)...);
    } catch (...) {
        pool_free(memory, sizeof(T));
        throw;
    }
}
template <class T>
void pool_delete(T* object) noexcept {
    object->~T();
    pool_free(object, sizeof(T));
}

}  // namespace co_wq
