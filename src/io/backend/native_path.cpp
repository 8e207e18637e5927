// Claims of paths: the lock file and what it says.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "io/backend/native_address.hpp"
#include "io/backend/retry_interrupted.hpp"
#include "io/local_path.hpp"

namespace co_wq::io {
namespace {

// Which file something is. A number is used again after its file was removed; the time of birth tells them apart. The
// device is not part of it: it may change with a mount, and the lock file beside it stands for the file system.
struct file_mark {
    std::uint64_t number = 0;
    std::int64_t born_s = 0, born_ns = 0;
    friend bool operator==(const file_mark&, const file_mark&) = default;
};

// What a lock file holds. Pending: its owner is about to bind, or died while at it.
struct lock_record {
    static constexpr std::uint64_t magic_value = 0x6b636f6c71776f63;  // "cowqlock"
    std::uint64_t magic = 0;
    std::uint64_t pending = 0;
    file_mark mark;
};

// Of a socket at the path itself, not of what a link there names.
bool mark_of(int folder, const char* path, int flags, file_mark& out) noexcept {
    struct statx found{};
    if (::statx(folder, path, flags, STATX_BASIC_STATS | STATX_BTIME, &found) != 0) return false;
    out = {.number = found.stx_ino};
    if (found.stx_mask & STATX_BTIME) {
        out.born_s = found.stx_btime.tv_sec;
        out.born_ns = found.stx_btime.tv_nsec;
    }
    return S_ISSOCK(found.stx_mode);
}

bool exists(const std::string& path) noexcept {
    struct stat found{};
    return ::lstat(path.c_str(), &found) == 0 || errno != ENOENT;
}

bool read_record(int lock, lock_record& out) noexcept {
    return ::pread(lock, &out, sizeof out, 0) == sizeof out && out.magic == lock_record::magic_value;
}

bool write_record(int lock, const lock_record& record) noexcept {
    const ssize_t wrote = ::pwrite(lock, &record, sizeof record, 0);
    if (wrote == sizeof record) return ::fdatasync(lock) == 0;
    if (wrote >= 0) errno = ENOSPC;
    return false;
}

// Nobody listens there any more. A socket of another type, or a full queue, is alive.
bool refuses_connections(const std::string& path) noexcept {
    const result<socket_address> where = socket_address::local(path);
    if (!where) return false;
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) return false;
    native_address native = to_native(*where);
    const bool refused = ::connect(probe, native.get(), native.length) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    return refused;
}

// A lock file that we, or an earlier owner like us, made: nobody's notes are overwritten.
bool is_lock_file(int lock) noexcept {
    struct stat found{};
    if (::fstat(lock, &found) != 0 || !S_ISREG(found.st_mode)) return false;
    if (found.st_nlink != 1 || found.st_uid != ::geteuid()) return false;
    lock_record record;
    return found.st_size == 0 || read_record(lock, record);
}

// It still stands at its name: it was not removed between our opening and locking it.
bool still_there(int lock, const std::string& name) noexcept {
    struct stat ours{}, there{};
    return ::fstat(lock, &ours) == 0 && ::lstat(name.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

bool is_ours(int lock, const std::string& path) noexcept {
    lock_record record;
    file_mark there;
    if (!read_record(lock, record) || !mark_of(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, there)) return false;
    return record.pending != 0 ? refuses_connections(path) : record.mark == there;
}

// Opened and locked, or why not. Not found: it was removed meanwhile, try again.
result<native_handle> lock_file(const std::string& name) noexcept {
    const int lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (lock < 0) return fail(errno == ELOOP ? error(errc::address_in_use) : from_errno(errno));
    const int got = retry_interrupted([&] { return ::flock(lock, LOCK_EX | LOCK_NB); });
    const error refused = errno == EWOULDBLOCK ? error(errc::address_in_use) : from_errno(errno);
    if (got == 0 && still_there(lock, name)) return lock;
    ::close(lock);
    return fail(got != 0 ? refused : error(errc::not_found));
}

}  // namespace

path_claim::path_claim(std::string path, std::string lock_path, native_handle lock) noexcept
    : path_(std::move(path)), lock_path_(std::move(lock_path)), lock_(lock), process_(::getpid()) {}

result<path_claim> path_claim::take(std::string path) {
    constexpr int tries = 100;
    std::string name = path + ".lock";
    result<native_handle> lock = lock_file(name);
    for (int i = 0; i < tries && !lock && lock.error() == errc::not_found && exists(name); ++i) lock = lock_file(name);
    if (!lock) return std::unexpected(lock.error());
    if (!is_lock_file(*lock)) {
        ::close(*lock);
        return fail(errc::address_in_use);
    }
    path_claim made(std::move(path), std::move(name), *lock);
    if (exists(made.path_)) {
        lock_record record;
        const bool left_by_us = is_ours(*lock, made.path_) && refuses_connections(made.path_);
        if (!left_by_us) {
            if (read_record(*lock, record)) {  // an owner's, though the path is not: it stays
                ::close(std::exchange(made.lock_, no_handle));
            }
            return fail(errc::address_in_use);
        }
        if (::unlink(made.path_.c_str()) != 0) return fail(from_errno(errno));
    }
    if (!write_record(*lock, {.magic = lock_record::magic_value, .pending = 1, .mark = {}}))
        return fail(from_errno(errno));
    return made;
}

result<void> path_claim::record(std::uint32_t mode) noexcept {
    const int socket = ::open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (socket < 0) return fail(from_errno(errno));
    lock_record record{.magic = lock_record::magic_value, .pending = 0, .mark = {}};
    char self[32];
    std::snprintf(self, sizeof self, "/proc/self/fd/%d", socket);
    error what(errc::not_found);
    bool done = mark_of(socket, "", AT_EMPTY_PATH, record.mark);
    if (done && (!write_record(lock_, record) || ::chmod(self, mode) != 0)) {
        what = from_errno(errno);
        done = false;
    }
    ::close(socket);
    if (!done) return fail(what);
    return {};
}

void path_claim::release() noexcept {
    if (lock_ == no_handle) return;
    if (process_ == ::getpid()) {
        if (is_ours(lock_, path_)) ::unlink(path_.c_str());
        if (still_there(lock_, lock_path_)) ::unlink(lock_path_.c_str());
    }
    ::close(std::exchange(lock_, no_handle));
}

}  // namespace co_wq::io
