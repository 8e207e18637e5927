#include "base/fault.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/compiler.hpp"
#include "base/os/stack.hpp"

// A program may have its own.
#if defined(CO_WQ_MSVC)
extern "C" void wq_debug_null_func_of_library(const struct wq_fault_info*) {}
#pragma comment(linker, "/alternatename:wq_debug_null_func=wq_debug_null_func_of_library")
#else
extern "C" __attribute__((weak)) void wq_debug_null_func(const struct wq_fault_info*) {}
#endif

namespace co_wq {
namespace {

std::atomic<fault_hook> installed_hook{nullptr};
std::atomic<detail::chain_writer> installed_chain_writer{nullptr};
thread_local bool reporting = false;

const char* kind_name(fault_kind kind) noexcept {
    switch (kind) {
        case fault_kind::caller: return "requirement broken by the caller";
        case fault_kind::internal: return "internal invariant broken";
        case fault_kind::no_callable: return "queue node without a callable";
        case fault_kind::wrong_context: return "object used with a queue it does not belong to";
    }
    return "fault";
}

void print(const fault_report& report) noexcept {
    std::fprintf(stderr, "co_wq: fault: %s: %s\n  expected: %s\n  at %s:%u (%s)\n", kind_name(report.kind),
                 report.message, report.expression, report.where.file_name(), unsigned(report.where.line()),
                 report.where.function_name());
    if (*report.operation)
        std::fprintf(stderr, "  operation: %s (generation %u)\n", report.operation, report.generation);
    if (*report.queue) std::fprintf(stderr, "  queue: %s (%u references)\n", report.queue, report.guard_references);
    if (*report.await_chain) std::fprintf(stderr, "  await chain, innermost first:\n%s", report.await_chain);
    std::fflush(stderr);
    os::print_stack(report.stack, report.stack_depth);
}

}  // namespace

fault_hook set_fault_hook(fault_hook hook) noexcept { return installed_hook.exchange(hook); }

void detail::set_chain_writer(chain_writer writer) noexcept { installed_chain_writer.store(writer); }

void raise_fault(fault_kind kind, const char* expression, const char* message, fault_context context,
                 std::source_location where) noexcept {
    if (reporting) std::abort();
    reporting = true;
    static thread_local char chain[4096];
    chain[0] = '\0';
    if (auto writer = installed_chain_writer.load()) writer(chain, sizeof chain);
    void* frames[64];
    fault_report report;
    report.kind = kind;
    report.expression = expression;
    report.message = message;
    report.where = where;
    report.operation = context.operation;
    report.await_chain = chain;
    report.queue = context.queue;
    report.generation = context.generation;
    report.guard_references = context.guard_references;
    report.stack = frames;
    report.stack_depth = os::capture_stack(frames, 64);
    print(report);
    if (kind == fault_kind::no_callable) {
        const wq_fault_info info{expression,
                                 message,
                                 where.file_name(),
                                 unsigned(where.line()),
                                 context.operation,
                                 chain,
                                 context.queue,
                                 context.generation,
                                 context.guard_references,
                                 frames,
                                 report.stack_depth};
        wq_debug_null_func(&info);
    }
    if (auto hook = installed_hook.load()) hook(report);
    std::abort();
}

}  // namespace co_wq
