#include <sys/mman.h>

#include "base/os/pages.hpp"

namespace co_wq::os {

void* take_pages(std::size_t size) noexcept {
    void* const taken = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return taken == MAP_FAILED ? nullptr : taken;
}

void drop_pages(void* page, std::size_t size) noexcept { (void)::madvise(page, size, MADV_DONTNEED); }

}  // namespace co_wq::os
