#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "io/directory_watch.hpp"
#include "io/pipe.hpp"

namespace co_wq::io {

static_assert(static_cast<std::uint32_t>(change::all) == IN_ALL_EVENTS);
static_assert(static_cast<std::uint32_t>(change::unmounted) == IN_UNMOUNT &&
              static_cast<std::uint32_t>(change::overflow) == IN_Q_OVERFLOW &&
              static_cast<std::uint32_t>(change::watch_gone) == IN_IGNORED);

// Events as they were read, and those of them that were not given yet.
struct directory_watch::state {
    explicit state(socket from) noexcept : source(std::move(from)) {}

    bool empty() const noexcept { return begin == end; }
    file_event take() {
        inotify_event head;
        std::memcpy(&head, buffer.data() + begin, sizeof head);
        const char* name = reinterpret_cast<const char*>(buffer.data()) + begin + sizeof head;
        file_event made{.watch = head.wd,
                        .what = static_cast<change>(head.mask & ~std::uint32_t{IN_ISDIR}),
                        .folder = (head.mask & IN_ISDIR) != 0,
                        .cookie = head.cookie,
                        .name = std::string(name, ::strnlen(name, head.len))};
        begin += sizeof head + head.len;
        return made;
    }

    socket source;
    std::size_t begin = 0, end = 0;
    // an event has at most 16 + 256 bytes
    alignas(inotify_event) std::array<std::byte, 8192> buffer;
};

result<directory_watch> directory_watch::open(event_loop& loop) {
    if (const result<void> real = require_system(loop); !real) return std::unexpected(real.error());
    const int handle = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (handle < 0) return fail(from_errno(errno));
    return directory_watch(
        std::make_shared<state>(detail::into_socket(loop, file_handle(handle), descriptor_kind::pipe)));
}

result<int> directory_watch::add(const std::string& path, change wanted, watch_options options) const {
    if (!state_) return fail(errc::closed);
    if (path.find('\0') != std::string::npos) return fail(errc::invalid_argument, EINVAL);
    const std::uint32_t mask = (static_cast<std::uint32_t>(wanted) & IN_ALL_EVENTS) |
                               (options.only_folders ? IN_ONLYDIR : 0u) | (options.follow_link ? 0u : IN_DONT_FOLLOW) |
                               (options.once ? IN_ONESHOT : 0u);
    const int number = ::inotify_add_watch(state_->source.handle(), path.c_str(), mask);
    if (number >= 0) return number;
    if (errno == ENOSPC) return fail(errc::limit_exceeded, ENOSPC);
    return fail(from_errno(errno));
}

result<void> directory_watch::remove(int watch) const noexcept {
    if (!state_) return fail(errc::closed);
    if (::inotify_rm_watch(state_->source.handle(), watch) == 0) return {};
    if (errno == EINVAL) return fail(errc::not_found, EINVAL);
    return fail(from_errno(errno));
}

task<result<file_event>> directory_watch::next() const { return next_of(state_); }

task<result<file_event>> directory_watch::next_of(std::shared_ptr<state> from) {
    if (!from || !from->source.is_open()) co_return fail(errc::closed);
    while (from->empty()) {
        const result<std::size_t> got = co_await from->source.recv(from->buffer);
        if (!got) co_return std::unexpected(got.error());
        from->begin = 0;
        from->end = *got;
    }
    co_return from->take();
}

void directory_watch::close() noexcept {
    if (state_) std::exchange(state_, nullptr)->source.close();
}

const char* directory_watch::limit_of(const error& failure) noexcept {
    if (failure.os_code() == ENOSPC) return "fs.inotify.max_user_watches";
    if (failure.os_code() == EMFILE) return "fs.inotify.max_user_instances or RLIMIT_NOFILE";
    return "";
}

}  // namespace co_wq::io
