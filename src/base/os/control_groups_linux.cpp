#include <fstream>
#include <sstream>

#include "base/os/control_groups.hpp"

namespace co_wq::os {

bool control_group::has(std::string_view controller) const noexcept {
    std::string_view left = controllers;
    for (;;) {
        const std::size_t comma = left.find(',');
        if (left.substr(0, comma) == controller) return true;
        if (comma == left.npos) return false;
        left.remove_prefix(comma + 1);
    }
}

std::string own_membership() {
    const std::ifstream file("/proc/self/cgroup");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<control_group> control_groups(const std::string& membership) {
    std::vector<control_group> found;
    std::istringstream lines(membership);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t first = line.find(':');
        const std::size_t second = first == line.npos ? first : line.find(':', first + 1);
        if (second == line.npos) continue;
        found.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
    }
    return found;
}

std::vector<std::string> folders_upwards(const std::string& mount, std::string path) {
    std::vector<std::string> folders;
    for (;;) {
        while (path.ends_with('/')) path.pop_back();
        folders.push_back(mount + path);
        if (path.empty()) return folders;
        const std::size_t slash = path.rfind('/');
        path.resize(slash == path.npos ? 0 : slash);
    }
}

}  // namespace co_wq::os
