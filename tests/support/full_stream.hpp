// Fills a TCP stream on loopback, so that nothing more goes in until the peer reads.
#pragma once

#include <array>
#include <chrono>

#include "io/descriptor.hpp"

#ifdef _WIN32

namespace co_wq {

// Sends as much as goes in now. True: it stays full. False: call again soon.
bool fill_stream(io::native_handle from, io::native_handle to) noexcept;  // system_windows.cpp

// Whether a stream that takes no more does not until the peer reads. Nothing tells what is on its way: that nothing
// has gone in for longer than an acknowledgement and the first probe of a closed window may take.
inline bool stays_full(io::native_handle, io::native_handle, std::chrono::steady_clock::time_point last_sent) noexcept {
    return std::chrono::steady_clock::now() - last_sent > std::chrono::milliseconds(250);
}

}  // namespace co_wq

#else

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace co_wq {

// Whether a stream that takes no more does not until the peer reads: all that it holds stays there.
inline bool stays_full(int from, int to, std::chrono::steady_clock::time_point = {}) noexcept {
    // An acknowledgement that is still to come would make room: now, not in 40 ms.
    const int on = 1;
    ::setsockopt(to, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    int queued = 0, unsent = 0;
    if (::ioctl(from, SIOCOUTQ, &queued) != 0 || ::ioctl(from, SIOCOUTQNSD, &unsent) != 0) return false;
    return unsent > 0 && queued == unsent;
}

// Sends as much as goes in now. True: it stays full. False: call again soon.
// Readiness does not tell: a stream becomes writable again only when a third of its buffer is free, and one that is
// not writable may take a small message.
inline bool fill_stream(int from, int to) noexcept {
    static constexpr std::array<char, 64 * 1024> block{};
    while (::send(from, block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    while (::send(from, block.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    return stays_full(from, to) && ::send(from, block.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
}

}  // namespace co_wq

#endif
