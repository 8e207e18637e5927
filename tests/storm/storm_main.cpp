// co_wq_storm SECONDS REACTOR [SEED]: the storms at any length. Figures come last; fails when anything is hung, broken
// or left over, or when memory grows.
#include <charconv>
#include <cstdio>
#include <cstring>

#include "arena.hpp"
#include "traffic.hpp"

namespace co_wq::storm {
namespace {

constexpr long growth_max_kib = 16 * 1024;
#if defined(CO_WQ_SANITIZED)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

bool number(const char* text, std::uint64_t& out) {
    const char* end = text + std::strlen(text);
    const auto [rest, failure] = std::from_chars(text, end, out);
    return failure == std::errc() && rest == end && out > 0;
}

int run(int count, char** arguments) {
    std::uint64_t seconds = 0, seed = 1;
    const result<io::reactor_kind> kind = count > 2 ? io::reactor_kind_from(arguments[2]) : fail(errc::not_found);
    const bool real = kind && (*kind == io::reactor_kind::epoll || *kind == io::reactor_kind::uring);
    if (count < 3 || count > 4 || !number(arguments[1], seconds) || seconds > 1'000'000 || !real ||
        (count > 3 && !number(arguments[3], seed))) {
        std::fprintf(stderr, "usage: co_wq_storm SECONDS epoll|uring [SEED]\n");
        return 2;
    }
    const std::size_t before = open_descriptors();
    const traffic_figures seen = run_traffic({.reactor = *kind,
                                              .clients_per_loop = 64,
                                              .length = std::chrono::seconds(seconds),
                                              .seed = seed,
                                              .cancelled = 10,
                                              .destroyed = 10});
    const std::size_t after = open_descriptors();
    std::printf("storm on %s, seed %llu: %ld connections, %ld exchanges, %lld bytes echoed, %ld operations\n",
                io::name_of(*kind), static_cast<unsigned long long>(seed), seen.connections, seen.exchanges,
                seen.bytes_echoed, seen.operations);
    std::printf("  %ld cancelled, %ld destroyed, %ld connections aborted\n", seen.cancelled, seen.destroyed,
                seen.aborted);
    std::printf("  started %llu = finished %llu; orphaned %llu, late %llu, EFAULT %llu\n",
                static_cast<unsigned long long>(seen.started), static_cast<unsigned long long>(seen.finished),
                static_cast<unsigned long long>(seen.orphaned), static_cast<unsigned long long>(seen.late),
                static_cast<unsigned long long>(seen.bad_memory));
    std::printf("  memory %ld KiB after a third, %ld at the end; descriptors %zu before, %zu after\n",
                seen.memory_warm_kib, seen.memory_end_kib, before, after);
    std::printf("  hung %ld, broken %ld, left over %ld\n", seen.hung, seen.broken, seen.left_over);
    // a sanitizer keeps what was freed
    const long growth = sanitized ? 0 : seen.memory_end_kib - seen.memory_warm_kib;
    const bool good = seen.good() && seen.started == seen.finished && before == after && growth < growth_max_kib;
    if (!good) std::printf("FAILED: %s\n", seen.first_fault.empty() ? "see above" : seen.first_fault.c_str());
    return good ? 0 : 1;
}

}  // namespace
}  // namespace co_wq::storm

int main(int count, char** arguments) { return co_wq::storm::run(count, arguments); }
