#include "sim/virtual_time.hpp"

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif

namespace co_wq::sim {
namespace {
const io::sim_clock* clock_in_use = nullptr;
}

virtual_time::virtual_time(const io::sim_clock& clock) noexcept { clock_in_use = &clock; }
virtual_time::~virtual_time() { clock_in_use = nullptr; }

}  // namespace co_wq::sim

#ifdef _WIN32

static DWORD WINAPI ticks() noexcept {
    if (!co_wq::sim::clock_in_use) return static_cast<DWORD>(::GetTickCount64());
    return static_cast<DWORD>(co_wq::sim::clock_in_use->now().time_since_epoch().count() / 1'000'000);
}
// What everything that is linked statically calls GetTickCount by (c-ares' clock), found before the system's library.
extern "C" decltype(&ticks) co_wq_tick_count __asm__("__imp_GetTickCount");
decltype(&ticks) co_wq_tick_count = &ticks;

#else

// Found before the C library's by everything that is linked dynamically.
extern "C" int clock_gettime(clockid_t which, timespec* out) noexcept {
    if (co_wq::sim::clock_in_use && which == CLOCK_MONOTONIC) {
        const std::int64_t now = co_wq::sim::clock_in_use->now().time_since_epoch().count();
        *out = {now / 1'000'000'000, now % 1'000'000'000};
        return 0;
    }
    return static_cast<int>(::syscall(SYS_clock_gettime, which, out));
}

#endif
