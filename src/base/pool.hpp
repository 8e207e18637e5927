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

#include "base/compiler.hpp"

namespace co_wq {

inline constexpr std::size_t pool_class_bytes = 64;
inline constexpr std::size_t pool_max_bytes = 2048;
inline constexpr std::size_t pool_classes = pool_max_bytes / pool_class_bytes;

namespace detail {

// A free block knows how many there are from itself on, so that taking one writes nothing but the list's head.
struct pool_block {
    pool_block* next;
    std::uint32_t count;
};

// constinit and trivially destructible, so that access is one thread-relative load.
struct pool_cache {
    struct bin {
        pool_block* head = nullptr;

        std::uint32_t count() const noexcept { return head ? head->count : 0; }
        void push(void* memory) noexcept { head = ::new (memory) pool_block{head, count() + 1}; }
        pool_block* pop() noexcept { return std::exchange(head, head->next); }
    };
    bin bins[pool_classes];
};

extern constinit thread_local pool_cache thread_pool_cache;

// Null when there is no memory: nothing is thrown through a function that saves the registers itself, because unwinders
// do not restore those. Spilling is the last thing a caller does, refilling is not.
CO_WQ_RARE void* pool_refill(std::size_t size_class) noexcept;
[[gnu::cold, gnu::noinline]] void pool_spill(std::size_t size_class) noexcept;
// This thread gives back: what it keeps goes to the depot when it ends.
CO_WQ_RARE void pool_arm() noexcept;
CO_WQ_RARE void* pool_large(std::size_t size) noexcept;
[[gnu::cold, gnu::noinline]] void pool_large_free(void* memory, std::size_t size) noexcept;

[[noreturn]] void throw_bad_alloc();
inline void* require_memory(void* memory) {
    if (!memory) [[unlikely]]
        throw_bad_alloc();
    return memory;
}

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
        return detail::require_memory(detail::pool_large(size));
    auto& bin = detail::thread_pool_cache.bins[size_class];
    if (!bin.head) [[unlikely]]
        return detail::require_memory(detail::pool_refill(size_class));
    return bin.pop();
}

inline void pool_free(void* memory, std::size_t size) noexcept {
    const std::size_t size_class = (size - 1) / pool_class_bytes;
    if (size_class >= pool_classes) [[unlikely]]
        return detail::pool_large_free(memory, size);
    auto& bin = detail::thread_pool_cache.bins[size_class];
    if (!bin.head) [[unlikely]]
        detail::pool_arm();
    bin.push(memory);
    if (bin.head->count > detail::pool_bin_limit) [[unlikely]]
        detail::pool_spill(size_class);
}
#endif

// What is kept for the next use: by this thread, and for all of them. 0 under a sanitizer.
std::size_t pool_own_bytes() noexcept;
std::size_t pool_shared_bytes() noexcept;
// Of one size class below pool_classes: what this thread and the depot keep goes back to the system where a whole chunk
// of 16 KiB is unused. The bytes that went; 0 under a sanitizer. Costs about 20 ns for each block kept: for quiet
// moments.
std::size_t pool_trim(std::size_t size_class) noexcept;

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
