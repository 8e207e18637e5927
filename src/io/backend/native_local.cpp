#include "io/backend/native_local.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/local_path.hpp"
#include "io/passed_files.hpp"

namespace co_wq::io {
namespace {

constexpr std::size_t control_bytes = CMSG_SPACE(sizeof(int) * passed_files_max);

struct control {
    alignas(cmsghdr) unsigned char bytes[control_bytes];
};

template <class Call>
auto retry_interrupted(Call&& call) noexcept {
    decltype(call()) got;
    do {
        got = call();
    } while (got < 0 && errno == EINTR);
    return got;
}

// The files of one note find their owners, or their end.
void take_files(detail::passing& work, const cmsghdr& note) noexcept {
    const std::size_t count = (note.cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
        int number = no_handle;
        std::memcpy(&number, CMSG_DATA(&note) + i * sizeof number, sizeof number);
        if (work.got.files < work.room.size()) {
            work.room[work.got.files++] = file_handle(number);
        } else {
            ::close(number);
            work.got.lost = true;
        }
    }
}

}  // namespace

std::int32_t receive_files(descriptor& entry, op_slot::io_payload& io) noexcept {
    auto& work = *static_cast<detail::passing*>(io.data);
    iovec memory{work.data.data(), work.data.size()};
    control notes;
    msghdr header{};
    header.msg_iov = &memory;
    header.msg_iovlen = 1;
    header.msg_control = notes.bytes;
    header.msg_controllen = sizeof notes.bytes;
    const ssize_t got = retry_interrupted([&] { return ::recvmsg(entry.handle, &header, MSG_CMSG_CLOEXEC); });
    if (got < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) return -errno;
        entry.readable = false;
        return would_block;
    }
    for (cmsghdr* note = CMSG_FIRSTHDR(&header); note; note = CMSG_NXTHDR(&header, note))
        if (note->cmsg_level == SOL_SOCKET && note->cmsg_type == SCM_RIGHTS) take_files(work, *note);
    if (header.msg_flags & MSG_CTRUNC) work.got.lost = true;  // this process may not open more
    return static_cast<std::int32_t>(got);
}

std::int32_t send_files(descriptor& entry, op_slot::io_payload& io) noexcept {
    auto& work = *static_cast<detail::passing*>(io.data);
    if (work.data.empty() && !work.files.empty()) return -EINVAL;  // nothing that could carry them
    if (work.files.size() > passed_files_max) return -EMFILE;
    while (!work.data.empty()) {
        iovec memory{work.data.data(), work.data.size()};
        control notes;
        msghdr header{};
        header.msg_iov = &memory;
        header.msg_iovlen = 1;
        if (!work.files.empty()) {
            header.msg_control = notes.bytes;
            header.msg_controllen = CMSG_SPACE(work.files.size_bytes());
            cmsghdr* note = CMSG_FIRSTHDR(&header);
            note->cmsg_level = SOL_SOCKET;
            note->cmsg_type = SCM_RIGHTS;
            note->cmsg_len = CMSG_LEN(work.files.size_bytes());
            std::memcpy(CMSG_DATA(note), work.files.data(), work.files.size_bytes());
        }
        const ssize_t sent = retry_interrupted([&] { return ::sendmsg(entry.handle, &header, MSG_NOSIGNAL); });
        if (sent < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) return -errno;
            entry.writable = false;
            return would_block;
        }
        work.files = {};  // they went with the first byte
        work.data = work.data.subspan(static_cast<std::size_t>(sent));
    }
    return 0;
}

result<peer_credentials> credentials_of_peer(native_handle handle) noexcept {
    ucred given{};
    socklen_t size = sizeof given;
    if (::getsockopt(handle, SOL_SOCKET, SO_PEERCRED, &given, &size) != 0) return fail(from_errno(errno));
    if (given.pid == 0) return fail(errc::not_supported);  // not a local socket, or nobody is connected
    return peer_credentials{.process = given.pid, .user = given.uid, .group = given.gid};
}

// ---- paths

namespace {

// Which file something is. A number is used again after its file was removed; the time of birth tells them apart.
struct file_mark {
    std::uint64_t device = 0, number = 0;
    std::int64_t seconds = 0, nanoseconds = 0;
    friend bool operator==(const file_mark&, const file_mark&) = default;
};

bool mark_of(const std::string& path, file_mark& out, bool& is_socket) noexcept {
    struct statx found{};
    if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &found) != 0)
        return false;
    out = {};
    out.device = std::uint64_t{found.stx_dev_major} << 32 | found.stx_dev_minor;
    out.number = found.stx_ino;
    if (found.stx_mask & STATX_BTIME) {
        out.seconds = found.stx_btime.tv_sec;
        out.nanoseconds = found.stx_btime.tv_nsec;
    }
    is_socket = S_ISSOCK(found.stx_mode);
    return true;
}

std::string lock_name(const std::string& path) { return path + ".lock"; }

// The lock file is the one that stands at its name: it was not removed between our opening and locking it.
bool still_there(int lock, const std::string& name) noexcept {
    struct stat ours{}, there{};
    return ::fstat(lock, &ours) == 0 && ::lstat(name.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

}  // namespace

result<path_claim> path_claim::take(std::string path) {
    const std::string name = lock_name(path);
    for (;;) {
        const int lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (lock < 0) return fail(from_errno(errno));
        if (retry_interrupted([&] { return ::flock(lock, LOCK_EX | LOCK_NB); }) != 0) {
            const int saved = errno;
            ::close(lock);
            return fail(saved == EWOULDBLOCK ? error(errc::address_in_use) : from_errno(saved));
        }
        if (!still_there(lock, name)) {
            ::close(lock);
            continue;
        }
        path_claim made(std::move(path), lock);
        file_mark mark;
        bool is_socket = false;
        if (!mark_of(made.path_, mark, is_socket)) return made;
        if (is_socket && made.is_ours()) {
            if (::unlink(made.path_.c_str()) != 0) return fail(from_errno(errno));
            return made;
        }
        // somebody else's: it stays; and so does the lock file, unless we have just made it
        struct stat lock_file{};
        if (::fstat(lock, &lock_file) == 0 && lock_file.st_size == 0) ::unlink(name.c_str());
        made.path_.clear();
        return fail(errc::address_in_use);
    }
}

bool path_claim::is_ours() const noexcept {
    file_mark recorded, there;
    bool is_socket = false;
    return ::pread(lock_, &recorded, sizeof recorded, 0) == sizeof recorded && mark_of(path_, there, is_socket) &&
           is_socket && recorded == there;
}

result<void> path_claim::record() noexcept {
    file_mark mark;
    bool is_socket = false;
    if (!mark_of(path_, mark, is_socket) || !is_socket) return fail(errc::not_found);
    if (::pwrite(lock_, &mark, sizeof mark, 0) != sizeof mark) return fail(from_errno(errno));
    return {};
}

void path_claim::release() noexcept {
    if (lock_ == no_handle) return;
    if (!path_.empty()) {
        const std::string name = lock_name(path_);
        if (is_ours()) ::unlink(path_.c_str());
        if (still_there(lock_, name)) ::unlink(name.c_str());
    }
    ::close(std::exchange(lock_, no_handle));
}

}  // namespace co_wq::io
