#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>

#include "base/os/control_groups.hpp"
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

// The least in a group and in all that it is in.
std::optional<std::uint64_t> least_upwards(const std::string& root, const std::string& path, const char* file) {
    std::optional<std::uint64_t> least;
    for (const std::string& folder : folders_upwards(root, path))
        least = smaller(least, number_of(folder + '/' + file));
    return least;
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
    for (const control_group& each : control_groups(membership)) {
        if (each.controllers.empty()) {
            least = smaller(least, least_upwards(root, each.path, "memory.max"));
            least = smaller(least, least_upwards(root + "/unified", each.path, "memory.max"));
        } else if (each.has("memory")) {
            least = smaller(least, least_upwards(root + "/memory", each.path, "memory.limit_in_bytes"));
        }
    }
    return least;
}

std::optional<std::uint64_t> allowed_memory() {
    const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
    std::optional<std::uint64_t> physical;
    if (pages > 0 && page > 0) physical = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
    return smaller(physical, control_group_memory(own_membership(), control_group_mount));
}

void give_back_memory() noexcept {
#if defined(__GLIBC__)
    (void)::malloc_trim(0);
#endif
}

void wipe(void* memory, std::size_t bytes) noexcept { ::explicit_bzero(memory, bytes); }

}  // namespace co_wq::os
