// The victims of the lifetime scenario: each kind of waiting, alone and composed.
#pragma once

#include "sim/lifetime/world.hpp"
#include "task/task.hpp"

namespace co_wq::sim::lifetime {

// How a victim waits, from the numbers of its step.
struct errand {
    unsigned kind = 0;
    unsigned first = 0, second = 0;  // which object, how much
    const victim* owner = nullptr;   // whose cancellation alone may end it; null: others may too
};

inline constexpr unsigned errand_kinds = 26;
inline constexpr unsigned simple_errands = 12;  // the first ones: any cancellation ends them
inline constexpr unsigned errand_token = 16;     // ends when somebody posts a token, and not before
inline constexpr unsigned errand_deep = 21;      // through several frames
inline constexpr unsigned errand_family = 22;    // joins children of a scope of its own, which nobody cancels
inline constexpr unsigned errand_elsewhere = 23; // on another loop
inline constexpr unsigned errand_shielded = 24;
inline constexpr unsigned errand_chatter = 25;
const char* name_of_errand(unsigned kind) noexcept;

// A task on the loop with this index that does the errand.
task<void> run_errand(world& where, unsigned loop, errand what, int depth = 0);

// What a killer does to victims, at once or from a task of its own.
void kill_victims(world& where, unsigned first, unsigned count, bool cancel, bool destroy);
task<void> assassin(world& where, unsigned first, unsigned second);

}  // namespace co_wq::sim::lifetime
