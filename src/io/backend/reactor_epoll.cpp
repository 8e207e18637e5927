#include "io/backend/reactor_epoll.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "io/backend/native_sockets.hpp"

namespace co_wq::io {
namespace {

// No entry has generation 0.
constexpr std::uint64_t wake_tag = 0;

epoll_event interest(const descriptor& entry, bool room) noexcept {
    return {EPOLLIN | EPOLLRDHUP | EPOLLET | (room ? EPOLLOUT : 0u), {.u64 = entry.tag().to_u64()}};
}

}  // namespace

reactor_epoll::reactor_epoll(op_slab& slots)
    : reactor(slots, native_sockets()), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    epoll_event event{EPOLLIN | EPOLLET, {.u64 = wake_tag}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_.handle(), &event) == 0) return;
    const int saved = errno;
    ::close(epoll_);
    throw std::system_error(saved, std::generic_category(), "epoll_ctl");
}

reactor_epoll::~reactor_epoll() { ::close(epoll_); }

// A TCP stream tells of room only after it had none. Other files tell each time their peer has taken something: of
// them room is asked for while a writer waits for it. What others may close keeps the registration it has.
bool reactor_epoll::tells_room_rarely(const descriptor& entry) noexcept {
    return entry.kind == descriptor_kind::stream || !entry.owned;
}

result<void> reactor_epoll::change(descriptor& entry, bool room) noexcept {
    epoll_event event = interest(entry, room);
    if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, entry.handle, &event) != 0) return fail(from_errno(errno));
    entry.room_watched = room;
    return {};
}

// Registration reports what is ready already, so nothing is missed between the attempt and this call.
result<void> reactor_epoll::watch(descriptor& entry, direction way) noexcept {
    const bool room = way == direction::write || tells_room_rarely(entry);
    if (entry.watched) return room && !entry.room_watched ? change(entry, true) : result<void>{};
    epoll_event event = interest(entry, room);
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, entry.handle, &event) != 0) {
        if (errno != EPERM || entry.kind != descriptor_kind::pipe) return fail(from_errno(errno));
        never_waits(entry);
        return {};
    }
    entry.watched = true;
    entry.room_watched = room;
    if (!foreign_.empty()) drop_overtaken(entry);
    if (!entry.owned) foreign_.push_back(entry.tag());
    return {};
}

// This number was registered for a file that others close, and names another one now: the kernel has dropped that
// registration. Its entry stays as if it were watched, so that it never reaches for the number again.
void reactor_epoll::drop_overtaken(const descriptor& by) noexcept {
    std::erase_if(foreign_, [&](op_tag tag) { return table_.at(tag.index).handle == by.handle; });
}

// Closing the last descriptor of a file removes it from epoll; one we do not own, or that was duplicated, stays.
void reactor_epoll::forget(descriptor& entry) noexcept {
    if (!entry.watched) return;
    entry.watched = false;
    const bool foreign = !entry.owned && std::erase(foreign_, entry.tag()) > 0;
    // a listener's file may live on in another process
    if (foreign || entry.kind == descriptor_kind::listener) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, entry.handle, nullptr);
}

void reactor_epoll::wait(time_point until) noexcept {
    constexpr int batch = 256;
    epoll_event events[batch];
    ++stats_.waits;
    int count;
    if (until == no_deadline) {
        count = ::epoll_wait(epoll_, events, batch, -1);
    } else {
        const auto left = std::max<std::int64_t>(0, until == time_point{} ? 0 : (until - now()).count());
        if (left == 0) {
            count = ::epoll_wait(epoll_, events, batch, 0);
        } else if (precise_timeouts_) {
            const timespec limit{left / 1'000'000'000, left % 1'000'000'000};
            count = ::epoll_pwait2(epoll_, events, batch, &limit, nullptr);
            if (count < 0 && errno == ENOSYS) precise_timeouts_ = false;  // before Linux 5.11: the loop comes back
        } else {
            count = ::epoll_wait(epoll_, events, batch,
                                 static_cast<int>(std::min<std::int64_t>(left / 1'000'000 + 1, 1 << 30)));
        }
    }
    for (int i = 0; i < count; ++i) {
        ++stats_.events;
        if (events[i].data.u64 == wake_tag) {
            wake_.drain();
            continue;
        }
        descriptor* entry = table_.find(op_tag::from_u64(events[i].data.u64));
        if (!entry) {
            ++stats_.stale;
            continue;
        }
        const std::uint32_t mask = events[i].events;
        if (mask & EPOLLOUT && !entry->writer && !tells_room_rarely(*entry)) (void)change(*entry, false);
        on_ready(*entry, (mask & EPOLLIN ? event_read : 0) | (mask & EPOLLOUT ? event_write : 0) |
                             (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? event_end : 0));
    }
}

}  // namespace co_wq::io
