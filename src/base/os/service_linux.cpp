#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/os/service.hpp"

namespace co_wq::os {
namespace {

constexpr int first_inherited = 3;  // SD_LISTEN_FDS_START
constexpr const char* handed_over = "CO_WQ_HANDED_OVER";
constexpr const char* of_supervisor[] = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", handed_over};

std::optional<std::uint64_t> number_in(const char* text) {
    if (!text) return std::nullopt;
    std::uint64_t value = 0;
    const char* const end = text + std::strlen(text);
    const auto [stopped, wrong] = std::from_chars(text, end, value);
    if (wrong != std::errc() || stopped != end) return std::nullopt;
    return value;
}

bool is_open(int handle) noexcept { return ::fcntl(handle, F_GETFD) >= 0; }

bool is_listener(int handle) noexcept {
    int listens = 0;
    socklen_t size = sizeof listens;
    return ::getsockopt(handle, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

void prepare(int handle) noexcept {
    ::fcntl(handle, F_SETFD, FD_CLOEXEC);
    ::fcntl(handle, F_SETFL, ::fcntl(handle, F_GETFL) | O_NONBLOCK);
}

}  // namespace

inherited take_inherited() {
    inherited taken;
    const auto ours = number_in(std::getenv(handed_over));
    const auto given = number_in(std::getenv("LISTEN_FDS")), whom = number_in(std::getenv("LISTEN_PID"));
    const bool supervised = given && whom == static_cast<std::uint64_t>(::getpid());
    std::uint64_t count = ours ? *ours : supervised ? *given : 0;
    count = std::min<std::uint64_t>(count, 4096);
    for (int handle = first_inherited; handle < first_inherited + static_cast<int>(count); ++handle) {
        if (!is_open(handle)) continue;
        prepare(handle);
        if (is_listener(handle)) taken.listeners.push_back(handle);
    }
    const int last = first_inherited + static_cast<int>(count);
    if (ours && is_open(last)) {
        prepare(last);
        taken.ready = last;
    }
    for (const char* name : of_supervisor) ::unsetenv(name);
    return taken;
}

bool is_handed_over() noexcept { return std::getenv(handed_over) != nullptr; }

void write_byte_and_close(int handle) noexcept {
    const char word = 'R';
    (void)!::write(handle, &word, 1);
    ::close(handle);
}

int duplicate(int handle) noexcept { return ::fcntl(handle, F_DUPFD_CLOEXEC, 0); }

std::vector<std::string> handover_environment(std::size_t listeners) {
    std::vector<std::string> all;
    for (char** each = environ; each && *each; ++each) {
        const std::string_view one(*each);
        const std::string_view name = one.substr(0, one.find('='));
        // the watchdog's process will be the child
        const bool ours = std::ranges::find(of_supervisor, name) != std::end(of_supervisor) || name == "WATCHDOG_PID";
        if (!ours) all.emplace_back(one);
    }
    all.push_back(std::string(handed_over) + "=" + std::to_string(listeners));
    return all;
}

bool notify_supervisor(std::string_view state) noexcept {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    if (!path || (path[0] != '/' && path[0] != '@')) return false;
    const std::size_t length = std::strlen(path);
    if (length < 2 || length >= sizeof where.sun_path) return false;
    std::memcpy(where.sun_path, path, length);
    if (path[0] == '@') where.sun_path[0] = 0;  // an abstract name
    const int handle = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (handle < 0) return false;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    const ssize_t sent =
        ::sendto(handle, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&where), size);
    ::close(handle);
    return sent == static_cast<ssize_t>(state.size());
}

std::optional<std::chrono::microseconds> watchdog_limit() {
    const auto limit = number_in(std::getenv("WATCHDOG_USEC")), whom = number_in(std::getenv("WATCHDOG_PID"));
    if (!limit || *limit == 0 || *limit > 1'000'000'000'000) return std::nullopt;
    if (whom && *whom != static_cast<std::uint64_t>(::getpid())) return std::nullopt;
    return std::chrono::microseconds(*limit);
}

std::string reloading_message() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::int64_t us = std::int64_t(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
    return "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us);
}

// The unit says how long that may take.
std::string stopping_message(std::chrono::milliseconds) { return "STOPPING=1"; }

result<void> become_user(const std::string& user, const std::vector<std::string>& files) {
    errno = 0;
    const passwd* found = ::getpwnam(user.c_str());
    if (!found) {
        if (const auto number = number_in(user.c_str()); number && *number < 0xffffffff)
            found = ::getpwuid(static_cast<uid_t>(*number));
    }
    if (!found) return fail(errc::not_found);
    const uid_t to = found->pw_uid;
    const gid_t group = found->pw_gid;
    const bool already = ::getuid() == to && ::geteuid() == to && ::getgid() == group && ::getegid() == group;
    if (already) return {};
    for (const std::string& path : files)
        if (!path.empty() && ::chown(path.c_str(), to, group) != 0 && errno != ENOENT) return fail(from_errno(errno));
    if (::initgroups(found->pw_name, group) != 0) return fail(from_errno(errno));
    if (::setresgid(group, group, group) != 0) return fail(from_errno(errno));
    if (::setresuid(to, to, to) != 0) return fail(from_errno(errno));
    return {};
}

std::string executable_path() {
    char path[4096];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    if (length <= 0 || static_cast<std::size_t>(length) == sizeof path) return {};
    return {path, static_cast<std::size_t>(length)};
}

}  // namespace co_wq::os
