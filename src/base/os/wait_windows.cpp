#include <windows.h>

#include "base/os/wait.hpp"

namespace co_wq::os {

void wait_while_equal(const void* word, const void* seen, std::size_t size) noexcept {
    (void)::WaitOnAddress(const_cast<void*>(word), const_cast<void*>(seen), size, INFINITE);
}

void wake_all(void* word) noexcept { ::WakeByAddressAll(word); }

}  // namespace co_wq::os
