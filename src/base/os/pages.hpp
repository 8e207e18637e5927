// Memory by the page: taken for good, given up and used again.
//
// For:        the pool of frames.
// Requires:   sizes that are powers of two.
// Threads:    any.
// Errors:     null: there is no memory.
// Windows:    pages that are dropped stay committed: they cost room in the paging file's account, but no memory.
// Source:     mmap(2), madvise(2); VirtualAlloc ("MEM_RESET"), VirtualUnlock.
#pragma once

#include <cstddef>

namespace co_wq::os {

// Zeroed, and resident only where it is touched. Never given back as addresses.
void* take_pages(std::size_t size) noexcept;
// What is in them is lost, and they cost nothing until they are touched again. Does nothing where the system's pages
// are larger than size. page: aligned to size.
void drop_pages(void* page, std::size_t size) noexcept;

}  // namespace co_wq::os
