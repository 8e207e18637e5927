// How a simulated run fails: with a reason, at once, and with what is needed to look into it.
//
// In a range, a run is a child process: the reason goes to its parent and the process ends. Alone (--seed), the reason
// and the flight recorders are printed, and abort() gives a debugger its place to stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace co_wq::sim {

// What a run is asked for.
struct request {
    std::uint64_t seed = 1;
    const std::vector<unsigned>* only = nullptr;  // steps of the script; null: all
    bool aloud = false;                           // prints its trace
};

struct outcome {
    std::uint64_t trace = 0;       // hash of all that happened
    std::uint64_t operations = 0;  // operations started
    std::uint64_t late = 0;        // completions that came for cancelled or dead waiters
    std::uint64_t steps = 0;       // of the script
};

using scenario = outcome (*)(const request& what);

[[noreturn]] void fail(std::string_view why);
inline void check(bool holds, std::string_view why) {
    if (!holds) [[unlikely]]
        fail(why);
}

// Where fail puts its reason, and a fault of the library too. room: shared with the parent; null: standard error.
void report_to(char* room, std::size_t size) noexcept;
// Faults of the library are reported like fail's: in a run of its own.
void fail_aloud() noexcept;
// How many steps the script of the next run has, also when it fails: put here by the run, read by its parent.
void script_length(std::atomic<std::uint64_t>* room) noexcept;
void tell_script_length(std::uint64_t steps) noexcept;
// Called before a run ends by fail or by a fault of the library, to print what is going on.
void set_dump(std::function<void()> dump);

}  // namespace co_wq::sim
