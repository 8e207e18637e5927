#include "support/counted_heap.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

#if defined(_WIN32)
#include <malloc.h>
#endif

namespace {

constinit std::atomic<std::size_t> allocations = 0;
constinit thread_local bool failing = false;

#if !defined(CO_WQ_SANITIZED)
#if defined(_WIN32)  // its aligned memory is of another kind than malloc's
void* aligned(std::size_t bytes, std::size_t alignment) { return ::_aligned_malloc(bytes, alignment); }
void free_aligned(void* memory) { ::_aligned_free(memory); }
#else
void* aligned(std::size_t bytes, std::size_t alignment) {
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}
void free_aligned(void* memory) { std::free(memory); }
#endif

void* counted(std::size_t bytes, std::size_t alignment) {
    allocations.fetch_add(1, std::memory_order_relaxed);  // a number; it orders nothing
    if (failing) throw std::bad_alloc();
    if (void* memory = alignment ? aligned(bytes, alignment) : std::malloc(bytes ? bytes : 1)) return memory;
    throw std::bad_alloc();
}
#endif

}  // namespace

void co_wq::heap_fails(bool on) noexcept { failing = on; }

std::size_t co_wq::heap_allocations() noexcept { return allocations.load(std::memory_order_relaxed); }

#if !defined(CO_WQ_SANITIZED)
void* operator new(std::size_t bytes) { return counted(bytes, 0); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { free_aligned(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { free_aligned(memory); }
#endif
