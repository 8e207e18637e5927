#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <fstream>
#include <string_view>

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

// The group and all above it, up to the top of the mount.
template <class Read>
void read_upwards(const std::string& mount, std::string group, Read&& read, smallest& out) {
    for (;;) {
        while (!group.empty() && group.back() == '/') group.pop_back();
        read(mount + group, out);
        if (group.empty()) return;
        group.erase(std::min(group.rfind('/'), group.size()));
        if (group.find('/') == group.npos) group.clear();
    }
}

bool names_cpu(std::string_view controllers) noexcept {
    while (!controllers.empty()) {
        const std::size_t comma = controllers.find(',');
        if (controllers.substr(0, comma) == "cpu") return true;
        if (comma == controllers.npos) break;
        controllers.remove_prefix(comma + 1);
    }
    return false;
}

}  // namespace

// Lines of ID:CONTROLLERS:GROUP; the one of v2 has the number 0 and no controllers (cgroups(7)).
unsigned quota_cores(const std::string& membership, const std::string& mount) {
    smallest found;
    std::ifstream file(membership);
    for (std::string line; std::getline(file, line);) {
        const std::size_t first = line.find(':');
        const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
        if (second == line.npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string group = line.substr(second + 1);
        if (controllers.empty()) read_upwards(mount, group, read_v2, found);
        if (names_cpu(controllers)) {
            read_upwards(mount + "/" + controllers, group, read_v1, found);
            if (controllers != "cpu") read_upwards(mount + "/cpu", group, read_v1, found);  // mostly a link
        }
    }
    return found.cores();
}

unsigned usable_cores() noexcept {
    cpu_set_t set;
    const int count = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    const unsigned cores = static_cast<unsigned>(std::max(count, 1));
    try {
        const unsigned quota = quota_cores("/proc/self/cgroup", "/sys/fs/cgroup");
        return quota == 0 ? cores : std::min(cores, quota);
    } catch (const std::exception&) {
        return cores;
    }
}

}  // namespace co_wq::os
