#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/os/memory.hpp"

namespace co_wq::os {
namespace {

std::optional<std::uint64_t> smaller(std::optional<std::uint64_t> left, std::optional<std::uint64_t> right) noexcept {
    if (!left || !right) return left ? left : right;
    return std::min(*left, *right);
}

// A file with one number; nothing for "max" and for files that are not there.
std::optional<std::uint64_t> number_of(const std::string& path) {
    std::ifstream file(path);
    std::string word;
    std::uint64_t value = 0;
    if (!(file >> word)) return std::nullopt;
    const auto [end, wrong] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (wrong != std::errc() || end != word.data() + word.size()) return std::nullopt;
    return value;
}

// The least in this group and in all that it is in, up to the root: each of them binds.
std::optional<std::uint64_t> least_upwards(const std::string& root, std::string group, const char* file) {
    std::optional<std::uint64_t> least;
    while (group.ends_with('/')) group.pop_back();
    for (;;) {
        least = smaller(least, number_of(root + group + '/' + file));
        const std::size_t slash = group.rfind('/');
        if (slash == std::string::npos) return least;
        group.resize(slash);
    }
}

bool has_word(std::string_view list, std::string_view word) noexcept {
    for (;;) {
        const std::size_t comma = list.find(',');
        if (list.substr(0, comma) == word) return true;
        if (comma == list.npos) return false;
        list.remove_prefix(comma + 1);
    }
}

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

memory_gauge::memory_gauge() noexcept : handle_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
    const long page = ::sysconf(_SC_PAGESIZE);
    page_bytes_ = page > 0 ? static_cast<std::uint64_t>(page) : 0;
}

memory_gauge::~memory_gauge() {
    if (handle_ >= 0) ::close(handle_);
}

// "total resident shared ..." in pages.
std::uint64_t memory_gauge::resident_bytes() const noexcept {
    char text[128];
    const ssize_t size = handle_ < 0 ? -1 : ::pread(handle_, text, sizeof text, 0);
    if (size <= 0) return 0;
    const char* const end = text + size;
    const char* const blank = std::find(static_cast<const char*>(text), end, ' ');
    std::uint64_t pages = 0;
    if (blank == end || std::from_chars(blank + 1, end, pages).ec != std::errc()) return 0;
    return pages * page_bytes_;
}

std::optional<std::uint64_t> control_group_memory(const std::string& membership, const std::string& root) {
    std::optional<std::uint64_t> least;
    std::istringstream lines(membership);
    for (std::string line; std::getline(lines, line);) {
        // "0::/a/b" in the second version, "9:memory,hugetlb:/a/b" in the first
        const std::size_t first = line.find(':');
        const std::size_t second = first == line.npos ? first : line.find(':', first + 1);
        if (second == line.npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
        if (controllers.empty()) {
            least = smaller(least, least_upwards(root, group, "memory.max"));
            least = smaller(least, least_upwards(root + "/unified", group, "memory.max"));
        } else if (has_word(controllers, "memory")) {
            least = smaller(least, least_upwards(root + "/memory", group, "memory.limit_in_bytes"));
        }
    }
    return least;
}

std::optional<std::uint64_t> allowed_memory() {
    const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
    std::optional<std::uint64_t> physical;
    if (pages > 0 && page > 0) physical = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
    return smaller(physical, control_group_memory(text_of("/proc/self/cgroup"), "/sys/fs/cgroup"));
}

void give_back_memory() noexcept {
#if defined(__GLIBC__)
    (void)::malloc_trim(0);
#endif
}

}  // namespace co_wq::os
