#include "io/backend/native_local.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/backend/retry_interrupted.hpp"
#include "io/passed_files.hpp"

namespace co_wq::io {
namespace {

constexpr std::size_t control_bytes = CMSG_SPACE(sizeof(int) * passed_files_max);

struct control {
    alignas(cmsghdr) unsigned char bytes[control_bytes];
};

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
            if (errno == EBADF && !work.files.empty()) return -EINVAL;  // one of the files, not the stream
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
    if (given.uid == static_cast<uid_t>(-1)) return fail(errc::not_supported);  // nobody is connected, or not local
    return peer_credentials{.process = given.pid, .user = given.uid, .group = given.gid};
}

}  // namespace co_wq::io
