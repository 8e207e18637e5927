// Bare sockets for questions to the kernel: nothing of the library lies between a probe and the system call.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace kernel {

inline constexpr int soon_ms = 5000;   // for what must happen: the test fails when it takes longer
inline constexpr int quiet_ms = 20;    // for what must not happen
inline constexpr int full_ms = 250;    // a delayed acknowledgement makes room as late as this
inline constexpr int no_size = 0;      // the kernel's own buffer size

class file {
public:
    file() noexcept = default;
    explicit file(int number) noexcept : number_(number) {}
    file(file&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    file& operator=(file&& other) noexcept {
        close();
        number_ = std::exchange(other.number_, -1);
        return *this;
    }
    ~file() { close(); }
    void close() noexcept {
        if (number_ >= 0) ::close(std::exchange(number_, -1));
    }
    int get() const noexcept { return number_; }
    int release() noexcept { return std::exchange(number_, -1); }
    operator int() const noexcept { return number_; }

private:
    int number_ = -1;
};

struct pair {
    file near, far;
};

inline sockaddr_in loopback(std::uint16_t port = 0) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return where;
}
inline const sockaddr* plain(const sockaddr_in& where) { return reinterpret_cast<const sockaddr*>(&where); }

inline file tcp() { return file(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

inline sockaddr_in address_of(int handle) {
    sockaddr_in where{};
    socklen_t size = sizeof where;
    EXPECT_EQ(::getsockname(handle, reinterpret_cast<sockaddr*>(&where), &size), 0);
    return where;
}

inline void set_option(int handle, int level, int name, int value) {
    EXPECT_EQ(::setsockopt(handle, level, name, &value, sizeof value), 0) << std::strerror(errno);
}
inline int option(int handle, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(handle, level, name, &value, &size), 0) << std::strerror(errno);
    return value;
}

inline file listen_on_loopback(int backlog = 16, int receive_buffer = no_size) {
    file listener = tcp();
    if (receive_buffer != no_size) set_option(listener, SOL_SOCKET, SO_RCVBUF, receive_buffer);
    const sockaddr_in where = loopback();
    EXPECT_EQ(::bind(listener, plain(where), sizeof where), 0);
    EXPECT_EQ(::listen(listener, backlog), 0);
    return listener;
}

// 0 or an errno.
inline int start_connect(int handle, const sockaddr_in& where) {
    return ::connect(handle, plain(where), sizeof where) == 0 ? 0 : errno;
}

// What poll reports within the time; 0: nothing.
inline int events_within(int handle, int asked, int limit_ms) {
    pollfd one{handle, static_cast<short>(asked), 0};
    const int got = ::poll(&one, 1, limit_ms);
    return got > 0 ? one.revents : 0;
}
inline bool comes(int handle, int asked) { return events_within(handle, asked, soon_ms) != 0; }

inline file accept_from(int listener) {
    EXPECT_TRUE(comes(listener, POLLIN));
    return file(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

// A connected pair; buffer sizes of the near end's sending and the far end's receiving side.
inline pair connect_pair(int send_buffer = no_size, int receive_buffer = no_size) {
    const file listener = listen_on_loopback(16, receive_buffer);
    pair made{tcp(), {}};
    if (send_buffer != no_size) set_option(made.near, SOL_SOCKET, SO_SNDBUF, send_buffer);
    (void)start_connect(made.near, address_of(listener));
    made.far = accept_from(listener);
    EXPECT_TRUE(comes(made.near, POLLOUT));
    return made;
}

// What a call came to: a count, or the negative errno.
inline ssize_t receive(int handle, std::size_t room = 65536) {
    std::vector<char> buffer(room + 1);
    const ssize_t got = ::recv(handle, buffer.data(), room, 0);
    return got < 0 ? -errno : got;
}
inline ssize_t send_text(int handle, const std::string& text) {
    const ssize_t sent = ::send(handle, text.data(), text.size(), MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
inline ssize_t receive_soon(int handle, std::size_t room = 65536) {
    EXPECT_TRUE(comes(handle, POLLIN));
    return receive(handle, room);
}

// Sends until the socket takes no more; how much it took.
inline std::size_t fill(int handle) {
    const std::string block(4096, 'f');
    std::size_t total = 0;
    for (;;) {
        const ssize_t sent = send_text(handle, block);
        if (sent > 0) total += static_cast<std::size_t>(sent);
        if (sent == -EAGAIN && events_within(handle, POLLOUT, full_ms) == 0) return total;
        if (sent < 0 && sent != -EAGAIN) return total;
    }
}

// Reads what is there until nothing comes any more for a while.
inline std::size_t drain(int handle, std::size_t at_least) {
    std::size_t total = 0;
    while (total < at_least && comes(handle, POLLIN)) {
        const ssize_t got = receive(handle);
        if (got <= 0) break;
        total += static_cast<std::size_t>(got);
    }
    return total;
}

inline void reset(file& one) {
    const linger hard{1, 0};
    EXPECT_EQ(::setsockopt(one, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    one.close();
}

}  // namespace kernel
