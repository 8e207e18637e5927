// model: what a scenario sees of the model checker. A scenario is a few threads that use the library's own code.
//
// For:        running code that is meant for several threads through every order of its atomic operations, with
//             every value C++ lets a load return.
// How:        the code and its scenario are compiled with -fsanitize=thread, which turns every atomic operation and
//             every access of memory into a call; engine.cpp answers those calls from Relacy's scheduler and memory
//             model. A thread can be stopped at each atomic operation. Plain accesses are checked for data races
//             and for memory that was freed. Nothing in the library knows of it, except that base/this_thread.hpp
//             is another one here (tests/model/replaced).
// Requires:   what threads share lies on the heap or is static, not on a thread's stack.
#pragma once

namespace model {

class scenario {
public:
    virtual ~scenario() = default;
    virtual void begin() {}                 // before the threads start; in every schedule
    virtual void thread(unsigned index) = 0;
    virtual void end() {}                   // after they have ended; all they did is visible
};

// One run of one scenario. The scenario is made once: what its constructor allocates stays for all schedules, what
// begin and the threads allocate must be freed in the same schedule.
struct entry {
    const char* name;
    const char* claim;
    unsigned threads;  // 2 to 4
    scenario* (*make)();
    entry* next;
};
void add(entry& one) noexcept;

template <class Scenario>
struct registered {
    registered(const char* name, const char* claim, unsigned threads) noexcept
        : one{name, claim, threads, []() -> scenario* { return new Scenario; }, nullptr} {
        add(one);
    }
    entry one;
};

[[noreturn]] void fail(const char* what) noexcept;
inline void require(bool holds, const char* what) noexcept {
    if (!holds) fail(what);
}

// All outcomes are tried: 0 to count - 1.
unsigned choose(unsigned count) noexcept;

// In begin and end: what follows is done as if by that thread; `outside` is none of them, as in the constructor.
inline constexpr unsigned outside = 4;
void act_as(unsigned thread) noexcept;

// Like an eventfd, but it orders nothing: who waits for it learns of no memory. A wait that nobody ends is a deadlock.
class doorbell {
public:
    void ring() noexcept;
    void wait() noexcept;
    void reset() noexcept { rung_ = false; }

private:
    bool rung_ = false;
    int sleeper_ = -1;
};

}  // namespace model
