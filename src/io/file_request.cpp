#include "io/file_request.hpp"

#include <cerrno>
#include <cstring>

#include "io/file_service.hpp"

namespace co_wq::io {

const char* name_of(file_call call) noexcept {
    static constexpr const char* names[] = {
        "open",     "close",    "read",     "write",  "sync",   "sync",           "status",
        "truncate", "allocate", "set mode", "rename", "remove", "make directory", "remove directory",
        "list",     "transfer"};
    return names[static_cast<unsigned>(call)];
}

namespace detail {
namespace {

constexpr std::size_t path_bytes_max = 4095;  // PATH_MAX of Linux, less the final 0

std::int32_t misfit(std::string_view path) noexcept {
    if (path.empty()) return -ENOENT;
    if (path.find('\0') != std::string_view::npos) return -EINVAL;
    return path.size() > path_bytes_max ? -ENAMETOOLONG : 0;
}

}  // namespace

file_request::file_request(file_call which, std::uint32_t bytes, std::uint32_t texts_at) noexcept
    : owned_node(&act), call(which), bytes_(bytes), texts_at_(texts_at) {}

file_request& file_request::make(file_call call, std::initializer_list<std::string_view> paths, std::size_t room) {
    static_assert(alignof(file_request) <= 16 && sizeof(file_request) % 8 == 0);
    std::int32_t failure = 0;
    for (const std::string_view path : paths)
        if (failure == 0) failure = misfit(path);
    std::size_t bytes = sizeof(file_request) + room + 1;
    if (failure == 0)
        for (const std::string_view path : paths) bytes += path.size() + 1;
    auto* made = ::new (pool_allocate(bytes))
        file_request(call, static_cast<std::uint32_t>(bytes), static_cast<std::uint32_t>(room));
    made->failure = failure;
    std::byte* to = made->room() + room;
    *to = std::byte{0};  // without a path: the file itself
    if (failure == 0) {
        for (const std::string_view path : paths) {
            std::memcpy(to, path.data(), path.size());
            to[path.size()] = std::byte{0};
            to += path.size() + 1;
        }
    }
    return *made;
}

void file_request::free() noexcept {
    const std::size_t bytes = bytes_;
    this->~file_request();
    pool_free(this, bytes);
}

const char* file_request::path(int number) const noexcept {
    const char* at = reinterpret_cast<const char*>(room()) + texts_at_;
    for (; number > 0; --number) at += std::strlen(at) + 1;
    return at;
}

bool file_request::advance(std::int64_t got) noexcept {
    if (got == -EINTR) return true;  // of close it is no failure, and does not come here
    if (got < 0) {
        // of a file that was not opened for it; that its owner closed it is told in another way
        failure = got == -EBADF ? -EACCES : static_cast<std::int32_t>(got);
        return false;
    }
    if (call == file_call::open) {
        made = static_cast<std::int32_t>(got);
        return false;
    }
    done += static_cast<std::uint64_t>(got);
    if (call == file_call::read || call == file_call::transfer) return got > 0 && done < length;
    if (call != file_call::write || done >= length) return false;
    if (got > 0) return true;
    failure = -EIO;  // neither bytes nor a reason: a broken file system
    return false;
}

std::int32_t file_request::outcome() const noexcept {
    if (call == file_call::open) return failure < 0 ? failure : made;
    const bool bytes_win = call == file_call::read || call == file_call::transfer;
    if (failure < 0 && !(bytes_win && done > 0)) return failure;
    return static_cast<std::int32_t>(done);
}

// First on a worker's thread, then on the loop's own.
void file_request::act(owned_node& self, bool run) noexcept {
    auto& me = static_cast<file_request&>(self);
    if (!run) return;  // the loop had to leak what it had: nobody is left who could tell what is safe to free
    if (std::exchange(me.performed_, true)) return me.home->returned(me);
    me.home->perform(me);
}

}  // namespace detail
}  // namespace co_wq::io
