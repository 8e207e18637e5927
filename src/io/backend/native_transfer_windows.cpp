#include <algorithm>
#include <cerrno>

#include "io/backend/native_transfer.hpp"
#include "io/backend/nt_files.hpp"

namespace co_wq::io {
namespace {

using detail::file_request;

// Set in the request's mode.
constexpr std::uint32_t prepared = 1, no_holes_known = 2;

std::int64_t write_all(HANDLE handle, const std::byte* from, std::size_t size, std::uint64_t offset) noexcept {
    std::size_t wrote = 0;
    while (wrote < size) {
        const std::int64_t got = nt::write(handle, offset + wrote, from + wrote, size - wrote);
        if (got < 0) return got;
        if (got == 0) return -EIO;
        wrote += static_cast<std::size_t>(got);
    }
    return static_cast<std::int64_t>(size);
}

// How many bytes of a hole begin here, at most `most`; 0: data. `most` is cut to what lies before the next hole.
std::uint64_t hole_at(file_request& request, std::uint64_t offset, std::uint64_t& most) noexcept {
    const HANDLE file = nt::handle_of(request.handle);
    const std::uint64_t end = nt::size_of(file);
    if (offset >= end) return 0;
    const std::uint64_t here = std::min(most, end - offset);
    FILE_ALLOCATED_RANGE_BUFFER asked{}, data{};
    asked.FileOffset.QuadPart = static_cast<std::int64_t>(offset);
    asked.Length.QuadPart = static_cast<std::int64_t>(end - offset);
    std::int64_t got = nt::control(file, FSCTL_QUERY_ALLOCATED_RANGES, &asked, sizeof asked, &data, sizeof data);
    if (got == -(system_code_base + ERROR_MORE_DATA)) got = sizeof data;  // the first of several
    if (got < 0) {
        request.mode |= no_holes_known;
        return 0;
    }
    if (got == 0) return here;
    const auto begin = static_cast<std::uint64_t>(data.FileOffset.QuadPart);
    if (begin > offset) return std::min(here, begin - offset);
    most = std::min(here, begin + static_cast<std::uint64_t>(data.Length.QuadPart) - offset);
    return 0;
}

}  // namespace

std::int64_t transfer_once(file_request& request) noexcept {
    const std::uint64_t offset = request.offset + request.done;
    std::uint64_t most = request.length - request.done;
    if (request.flag && (request.mode & no_holes_known) == 0) {
        const std::uint64_t hole = hole_at(request, offset, most);
        if (hole > 0 && (request.mode & prepared) == 0) {
            request.mode |= prepared;
            nt::make_sparse(nt::handle_of(request.other));
        }
        if (hole > 0) return static_cast<std::int64_t>(hole);
    }
    const bytes block = request.buffer.block();
    const std::int64_t got = nt::read(nt::handle_of(request.handle), offset, block.data(),
                                      static_cast<std::size_t>(std::min<std::uint64_t>(most, block.size())));
    if (got <= 0) return got;
    return write_all(nt::handle_of(request.other), block.data(), static_cast<std::size_t>(got), offset);
}

}  // namespace co_wq::io
