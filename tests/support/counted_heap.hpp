// Counts calls of operator new, by any thread, in programs that link counted_heap.cpp.
#pragma once

#include <cstddef>

namespace co_wq {

#if defined(CO_WQ_SANITIZED)
// Sanitizers bring operators of their own, and give every coroutine frame an allocation of its own.
inline constexpr bool heap_is_counted = false;
#else
inline constexpr bool heap_is_counted = true;
#endif

// Whether operator new fails on this thread from now on; nothing happens when the heap is not counted.
void heap_fails(bool on) noexcept;

// Calls so far; 0 for ever when the heap is not counted.
std::size_t heap_allocations() noexcept;

}  // namespace co_wq
