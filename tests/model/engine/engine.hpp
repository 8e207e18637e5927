// engine: the state of the running schedule, between Relacy (engine.cpp) and the calls that -fsanitize=thread puts into
// the code under test (hooks.cpp).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <relacy/relacy.hpp>

// Relacy renames these words for tests that include it; ours do not.
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef $

#include "model.hpp"
#include "shadow.hpp"

namespace model {

struct atom {
    rl::atomic_data* data;
    std::uint64_t value;  // the newest
    std::uint64_t history[rl::atomic_history_size];
};

enum class operation : unsigned char { load, store, compare, change, freed, ring, sleep, wake };

class engine {
public:
    // Set while the fibers run.
    bool running() const noexcept { return phase_ != phase::outside; }
    bool in_threads() const noexcept { return phase_ == phase::threads; }
    unsigned thread() const noexcept { return in_threads() ? unsigned(rl::ctx().current_thread()) : max_threads; }

    // hooks
    void access(std::uintptr_t address, std::size_t bytes, bool write, const void* from) noexcept;
    atom& atom_at(std::uintptr_t address, unsigned bytes, bool write, const void* from) noexcept;
    std::uint64_t newest(std::uintptr_t address) noexcept;
    void stop() noexcept;
    void pause() noexcept;
    void park() noexcept;
    void unpark(unsigned thread) noexcept;
    void note(operation what, const void* from, std::uintptr_t address, std::uint64_t before,
              std::uint64_t after) noexcept;
    void* allocate(std::size_t size, std::size_t alignment, const void* from) noexcept;
    void release(void* memory, const void* from) noexcept;

    // Relacy
    void prepare() noexcept;
    void world(scenario* one) noexcept;
    void begin_schedule(unsigned threads, rl::iteration_t number) noexcept;
    void run_thread(unsigned index) noexcept;
    void end_schedule() noexcept;
    void act_as(unsigned thread) noexcept;
    void gave_up() noexcept { phase_ = phase::outside; }  // Relacy ended the schedule in the middle
    unsigned acting() const noexcept { return in_threads() ? thread() : acting_; }
    void report(const char* what, const void* from) noexcept;
    rl::iteration_t schedules() const noexcept { return number_; }

private:
    enum class phase : unsigned char { outside, begin, threads, end };
    granule* granule_at(std::uintptr_t address) noexcept;
    void check(cell& one, bool write, const void* from) noexcept;
    void resumed() noexcept;
    void swap_thread_locals(unsigned to) noexcept;

    phase phase_ = phase::outside;
    unsigned threads_ = 0;
    rl::iteration_t number_ = 0;
    std::uint64_t epoch_ = 0;
    scenario* world_ = nullptr;
    heap heap_;
    region on_heap_, in_data_;
    unsigned acting_ = max_threads;

    static constexpr unsigned most_atoms = 256;
    atom atoms_[most_atoms];
    unsigned atom_count_ = 0;

    // The program's thread-local variables, as each thread of the model left them.
    void* locals_ = nullptr;
    std::size_t locals_bytes_ = 0;
    unsigned locals_of_ = max_threads;
    static constexpr std::size_t most_locals = 16 * 1024;
    unsigned char kept_locals_[max_threads + 2][most_locals];  // threads, outside, as they are at the start

    struct event {
        operation what;
        unsigned char thread;
        const void* from;
        std::uintptr_t address;
        std::uint64_t before, after;
    };
    static constexpr unsigned most_events = 512;
    event events_[most_events];
    unsigned event_count_ = 0;
};

extern engine the_engine;
extern bool search_is_random;

// How a process that runs one search tells the one that started it how it ended.
enum outcome : int { ended_well = 0, found_fault = 1, wrong_usage = 2, must_restart = 3 };

}  // namespace model
