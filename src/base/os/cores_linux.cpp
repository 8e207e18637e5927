#include <sched.h>

#include "base/os/cores.hpp"

namespace co_wq::os {

unsigned usable_cores() noexcept {
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    const int count = CPU_COUNT(&set);
    return count > 0 ? static_cast<unsigned>(count) : 1;
}

}  // namespace co_wq::os
