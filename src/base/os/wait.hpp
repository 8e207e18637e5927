// Sleeping until a word changes, for systems whose std::atomic does it wrongly.
//
// For:        this_thread.hpp on Windows. libstdc++ 12, where it has no futex, compares the word before it takes the
//             lock that guards the sleep: a wake-up between the two is lost, and the sleeper stays for ever.
// Guarantees: wait_while_equal returns when the word was woken, when it is not equal, or for no reason.
// Requires:   1, 2, 4 or 8 bytes.
// Threads:    any.
// Source:     WaitOnAddress, WakeByAddressAll (Windows 8).
#pragma once

#include <cstddef>

namespace co_wq::os {

void wait_while_equal(const void* word, const void* seen, std::size_t size) noexcept;
void wake_all(void* word) noexcept;

}  // namespace co_wq::os
