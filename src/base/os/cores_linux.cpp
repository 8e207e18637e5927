#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <fstream>

#include "base/os/control_groups.hpp"
#include "base/os/cores.hpp"

namespace co_wq::os {
namespace {

// The smallest quota so far, in whole cores; 0: none.
class smallest {
public:
    // In microseconds of CPU time per period; a quota of -1 or 0 is none.
    void add(std::int64_t quota, std::int64_t period) noexcept {
        if (quota <= 0 || period <= 0) return;
        const std::int64_t whole = std::min<std::int64_t>((quota - 1) / period + 1, UINT32_MAX);
        if (cores_ == 0 || whole < cores_) cores_ = static_cast<unsigned>(whole);
    }
    unsigned cores() const noexcept { return cores_; }

private:
    unsigned cores_ = 0;
};

// "max 100000" or "150000 100000"
void read_v2(const std::string& folder, smallest& out) {
    std::ifstream file(folder + "/cpu.max");
    std::int64_t quota = 0, period = 0;
    if (file >> quota >> period) out.add(quota, period);
}

void read_v1(const std::string& folder, smallest& out) {
    std::ifstream quotas(folder + "/cpu.cfs_quota_us"), periods(folder + "/cpu.cfs_period_us");
    std::int64_t quota = 0, period = 0;
    if (quotas >> quota && periods >> period) out.add(quota, period);
}

}  // namespace

unsigned quota_cores(const std::string& membership, const std::string& mount) {
    smallest found;
    const auto read_upwards = [&](const std::string& top, const std::string& path, auto read) {
        for (const std::string& folder : folders_upwards(top, path)) read(folder, found);
    };
    for (const control_group& each : control_groups(membership)) {
        if (each.controllers.empty()) read_upwards(mount, each.path, read_v2);
        if (!each.has("cpu")) continue;
        read_upwards(mount + "/" + each.controllers, each.path, read_v1);
        if (each.controllers != "cpu") read_upwards(mount + "/cpu", each.path, read_v1);  // mostly a link
    }
    return found.cores();
}

unsigned usable_cores() noexcept {
    cpu_set_t set;
    const int count = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    const unsigned cores = static_cast<unsigned>(std::max(count, 1));
    try {
        const unsigned quota = quota_cores(own_membership(), control_group_mount);
        return quota == 0 ? cores : std::min(cores, quota);
    } catch (const std::exception&) {
        return cores;
    }
}

}  // namespace co_wq::os
