// Fills a TCP stream on loopback, so that nothing more goes in until the peer reads.
#pragma once

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>

namespace co_wq {

// Sends as much as goes in now. True: it stays full. False: call again soon.
// Readiness does not tell: a stream becomes writable again only when a third of its buffer is free, and one that is
// not writable may take a small message.
inline bool fill_stream(int from, int to) noexcept {
    static constexpr std::array<char, 64 * 1024> block{};
    while (::send(from, block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    while (::send(from, block.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    // An acknowledgement that is still to come would make room: now, not in 40 ms.
    const int on = 1;
    ::setsockopt(to, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    int queued = 0, unsent = 0;
    if (::ioctl(from, SIOCOUTQ, &queued) != 0 || ::ioctl(from, SIOCOUTQNSD, &unsent) != 0) return false;
    if (unsent == 0 || queued != unsent) return false;
    return ::send(from, block.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
}

}  // namespace co_wq
