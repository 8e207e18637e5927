// this_thread.hpp of the model checker: stands before the library's own (src/base/this_thread.hpp) on the include path.
#pragma once

#include <atomic>
#include <cstdint>

namespace co_wq::detail {

const char* model_this_thread() noexcept;
void model_yield() noexcept;
void model_wait(const void* word, std::uint64_t seen) noexcept;  // while the newest value is seen, which a load gave
void model_wake_all(const void* word) noexcept;

inline const char* this_thread_mark() noexcept { return model_this_thread(); }
// A first pause lets nobody else run by force: who spins a few times and then does something else can come to that.
inline void spin_pause(unsigned round) noexcept {
    if (round > 0) model_yield();
}

template <class T>
void wait_while(const std::atomic<T>& word, T seen) noexcept {
    while (word.load(std::memory_order_acquire) == seen) model_wait(&word, (std::uint64_t)seen);
}
template <class T>
void wake_all(std::atomic<T>& word) noexcept {
    model_wake_all(&word);
}

}  // namespace co_wq::detail
