#include "io/backend/native_pipes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "io/backend/no_sigpipe.hpp"
#include "io/backend/retry_interrupted.hpp"
#include "io/pipe.hpp"

namespace co_wq::io {
namespace {

// Since Linux 6.18: a write that would raise SIGPIPE only says EPIPE.
constexpr int without_signal = 0x100;

ssize_t write_pipe(native_handle handle, const iovec* parts, int count) noexcept {
    static std::atomic<bool> has_flag = true;
    if (has_flag.load(std::memory_order_relaxed)) {
        const ssize_t wrote = retry_interrupted([&] { return ::pwritev2(handle, parts, count, -1, without_signal); });
        if (wrote >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)) return wrote;
        struct stat about{};
        if (::fstat(handle, &about) == 0 && S_ISFIFO(about.st_mode)) has_flag.store(false, std::memory_order_relaxed);
    }
    std::size_t size = 0;
    for (int i = 0; i < count; ++i) size += parts[i].iov_len;
    return without_sigpipe(size, [&] { return ::writev(handle, parts, count); });
}

bool hung_up(native_handle handle) noexcept {
    pollfd one{handle, 0, 0};
    return ::poll(&one, 1, 0) > 0 && (one.revents & POLLHUP);
}

std::unexpected<error> failure() noexcept { return fail(from_errno(errno)); }

bool allows(native_handle handle, file_use how) noexcept {
    const int flags = ::fcntl(handle, F_GETFL);
    if (flags < 0) return false;
    const int mode = flags & O_ACCMODE;
    return mode == O_RDWR || how == file_use::to_both || mode == (how == file_use::to_read ? O_RDONLY : O_WRONLY);
}

// Whether the file's own non-blocking mode matters, and how its bytes are moved.
struct nature {
    descriptor_kind kind = descriptor_kind::pipe;
    bool waits = true;  // its reads and writes can block
};

result<nature> nature_of(native_handle handle) noexcept {
    struct stat about{};
    if (::fstat(handle, &about) != 0) return failure();
    if (S_ISDIR(about.st_mode)) return fail(from_errno(EISDIR));
    if (S_ISSOCK(about.st_mode)) return nature{.kind = descriptor_kind::local_stream, .waits = false};
    if (S_ISREG(about.st_mode) || S_ISBLK(about.st_mode)) return nature{.waits = false};
    const bool terminal = S_ISCHR(about.st_mode) && ::isatty(handle);
    return nature{.kind = terminal ? descriptor_kind::terminal : descriptor_kind::pipe};
}

// A second opening of the same file, whose modes are ours alone.
result<file_handle> open_again(native_handle handle, file_use how) noexcept {
    struct stat about{};
    // the master of pseudo terminals makes a new one each time it is opened
    if (::fstat(handle, &about) == 0 && S_ISCHR(about.st_mode) && about.st_rdev == makedev(5, 2))
        return fail(errc::not_supported);
    char path[32];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
    const int mode = how == file_use::to_both ? O_RDWR : how == file_use::to_read ? O_RDONLY : O_WRONLY;
    const int made = retry_interrupted([&] { return ::open(path, mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY); });
    if (made >= 0) return file_handle(made);
    if (errno == ENXIO) return fail(errc::broken_pipe, EPIPE);  // to write: nobody has it open to read
    return failure();
}

}  // namespace

ssize_t read_file(const descriptor& entry, void* into, std::size_t size) noexcept {
    const ssize_t got = retry_interrupted([&] { return ::read(entry.handle, into, size); });
    if (entry.kind == descriptor_kind::terminal && (got == 0 || (got < 0 && errno == EIO)) && size > 0) {
        const int saved = errno;
        if (hung_up(entry.handle)) {
            errno = ECONNRESET;
            return -1;
        }
        errno = saved;
    }
    return got;
}

ssize_t write_file(const descriptor& entry, const iovec* parts, int count) noexcept {
    if (entry.kind == descriptor_kind::pipe) return write_pipe(entry.handle, parts, count);
    const ssize_t wrote = retry_interrupted([&] { return ::writev(entry.handle, parts, count); });
    if (wrote < 0 && errno == EIO) errno = hung_up(entry.handle) ? ECONNRESET : EIO;
    return wrote;
}

result<void> require_system(event_loop& loop) noexcept {
    if (&loop.reactor().calls() != &system_calls()) return fail(errc::not_supported);
    return {};
}

result<void> set_non_blocking(native_handle handle) noexcept {
    const int flags = ::fcntl(handle, F_GETFL);
    if (flags < 0 || ::fcntl(handle, F_SETFL, flags | O_NONBLOCK) != 0) return failure();
    return {};
}

result<file_handle> duplicate(native_handle handle) noexcept {
    const int made = ::fcntl(handle, F_DUPFD_CLOEXEC, 0);
    if (made < 0) return failure();
    return file_handle(made);
}

socket detail::into_socket(event_loop& loop, file_handle file, descriptor_kind kind) {
    socket made(loop, file.get(), kind);  // throws before it owns
    (void)file.release();
    return made;
}

result<socket> adopt_file(event_loop& loop, file_handle file, file_use how) {
    if (const result<void> real = require_system(loop); !real) return std::unexpected(real.error());
    const result<nature> kind = nature_of(file.get());
    if (!kind) return std::unexpected(kind.error());
    if (!allows(file.get(), how)) return fail(errc::invalid_argument, EBADF);
    if (kind->waits) {
        const result<void> set = set_non_blocking(file.get());
        if (!set) return std::unexpected(set.error());
    }
    return detail::into_socket(loop, std::move(file), kind->kind);
}

result<socket> share_file(event_loop& loop, native_handle handle, file_use how) {
    if (const result<void> real = require_system(loop); !real) return std::unexpected(real.error());
    const result<nature> kind = nature_of(handle);
    if (!kind) return std::unexpected(kind.error());
    if (!allows(handle, how)) return fail(errc::invalid_argument, EBADF);
    result<file_handle> own = kind->waits ? open_again(handle, how) : duplicate(handle);
    if (!own) return std::unexpected(own.error());
    return detail::into_socket(loop, std::move(*own), kind->kind);
}

result<pipe> pipe::open(event_loop& loop, std::size_t capacity) {
    if (const result<void> real = require_system(loop); !real) return std::unexpected(real.error());
    int ends[2];
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return failure();
    file_handle from(ends[0]), to(ends[1]);
    pipe made{.reader = pipe_reader(detail::into_socket(loop, std::move(from), descriptor_kind::pipe)),
              .writer = pipe_writer(detail::into_socket(loop, std::move(to), descriptor_kind::pipe))};
    if (capacity > 0) {
        const result<std::size_t> got = made.writer.set_capacity(capacity);
        if (!got) return std::unexpected(got.error());
    }
    return made;
}

result<pipe_reader> pipe_reader::adopt(event_loop& loop, file_handle file) {
    result<socket> made = adopt_file(loop, std::move(file), file_use::to_read);
    if (!made) return std::unexpected(made.error());
    return pipe_reader(std::move(*made));
}
result<pipe_reader> pipe_reader::share(event_loop& loop, native_handle handle) {
    result<socket> made = share_file(loop, handle, file_use::to_read);
    if (!made) return std::unexpected(made.error());
    return pipe_reader(std::move(*made));
}
result<pipe_writer> pipe_writer::adopt(event_loop& loop, file_handle file) {
    result<socket> made = adopt_file(loop, std::move(file), file_use::to_write);
    if (!made) return std::unexpected(made.error());
    return pipe_writer(std::move(*made));
}
result<pipe_writer> pipe_writer::share(event_loop& loop, native_handle handle) {
    result<socket> made = share_file(loop, handle, file_use::to_write);
    if (!made) return std::unexpected(made.error());
    return pipe_writer(std::move(*made));
}

result<std::size_t> detail::pipe_capacity(native_handle handle) noexcept {
    const int got = ::fcntl(handle, F_GETPIPE_SZ);
    if (got < 0) return errno == EBADF ? fail(errc::not_supported, EBADF) : failure();
    return static_cast<std::size_t>(got);
}

result<std::size_t> detail::set_pipe_capacity(native_handle handle, std::size_t size) noexcept {
    if (size > 0x7fffffff) return fail(errc::invalid_argument, EINVAL);
    const int got = ::fcntl(handle, F_SETPIPE_SZ, static_cast<int>(size));
    if (got < 0) return errno == EBADF ? fail(errc::not_supported, EBADF) : failure();
    return static_cast<std::size_t>(got);
}

}  // namespace co_wq::io
