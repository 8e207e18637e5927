// How many cores the process may use.
//
// For:        the number of event loops.
// Guarantees: at least 1. The smaller one of its affinity (sched_getaffinity(2)) and its CPU quota, which containers
//             have: cpu.max of cgroup v2 (Linux 4.15), cpu.cfs_quota_us of v1, of its own group and those above it,
//             rounded up. What cannot be read limits nothing.
//             Windows: the smaller one of its affinity, or the processors of its groups if it has several, and the
//             hard limit of the job it is in, rounded up. There are no control groups: quota_cores is 0.
// Threads:    any; it reads files and may block, so call it at the start.
#pragma once

#include <string>

namespace co_wq::os {

unsigned usable_cores() noexcept;

// The quota in whole cores, 0: none. membership: as /proc/self/cgroup says it; mount: a folder like /sys/fs/cgroup. In
// a container the path in the first may be the host's, so the top of the mount counts, too.
unsigned quota_cores(const std::string& membership, const std::string& mount);

}  // namespace co_wq::os
