#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "io/backend/retry_interrupted.hpp"
#include "io/event_counter.hpp"

namespace co_wq::io {
namespace {

// /proc says what kind of anonymous file it is; without /proc everything passes.
bool may_be_counter(native_handle handle) noexcept {
    char path[32], target[64];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
    const ssize_t size = ::readlink(path, target, sizeof target);
    return size < 0 || std::string_view(target, static_cast<std::size_t>(size)) == "anon_inode:[eventfd]";
}

}  // namespace

result<void> detail::add_to_counter(native_handle handle, std::uint64_t count) noexcept {
    if (handle == no_handle) return fail(errc::closed);
    const ssize_t wrote = retry_interrupted([&] { return ::write(handle, &count, sizeof count); });
    if (wrote == sizeof count) return {};
    if (errno == EAGAIN) return fail(errc::limit_exceeded, EAGAIN);
    return fail(from_errno(errno));
}

result<event_counter> event_counter::open(event_loop& loop, mode how, std::uint32_t initial) {
    if (const result<void> real = require_system(loop); !real) return std::unexpected(real.error());
    const int handle = ::eventfd(initial, EFD_NONBLOCK | EFD_CLOEXEC | (how == mode::semaphore ? EFD_SEMAPHORE : 0));
    if (handle < 0) return fail(from_errno(errno));
    return event_counter(detail::into_socket(loop, file_handle(handle), descriptor_kind::pipe));
}

result<event_counter> event_counter::adopt(event_loop& loop, file_handle file) {
    if (const result<void> real = require_system(loop); !real) return std::unexpected(real.error());
    if (!file) return fail(errc::closed);
    if (!may_be_counter(file.get())) return fail(errc::not_supported);
    const result<void> set = set_non_blocking(file.get());
    if (!set) return std::unexpected(set.error());
    return event_counter(detail::into_socket(loop, std::move(file), descriptor_kind::pipe));
}

result<event_adder> event_counter::adder() const noexcept {
    if (!is_open()) return fail(errc::closed);
    result<file_handle> own = duplicate(handle());
    if (!own) return std::unexpected(own.error());
    return event_adder(std::move(*own));
}

}  // namespace co_wq::io
