#include "sim/virtual_time.hpp"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace co_wq::sim {
namespace {
const io::sim_clock* clock_in_use = nullptr;
}

virtual_time::virtual_time(const io::sim_clock& clock) noexcept { clock_in_use = &clock; }
virtual_time::~virtual_time() { clock_in_use = nullptr; }

}  // namespace co_wq::sim

// Found before the C library's by everything that is linked dynamically.
extern "C" int clock_gettime(clockid_t which, timespec* out) noexcept {
    if (co_wq::sim::clock_in_use && which == CLOCK_MONOTONIC) {
        const std::int64_t now = co_wq::sim::clock_in_use->now().time_since_epoch().count();
        *out = {now / 1'000'000'000, now % 1'000'000'000};
        return 0;
    }
    return static_cast<int>(::syscall(SYS_clock_gettime, which, out));
}
