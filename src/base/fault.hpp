// What happens when an invariant does not hold: one report, one hook, then abort.
//
// For:        telling a programming error (ours or the caller's) apart from an I/O error, with enough facts to
//             find it: which operation, which coroutine, at which line, in which queue.
// Guarantees: the hook runs before the process aborts; a second fault on the same thread while the hook runs
//             aborts at once. The report is built without heap allocation.
// Threads:    any. set_fault_hook may be called at any time.
// Lifetime:   a fault_report and its texts live only as long as the hook's call.
//
//   co_wq::set_fault_hook([](const co_wq::fault_report& report) noexcept { write_to_my_log(report.message); });
#pragma once

#include <cstddef>
#include <source_location>

namespace co_wq {

enum class fault_kind : unsigned char {
    caller,    // the caller broke a documented requirement
    internal,  // an invariant of ours does not hold
    no_callable,  // a queue node without a callable was met
    wrong_context,  // an object was used with a queue or loop it does not belong to
};

struct fault_report {
    fault_kind kind = fault_kind::internal;
    const char* expression = "";       // what was expected to hold
    const char* message = "";          // what it means, and what to do
    std::source_location where;        // the check that failed
    const char* operation = "";        // kind and state of the operation concerned, "" if none
    const char* await_chain = "";      // one line per awaiting frame, innermost first, "" outside of a task
    const char* queue = "";            // name of the queue or loop concerned
    unsigned generation = 0;           // slot generation of the operation
    unsigned guard_references = 0;     // references held on the queue's state
    void* const* stack = nullptr;      // return addresses, innermost first
    std::size_t stack_depth = 0;
};

using fault_hook = void (*)(const fault_report&) noexcept;

// Installs a hook and returns the one before; nullptr restores the default, which does nothing more than the
// text on standard error that every fault prints.
fault_hook set_fault_hook(fault_hook hook) noexcept;

// Extra facts the failing check knows; all optional.
struct fault_context {
    const char* operation = "";
    const char* queue = "";
    unsigned generation = 0;
    unsigned guard_references = 0;
};

// Reports and aborts. Never returns; the hook may end the process in its own way.
[[noreturn]] void raise_fault(fault_kind kind, const char* expression, const char* message, fault_context context = {},
                              std::source_location where = std::source_location::current()) noexcept;

namespace detail {
// Rooms above install a function that describes the current coroutine's await chain.
using chain_writer = std::size_t (*)(char* out, std::size_t room) noexcept;
void set_chain_writer(chain_writer writer) noexcept;
}  // namespace detail

}  // namespace co_wq

extern "C" {
// The C view of a report, for programs that debug from C or from a debugger.
struct wq_fault_info {
    const char* expression;
    const char* message;
    const char* file;
    unsigned line;
    const char* operation;
    const char* await_chain;
    const char* queue;
    unsigned generation;
    unsigned guard_references;
    void* const* stack;
    size_t stack_depth;
};

// Called for a fault_kind::no_callable before the C++ hook. A weak empty default is built in: define a function
// of this name to replace it, or set a breakpoint on it.
void wq_debug_null_func(const struct wq_fault_info* info);
}
