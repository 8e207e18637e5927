// What gcc's -fsanitize=thread calls, and operator new: the door of the code under test into the engine.
#include "engine.hpp"

using model::operation;
using model::the_engine;

namespace {

const rl::debug_info nowhere("", "", 0);

std::uintptr_t number(const volatile void* address) noexcept { return reinterpret_cast<std::uintptr_t>(address); }

rl::thread_info_base& self() noexcept { return *rl::ctx().threadx_; }

// The compiler's numbers for memory orders; consume is acquire.
enum order { relaxed, consume, acquire, release, acq_rel, seq_cst };

unsigned load(rl::atomic_data* data, int how) noexcept {
    switch (how & 7) {
        case relaxed: return self().atomic_load_relaxed(data);
        case seq_cst: return self().atomic_load_seq_cst(data);
        default: return self().atomic_load_acquire(data);
    }
}

unsigned load_newest(rl::atomic_data* data, int how) noexcept {
    switch (how & 7) {
        case relaxed: return self().atomic_load_relaxed_rmw(data);
        case seq_cst: return self().atomic_load_seq_cst_rmw(data);
        default: return self().atomic_load_acquire_rmw(data);
    }
}

unsigned store(rl::atomic_data* data, int how) noexcept {
    switch (how & 7) {
        case relaxed: return self().atomic_store_relaxed(data);
        case seq_cst: return self().atomic_store_seq_cst(data);
        default: return self().atomic_store_release(data);
    }
}

unsigned modify(rl::atomic_data* data, int how) noexcept {
    bool unused = false;
    switch (how & 7) {
        case relaxed: return self().atomic_rmw_relaxed(data, unused);
        case release: return self().atomic_rmw_release(data, unused);
        case acq_rel: return self().atomic_rmw_acq_rel(data, unused);
        case seq_cst: return self().atomic_rmw_seq_cst(data, unused);
        default: return self().atomic_rmw_acquire(data, unused);
    }
}

template <class T>
void put(volatile T* word, model::atom& one, unsigned record, T value) noexcept {
    one.value = one.history[record] = std::uint64_t(value);
    *word = value;  // so that the memory holds what is newest
}

template <class T>
T model_load(const volatile T* word, int how, const void* from) noexcept {
    if (!the_engine.in_threads()) return *word;
    model::atom& one = the_engine.atom_at(number(word), sizeof(T), false, from);
    const auto value = T(one.history[load(one.data, how)]);
    the_engine.note(operation::load, from, number(word), std::uint64_t(value), one.value);
    return value;
}

template <class T>
void model_store(volatile T* word, T value, int how, const void* from) noexcept {
    if (!the_engine.in_threads()) {
        *word = value;
        return;
    }
    model::atom& one = the_engine.atom_at(number(word), sizeof(T), true, from);
    the_engine.note(operation::store, from, number(word), one.value, std::uint64_t(value));
    put(word, one, store(one.data, how), value);
}

template <class T, class Change>
T model_change(volatile T* word, int how, const void* from, Change change) noexcept {
    if (!the_engine.in_threads()) {
        const T before = *word;
        *word = change(before);
        return before;
    }
    model::atom& one = the_engine.atom_at(number(word), sizeof(T), true, from);
    const auto before = T(one.value);
    const T after = change(before);
    the_engine.note(operation::change, from, number(word), std::uint64_t(before), std::uint64_t(after));
    put(word, one, modify(one.data, how), after);
    return before;
}

template <class T>
bool model_compare(volatile T* word, T& expected, T desired, int success, int failure, bool weak,
                   const void* from) noexcept {
    if (!the_engine.in_threads()) {
        const T before = *word;
        if (before == expected) {
            *word = desired;
            return true;
        }
        expected = before;
        return false;
    }
    model::atom& one = the_engine.atom_at(number(word), sizeof(T), true, from);
    const auto before = T(one.value);
    // a tree search would double with each weak one; a random search tries what a spurious failure does
    const bool equal =
        before == expected && !(weak && model::search_is_random && rl::ctx().rand(4, rl::sched_type_cas_fail) == 0);
    the_engine.note(equal ? operation::compare : operation::load, from, number(word), std::uint64_t(before),
                    std::uint64_t(equal ? desired : before));
    if (equal) {
        put(word, one, modify(one.data, success), desired);
    } else {
        (void)load_newest(one.data, failure);
        expected = before;
    }
    return equal;
}

void model_fence(int how) noexcept {
    if (!the_engine.in_threads()) return;
    switch (how & 7) {
        case relaxed: return;
        case release: return rl::ctx().atomic_thread_fence_release();
        case acq_rel: return rl::ctx().atomic_thread_fence_acq_rel();
        case seq_cst: return rl::ctx().atomic_thread_fence_seq_cst();
        default: return rl::ctx().atomic_thread_fence_acquire();
    }
}

void plain(const volatile void* address, std::size_t bytes, bool write, const void* from) noexcept {
    if (the_engine.running()) the_engine.access(number(address), bytes, write, from);
}

}  // namespace

#define FROM __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_read_range(void* address, std::size_t bytes) { plain(address, bytes, false, FROM); }
void __tsan_write_range(void* address, std::size_t bytes) { plain(address, bytes, true, FROM); }
void __tsan_vptr_read(void** address) { plain(address, sizeof *address, false, FROM); }
void __tsan_vptr_update(void** address, void* value) {
    if (*address != value) plain(address, sizeof *address, true, FROM);
}
void __tsan_atomic_thread_fence(int how) { model_fence(how); }
void __tsan_atomic_signal_fence(int) {}

#define ACCESSES(bytes)                                                                      \
    void __tsan_read##bytes(void* address) { plain(address, bytes, false, FROM); }           \
    void __tsan_write##bytes(void* address) { plain(address, bytes, true, FROM); }           \
    void __tsan_unaligned_read##bytes(void* address) { plain(address, bytes, false, FROM); } \
    void __tsan_unaligned_write##bytes(void* address) { plain(address, bytes, true, FROM); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

#define FETCH(bits, type, name, result)                                                                   \
    type __tsan_atomic##bits##_fetch_##name(volatile type* word, type value, int how) {                   \
        return model_change(word, how, FROM, [value](type before) { return static_cast<type>(result); }); \
    }
#define ATOMICS(bits, type)                                                                                           \
    type __tsan_atomic##bits##_load(const volatile type* word, int how) { return model_load(word, how, FROM); }       \
    void __tsan_atomic##bits##_store(volatile type* word, type value, int how) {                                      \
        model_store(word, value, how, FROM);                                                                          \
    }                                                                                                                 \
    type __tsan_atomic##bits##_exchange(volatile type* word, type value, int how) {                                   \
        return model_change(word, how, FROM, [value](type) { return value; });                                        \
    }                                                                                                                 \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type* word, type* expected, type desired, int success, \
                                                      int failure) {                                                  \
        return model_compare(word, *expected, desired, success, failure, false, FROM);                                \
    }                                                                                                                 \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile type* word, type* expected, type desired, int success,   \
                                                    int failure) {                                                    \
        return model_compare(word, *expected, desired, success, failure, true, FROM);                                 \
    }                                                                                                                 \
    FETCH(bits, type, add, before + value)                                                                            \
    FETCH(bits, type, sub, before - value)                                                                            \
    FETCH(bits, type, and, before& value)                                                                             \
    FETCH(bits, type, or, before | value)                                                                             \
    FETCH(bits, type, xor, before ^ value)
ATOMICS(8, unsigned char)
ATOMICS(16, unsigned short)
ATOMICS(32, unsigned int)
ATOMICS(64, unsigned long)

// The linker leads the code under test here (--wrap); the engine and Relacy keep their own heap.
void* __wrap__Znwm(std::size_t size) { return the_engine.allocate(size, 16, FROM); }
void* __wrap__Znam(std::size_t size) { return the_engine.allocate(size, 16, FROM); }
void* __wrap__ZnwmSt11align_val_t(std::size_t size, std::align_val_t alignment) {
    return the_engine.allocate(size, std::size_t(alignment), FROM);
}
void* __wrap__ZnwmRKSt9nothrow_t(std::size_t size, const std::nothrow_t&) {
    return the_engine.allocate(size, 16, FROM);
}
void __wrap__ZdlPv(void* memory) {
    if (memory) the_engine.release(memory, FROM);
}
void __wrap__ZdaPv(void* memory) {
    if (memory) the_engine.release(memory, FROM);
}
void __wrap__ZdlPvm(void* memory, std::size_t) {
    if (memory) the_engine.release(memory, FROM);
}
void __wrap__ZdlPvSt11align_val_t(void* memory, std::align_val_t) {
    if (memory) the_engine.release(memory, FROM);
}
void __wrap__ZdlPvmSt11align_val_t(void* memory, std::size_t, std::align_val_t) {
    if (memory) the_engine.release(memory, FROM);
}

}  // extern "C"

// base/this_thread.hpp of the model
namespace co_wq::detail {

const char* model_this_thread() noexcept {
    alignas(8) static const char marks[8 * (model::max_threads + 1)] = {};
    return &marks[8 * the_engine.acting()];
}

void model_yield() noexcept {
    if (the_engine.in_threads()) the_engine.pause();
}

namespace {
const void* waits_for[model::max_threads] = {};
}

void model_wait(const void* word, std::uint64_t seen) noexcept {
    // Nothing runs between this check and the sleep.
    if (the_engine.newest(number(word)) != seen) return the_engine.pause();  // the caller's load was of an older value
    the_engine.note(operation::sleep, FROM, number(word), seen, 0);
    waits_for[the_engine.thread()] = word;
    the_engine.park();
}

void model_wake_all(const void* word) noexcept {
    the_engine.stop();
    the_engine.note(operation::wake, FROM, number(word), 0, 0);
    for (unsigned i = 0; i < model::max_threads; ++i) {
        if (waits_for[i] != word) continue;
        waits_for[i] = nullptr;
        the_engine.unpark(i);
    }
}

}  // namespace co_wq::detail

namespace model {

void fail(const char* what) noexcept {
    the_engine.report(what, FROM);
    std::_Exit(found_fault);
}

unsigned choose(unsigned count) noexcept { return rl::ctx().rand(count, rl::sched_type_user); }

void act_as(unsigned thread) noexcept { the_engine.act_as(thread); }

void doorbell::ring() noexcept {
    the_engine.stop();
    the_engine.note(operation::ring, FROM, number(this), rung_, true);
    rung_ = true;
    if (sleeper_ < 0) return;
    the_engine.unpark(unsigned(sleeper_));
    sleeper_ = -1;
}

void doorbell::wait() noexcept {
    the_engine.stop();
    while (!rung_) {
        the_engine.note(operation::sleep, FROM, number(this), 0, 0);
        sleeper_ = int(the_engine.thread());
        the_engine.park();
    }
    rung_ = false;
}

}  // namespace model
