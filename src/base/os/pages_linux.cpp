#include <sys/mman.h>
#include <unistd.h>

#include "base/os/pages.hpp"

namespace co_wq::os {

void* take_pages(std::size_t size) noexcept {
    void* const taken = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return taken == MAP_FAILED ? nullptr : taken;
}

void drop_pages(void* page, std::size_t size) noexcept {
    static const long whole = ::sysconf(_SC_PAGESIZE);
    // the system drops whole pages: of larger ones, neighbours would go, too
    if (whole <= 0 || size % static_cast<std::size_t>(whole) != 0) return;
    (void)::madvise(page, size, MADV_DONTNEED);
}

}  // namespace co_wq::os
