#include "io/backend/native_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "io/backend/native_transfer.hpp"
#include "io/backend/retry_interrupted.hpp"

namespace co_wq::io {
namespace {

using detail::file_request;
using kernel_status = struct statx;
static_assert(sizeof(kernel_status) == status_bytes);

template <class T>
std::int64_t answer(T got) noexcept {
    return got < 0 ? -errno : static_cast<std::int64_t>(got);
}

std::int64_t list(file_request& request) noexcept;

// One system call of the request.
std::int64_t call_once(file_request& request) noexcept {
    const int folder = native::folder_of(request);
    const auto offset = static_cast<off_t>(request.offset + request.done);
    const std::size_t left = request.length - request.done;
    switch (request.call) {
        case file_call::open:
            return answer(::openat(folder, request.path(0), native::open_flags(request), request.mode));
        case file_call::close:
            // interrupted: Linux has closed it all the same
            return ::close(request.handle) == 0 || errno == EINTR ? 0 : -errno;
        case file_call::read: return answer(::pread(request.handle, request.next_byte(), left, offset));
        case file_call::write: return answer(::pwrite(request.handle, request.next_byte(), left, offset));
        case file_call::sync: return answer(::fsync(request.handle));
        case file_call::sync_data: return answer(::fdatasync(request.handle));
        case file_call::status:
            return answer(::statx(folder, request.path(0), native::status_flags(request), native::status_mask(),
                                  reinterpret_cast<kernel_status*>(request.room())));
        case file_call::truncate: return answer(::ftruncate(request.handle, static_cast<off_t>(request.offset)));
        case file_call::allocate:
            return answer(
                ::fallocate(request.handle, 0, static_cast<off_t>(request.offset), static_cast<off_t>(request.length)));
        case file_call::set_mode: return answer(::fchmod(request.handle, request.mode));
        case file_call::rename:
            return answer(::renameat2(folder, request.path(0), folder, request.path(1), native::rename_flags(request)));
        case file_call::remove: return answer(::unlinkat(folder, request.path(0), 0));
        case file_call::make_directory: return answer(::mkdirat(folder, request.path(0), request.mode));
        case file_call::remove_directory: return answer(::unlinkat(folder, request.path(0), AT_REMOVEDIR));
        case file_call::list: return list(request);
        case file_call::transfer: return transfer_once(request);
    }
    return -ENOSYS;
}

struct packed_entry {
    std::uint64_t inode;
    std::int64_t next;
    std::uint16_t size;
    std::uint8_t type;
    char name[1];  // and more
};

constexpr std::size_t head_bytes = offsetof(packed_entry, name);

std::uint8_t type_of(int folder, const char* name) noexcept {
    struct stat found{};
    if (::fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
    return static_cast<std::uint8_t>(IFTODT(found.st_mode));
}

bool is_dots(std::string_view name) noexcept { return name == "." || name == ".."; }

// A block with an entry in it, or the end.
std::int64_t list(file_request& request) noexcept {
    std::byte* const block = request.buffer.block().data();
    for (;;) {
        const long got = ::syscall(SYS_getdents64, request.handle, block, request.buffer.block().size());
        if (got <= 0) return answer(got);
        bool found = false;
        for (long at = 0; at < got;) {
            auto& entry = *reinterpret_cast<packed_entry*>(block + at);
            if (entry.type == DT_UNKNOWN) entry.type = type_of(request.handle, entry.name);  // left out by some
            found |= !is_dots(entry.name);
            at += entry.size;
        }
        if (found) return got;
    }
}

file_type type_of_mode(unsigned mode) noexcept {
    switch (mode & S_IFMT) {
        case S_IFREG: return file_type::regular;
        case S_IFDIR: return file_type::directory;
        case S_IFLNK: return file_type::symbolic_link;
        case S_IFCHR: return file_type::character_device;
        case S_IFBLK: return file_type::block_device;
        case S_IFIFO: return file_type::fifo;
        case S_IFSOCK: return file_type::socket;
        default: return file_type::unknown;
    }
}

unsigned mode_of_type(file_type type) noexcept {
    return type == file_type::directory ? S_IFDIR : type == file_type::regular ? S_IFREG : 0;
}

statx_timestamp stamp_of(file_time when) noexcept {
    statx_timestamp made{};
    made.tv_sec = when.seconds;
    made.tv_nsec = when.nanoseconds;
    return made;
}

file_time time_of(const statx_timestamp& stamp) noexcept { return {stamp.tv_sec, stamp.tv_nsec}; }

// Fields that came after the structure's first form, where the headers have them.
template <class Status>
void direct_alignment(const Status& from, file_status& to) noexcept {
    if constexpr (requires { from.stx_dio_mem_align; }) {
        to.direct_memory_alignment = from.stx_dio_mem_align;
        to.direct_offset_alignment = from.stx_dio_offset_align;
    } else {
        // since Linux 6.1 at these places, zero before
        std::uint32_t both[2];
        std::memcpy(both, reinterpret_cast<const std::byte*>(&from) + 0x98, sizeof both);
        to.direct_memory_alignment = both[0];
        to.direct_offset_alignment = both[1];
    }
}

}  // namespace

namespace native {

int folder_of(const file_request& request) noexcept { return request.handle == no_handle ? AT_FDCWD : request.handle; }

int open_flags(const file_request& request) noexcept {
    const open_options& asked = request.opening;
    int flags = O_CLOEXEC | O_LARGEFILE;
    flags |= asked.access == file_access::read ? O_RDONLY : asked.access == file_access::write ? O_WRONLY : O_RDWR;
    if (asked.creation != file_creation::never) flags |= O_CREAT;
    if (asked.creation == file_creation::must) flags |= O_EXCL;
    if (asked.truncate) flags |= O_TRUNC;
    if (asked.direct) flags |= O_DIRECT;
    if (asked.no_follow) flags |= O_NOFOLLOW;
    if (request.folder) flags |= O_DIRECTORY;
    if (request.flag) flags |= O_NONBLOCK;
    return flags;
}

int status_flags(const file_request& request) noexcept {
    return (*request.path(0) == 0 ? AT_EMPTY_PATH : 0) | (request.flag ? AT_SYMLINK_NOFOLLOW : 0);
}

unsigned status_mask() noexcept {
    constexpr unsigned direct_io = 0x2000;  // STATX_DIOALIGN
    return STATX_BASIC_STATS | STATX_BTIME | direct_io;
}

unsigned rename_flags(const file_request& request) noexcept { return request.flag ? RENAME_NOREPLACE : 0; }

}  // namespace native

void perform_file_call(file_request& request) noexcept {
    do {
        const bool stop = request.unwanted.load(std::memory_order_relaxed) && request.call != file_call::close;
        if (stop) {
            request.failure = -ECANCELED;
            return;
        }
    } while (request.advance(call_once(request)));
}

bool read_cached(file_request& request, bool& supported) noexcept {
    for (;;) {
        iovec into{request.next_byte(), request.length - request.done};
        const ssize_t got =
            ::preadv2(request.handle, &into, 1, static_cast<off_t>(request.offset + request.done), RWF_NOWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {  // whatever it is, a thread asks again and is believed
            supported = errno == EAGAIN;
            return false;
        }
        if (got == 0) return false;  // the end; or Linux 5.9 or 5.10, which say so of pages they do not have
        if (!request.advance(answer(got))) return true;
    }
}

void close_now(native_handle handle) noexcept { ::close(handle); }

std::size_t last_name_at(std::string_view path) noexcept {
    const std::size_t slash = path.rfind('/');
    return slash == path.npos ? 0 : slash + 1;
}

file_status status_of(const file_request& request) noexcept {
    const auto& from = *reinterpret_cast<const kernel_status*>(request.room());
    file_status to{.type = type_of_mode(from.stx_mode),
                   .mode = from.stx_mode & 07777u,
                   .size_bytes = from.stx_size,
                   .stored_bytes = from.stx_blocks * 512,
                   .device = makedev(from.stx_dev_major, from.stx_dev_minor),
                   .inode = from.stx_ino,
                   .links = from.stx_nlink,
                   .user = from.stx_uid,
                   .group = from.stx_gid,
                   .modified = time_of(from.stx_mtime),
                   .changed = time_of(from.stx_ctime)};
    if (from.stx_mask & STATX_BTIME) to.born = time_of(from.stx_btime);
    direct_alignment(from, to);
    return to;
}

void put_status(file_request& request, const file_status& status) noexcept {
    kernel_status to{};
    to.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
    to.stx_mode = static_cast<std::uint16_t>(mode_of_type(status.type) | status.mode);
    to.stx_size = status.size_bytes;
    to.stx_blocks = status.stored_bytes / 512;
    to.stx_dev_major = major(status.device);
    to.stx_dev_minor = minor(status.device);
    to.stx_ino = status.inode;
    to.stx_nlink = status.links;
    to.stx_mtime = stamp_of(status.modified);
    to.stx_ctime = stamp_of(status.changed);
    to.stx_btime = stamp_of(status.born);
    std::memcpy(request.room(), &to, sizeof to);
}

std::size_t pack_entry(bytes into, std::string_view name, file_type type, std::uint64_t inode) noexcept {
    const std::size_t size = (head_bytes + name.size() + 1 + 7) / 8 * 8;
    if (size > into.size()) return 0;
    packed_entry head{};
    head.inode = inode;
    head.size = static_cast<std::uint16_t>(size);
    head.type = static_cast<std::uint8_t>(IFTODT(mode_of_type(type)));
    std::memset(into.data(), 0, size);
    std::memcpy(into.data(), &head, head_bytes);
    std::memcpy(into.data() + head_bytes, name.data(), name.size());
    return size;
}

std::vector<directory_entry> entries_of(const file_request& request) {
    std::vector<directory_entry> all;
    const std::byte* const block = request.buffer.block().data();
    for (std::uint64_t at = 0; at + head_bytes < request.done;) {
        const auto& entry = *reinterpret_cast<const packed_entry*>(block + at);
        at += entry.size;
        const std::string_view name(entry.name);
        if (is_dots(name)) continue;
        all.push_back({std::string(name), type_of_mode(DTTOIF(entry.type)), entry.inode});
    }
    return all;
}

}  // namespace co_wq::io
