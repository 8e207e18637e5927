// What lock-free code asks of its thread: who it is, a short pause, sleeping while a word stays as it is.
//
// For:     inbox, stop sources, spin locks, and the owner of a workqueue.
// Threads: any.
// Why:     together with std::atomic this is all that the concurrent code of this library uses of a machine. So the
//          model checker (tests/model) runs that very code with another header in the place of this one.
#pragma once

#include <atomic>
#include <thread>

#include "base/compiler.hpp"

#if defined(CO_WQ_MSVC)
#include <intrin.h>
#endif
#if defined(CO_WQ_WAITS_BY_SYSTEM)  // those of std::atomic lose wake-ups there
#include "base/os/wait.hpp"
#endif

namespace co_wq::detail {

// An address that no other living thread gets, a multiple of 8.
inline const char* this_thread_mark() noexcept {
    alignas(8) static constinit thread_local char mark = 0;
    return &mark;
}

// For who spins; round counts from 0.
inline void spin_pause(unsigned round) noexcept {
    if (round < 64) {
#if defined(CO_WQ_MSVC)
        _mm_pause();
#elif defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    } else {
        std::this_thread::yield();  // the holder was preempted
    }
}

// Returns once word is not seen any more; acquire.
template <class T>
void wait_while(const std::atomic<T>& word, T seen) noexcept {
#if defined(CO_WQ_WAITS_BY_SYSTEM)
    while (word.load(std::memory_order_acquire) == seen) os::wait_while_equal(&word, &seen, sizeof seen);
#else
    word.wait(seen, std::memory_order_acquire);
#endif
}
// Who changed word wakes those that wait for it.
template <class T>
void wake_all(std::atomic<T>& word) noexcept {
#if defined(CO_WQ_WAITS_BY_SYSTEM)
    os::wake_all(&word);
#else
    word.notify_all();
#endif
}

}  // namespace co_wq::detail
