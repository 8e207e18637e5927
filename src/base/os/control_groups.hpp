// The control groups a process is in, and their files.
//
// For:        limits that containers have: of CPU time, of memory.
// Guarantees: a line that is none is passed over. What cannot be read is as if it were not there.
// Threads:    any; own_membership reads a file and may block.
// Source:     cgroups(7): /proc/pid/cgroup.
//
//   for (const os::control_group& each : os::control_groups(os::own_membership()))
//       for (const std::string& folder : os::folders_upwards(os::control_group_mount, each.path)) read(folder);
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace co_wq::os {

inline constexpr const char* control_group_mount = "/sys/fs/cgroup";

struct control_group {
    std::string controllers;  // of version 1, with commas between them; version 2 has none
    std::string path;         // below the top of a mount: "/a/b". In a container it may be the host's.

    bool has(std::string_view controller) const noexcept;
};

// /proc/self/cgroup
std::string own_membership();

// Of lines like ID:CONTROLLERS:PATH, in their order.
std::vector<control_group> control_groups(const std::string& membership);

// The folder of a group and those of all above it, the last one is the mount itself: the limits of each bind.
std::vector<std::string> folders_upwards(const std::string& mount, std::string path);

}  // namespace co_wq::os
