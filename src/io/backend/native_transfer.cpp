#include "io/backend/native_transfer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "io/backend/retry_interrupted.hpp"

namespace co_wq::io {
namespace {

using detail::file_request;

// A step of one call ends soon enough for somebody who wants to stop.
constexpr std::uint64_t step_bytes_max = 16 * 1024 * 1024;

// The system has no way inside for these two files; another call may do.
bool must_copy(int error) noexcept {
    return error == EXDEV || error == EINVAL || error == EOPNOTSUPP || error == ENOSYS || error == EPERM ||
           error == EBADF || error == ETXTBSY;
}

std::int64_t write_all(int handle, const std::byte* from, std::size_t size, off_t offset) noexcept {
    std::size_t wrote = 0;
    while (wrote < size) {
        const ssize_t got = retry_interrupted(
            [&] { return ::pwrite(handle, from + wrote, size - wrote, offset + static_cast<off_t>(wrote)); });
        if (got < 0) return -errno;
        if (got == 0) return -EIO;
        wrote += static_cast<std::size_t>(got);
    }
    return static_cast<std::int64_t>(size);
}

std::int64_t copy_through_block(file_request& request, off_t offset, std::uint64_t most) noexcept {
    const bytes block = request.buffer.block();
    const std::size_t size = std::min<std::uint64_t>(most, block.size());
    const ssize_t got = retry_interrupted([&] { return ::pread(request.handle, block.data(), size, offset); });
    if (got <= 0) return got == 0 ? 0 : -errno;
    return write_all(request.other, block.data(), static_cast<std::size_t>(got), offset);
}

// How many bytes of a hole begin here, at most `most`; 0: data. `most` is cut to what lies before the next hole.
std::uint64_t hole_at(file_request& request, off_t offset, std::uint64_t& most) noexcept {
    const off_t data = ::lseek(request.handle, offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO) {  // a hole up to the end, or behind the end
        const off_t end = ::lseek(request.handle, 0, SEEK_END);
        return end > offset ? std::min<std::uint64_t>(most, static_cast<std::uint64_t>(end - offset)) : 0;
    }
    if (data > offset) return std::min<std::uint64_t>(most, static_cast<std::uint64_t>(data - offset));
    const off_t hole = data < 0 ? -1 : ::lseek(request.handle, offset, SEEK_HOLE);
    if (hole > offset) most = std::min<std::uint64_t>(most, static_cast<std::uint64_t>(hole - offset));
    return 0;
}

}  // namespace

std::int64_t transfer_once(file_request& request) noexcept {
    auto offset = static_cast<off_t>(request.offset + request.done);
    std::uint64_t most = std::min(request.length - request.done, step_bytes_max);
    if (request.flag) {
        if (const std::uint64_t hole = hole_at(request, offset, most)) return static_cast<std::int64_t>(hole);
    }
    if (request.mode == 0) {
        off_t from = offset, to = offset;
        const ssize_t got = ::copy_file_range(request.handle, &from, request.other, &to, most, 0);
        if (got > 0) return got;
        if (got < 0 && !must_copy(errno)) return -errno;
        // 0: the end, or a file that shows its bytes to read(2) only, as in /proc
        if (got < 0) request.mode = 1;
    }
    return copy_through_block(request, offset, most);
}

}  // namespace co_wq::io
