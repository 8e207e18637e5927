#include <windows.h>

#include "base/os/pages.hpp"

namespace co_wq::os {

void* take_pages(std::size_t size) noexcept {
    return ::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void drop_pages(void* page, std::size_t size) noexcept {
    static const DWORD whole = [] {
        SYSTEM_INFO system{};
        ::GetSystemInfo(&system);
        return system.dwPageSize;
    }();
    if (whole == 0 || size % whole != 0) return;
    // What is in them is not worth writing to the paging file; and unlocking pages that are not locked, which fails,
    // takes them out of the working set. They stay committed: touching them again cannot fail.
    if (::VirtualAlloc(page, size, MEM_RESET, PAGE_READWRITE)) (void)::VirtualUnlock(page, size);
}

}  // namespace co_wq::os
