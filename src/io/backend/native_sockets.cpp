#include "io/backend/native_sockets.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "io/backend/native_address.hpp"
#include "io/backend/native_datagrams.hpp"
#include "io/backend/native_local.hpp"
#include "io/backend/native_pipes.hpp"
#include "io/backend/no_sigpipe.hpp"
#include "io/backend/partial_send.hpp"
#include "io/backend/retry_interrupted.hpp"

namespace co_wq::io {
namespace {

std::int32_t last_error() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK ? would_block : -errno; }

std::unexpected<error> system_failure() noexcept { return fail(from_errno(errno)); }

// A read that came back short has emptied a stream; unless the peer has ended, the next one would block.
void after_read(descriptor& entry, ssize_t got, std::size_t asked) noexcept {
    if (got < 0) {
        if (errno == EAGAIN) entry.readable = false;
    } else if (static_cast<std::size_t>(got) < asked && got > 0 && entry.kind == descriptor_kind::stream &&
               !entry.ended) {
        entry.readable = false;
    }
}

bool is_file(const descriptor& entry) noexcept {
    return entry.kind == descriptor_kind::pipe || entry.kind == descriptor_kind::terminal;
}

ssize_t receive_some(const descriptor& entry, void* into, std::size_t size) noexcept {
    if (is_file(entry)) return read_file(entry, into, size);
    return retry_interrupted([&] { return ::recv(entry.handle, into, size, MSG_DONTWAIT); });
}

std::int32_t receive(descriptor& entry, op_slot::io_payload& io) noexcept {
    const ssize_t got = receive_some(entry, io.data, io.length);
    after_read(entry, got, io.length);
    return got < 0 ? last_error() : static_cast<std::int32_t>(got);
}

// Takes the block only when bytes are there.
std::int32_t receive_lent(descriptor& entry, op_slot::io_payload& io, buffer_pool& pool) noexcept {
    std::uint32_t capacity = 0;
    std::byte* block = pool.take_raw(io.length, capacity);
    const ssize_t got = receive_some(entry, block, capacity);
    after_read(entry, got, capacity);
    if (got <= 0) {
        const std::int32_t answer = got < 0 ? last_error() : 0;
        pool.give_back(block, capacity);
        if (answer != would_block) io.data = nullptr;
        return answer;
    }
    io.data = block;
    io.length = capacity;
    return static_cast<std::int32_t>(got);
}

std::int32_t receive_to_pipe(descriptor& entry, op_slot::io_payload& io) noexcept {
    auto& pipe = *static_cast<pipe_pair*>(io.data);
    const std::uint32_t room = std::min(io.length, pipe.capacity - pipe.held);
    const ssize_t got = retry_interrupted([&] {
        return ::splice(entry.handle, nullptr, pipe.write_end, nullptr, room, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    });
    if (got < 0) {
        if (errno == EAGAIN && pipe.held == 0) entry.readable = false;
        return last_error();
    }
    pipe.held += static_cast<std::uint32_t>(got);
    return static_cast<std::int32_t>(got);
}

std::int32_t after_send(descriptor& entry, ssize_t sent) noexcept {
    if (sent >= 0) return static_cast<std::int32_t>(sent);
    if (errno == EAGAIN) entry.writable = false;
    return last_error();
}

constexpr int send_flags = MSG_NOSIGNAL | MSG_DONTWAIT;

std::int32_t send_plain(descriptor& entry, op_slot::io_payload& io) noexcept {
    if (is_file(entry)) {
        const iovec one{io.data, io.length};
        return after_send(entry, write_file(entry, &one, 1));
    }
    return after_send(entry, retry_interrupted([&] { return ::send(entry.handle, io.data, io.length, send_flags); }));
}

ssize_t send_vector(const descriptor& entry, iovec* parts, std::size_t count) noexcept {
    if (is_file(entry)) return write_file(entry, parts, static_cast<int>(count));
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    return retry_interrupted([&] { return ::sendmsg(entry.handle, &message, send_flags); });
}

std::int32_t send_all(descriptor& entry, op_slot::io_payload& io) noexcept {
    return send_to_the_end(io, [&] { return send_plain(entry, io); });
}

std::int32_t send_gathered(descriptor& entry, op_slot::io_payload& io) noexcept {
    constexpr std::size_t most = 8;
    return send_parts_to_the_end(io, [&](const const_bytes* parts) {
        iovec vector[most];
        std::size_t count = 0;
        for (; count < io.length && count < most; ++count)
            vector[count] = {const_cast<std::byte*>(parts[count].data()), parts[count].size()};
        return after_send(entry, send_vector(entry, vector, count));
    });
}

// splice(2) knows no MSG_NOSIGNAL.
ssize_t splice_out(const pipe_pair& pipe, native_handle to) noexcept {
    const auto call = [&] {
        return ::splice(pipe.read_end, nullptr, to, nullptr, pipe.held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    };
    return ignores_sigpipe() ? retry_interrupted(call) : without_sigpipe(pipe.held, call);
}

std::int32_t send_from_pipe(descriptor& entry, op_slot::io_payload& io) noexcept {
    auto& pipe = *static_cast<pipe_pair*>(io.data);
    while (pipe.held > 0) {
        const std::int32_t answer = after_send(entry, splice_out(pipe, entry.handle));
        if (answer < 0) return answer;
        pipe.held -= static_cast<std::uint32_t>(answer);
    }
    return 0;
}

std::int32_t accept_one(descriptor& entry) noexcept {
    for (;;) {
        const int got = ::accept4(entry.handle, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (got >= 0) return got;
        // the connection was gone before we looked (accept(2) lists these): not the listener's fault, take the next
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO || errno == ENETDOWN || errno == EHOSTUNREACH ||
            errno == ENETUNREACH)
            continue;
        if (errno == EAGAIN) entry.readable = false;
        return last_error();
    }
}

std::int32_t is_ready(native_handle handle, short events) noexcept {
    pollfd one{handle, events, 0};
    const int got = retry_interrupted([&] { return ::poll(&one, 1, 0); });
    if (got < 0) return -errno;
    if (one.revents & POLLNVAL) return -EBADF;
    return got > 0 ? one.revents : would_block;
}

// Asks epoll itself where the kind of file does not tell.
result<bool> native_has_readiness(native_handle handle) noexcept {
    struct stat kind{};
    if (::fstat(handle, &kind) != 0) return system_failure();
    if (S_ISSOCK(kind.st_mode) || S_ISFIFO(kind.st_mode)) return true;
    if (S_ISREG(kind.st_mode) || S_ISDIR(kind.st_mode)) return false;
    const int probe = ::epoll_create1(EPOLL_CLOEXEC);
    if (probe < 0) return true;  // the reactor will find out
    epoll_event none{};
    const bool refused = ::epoll_ctl(probe, EPOLL_CTL_ADD, handle, &none) != 0 && errno == EPERM;
    ::close(probe);
    return !refused;
}

// First call: connect itself. Later, when the socket has become writable: how it went.
std::int32_t connect_one(descriptor& entry, op_slot::io_payload& io) noexcept {
    if (io.data) {
        native_address where = to_native(*static_cast<const socket_address*>(io.data));
        io.data = nullptr;
        if (::connect(entry.handle, where.get(), where.length) == 0) return 0;
        if (errno != EINPROGRESS && errno != EINTR) return -errno;
        entry.writable = false;
        return would_block;
    }
    if (is_ready(entry.handle, POLLOUT) == would_block) return would_block;
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(entry.handle, SOL_SOCKET, SO_ERROR, &failure, &size);
    return -failure;
}

class native_calls final : public socket_calls {
public:
    result<native_handle> open_stream(address_family family) noexcept override {
        const int handle = ::socket(native_family(family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (handle < 0) return system_failure();
        return handle;
    }

    result<native_handle> open_listener(const socket_address& where, int backlog, bool share_port) noexcept override {
        const result<native_handle> opened = open_stream(where.family());
        if (!opened) return opened;
        const int on = 1;
        ::setsockopt(*opened, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (share_port) ::setsockopt(*opened, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        if (where.family() == address_family::ipv6) ::setsockopt(*opened, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        ::setsockopt(*opened, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
        native_address native = to_native(where);
        if (::bind(*opened, native.get(), native.length) != 0 || ::listen(*opened, backlog) != 0) {
            const int saved = errno;
            ::close(*opened);
            return fail(from_errno(saved));
        }
        return opened;
    }

    result<native_handle> open_datagram(address_family family) noexcept override {
        const int handle = ::socket(native_family(family), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (handle < 0) return system_failure();
        return handle;
    }

    result<native_handle> open_sequenced() noexcept override {
        const int handle = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (handle < 0) return system_failure();
        return handle;
    }

    result<std::pair<native_handle, native_handle>> open_local_pair() noexcept override {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return system_failure();
        return std::pair{ends[0], ends[1]};
    }

    result<void> set_mode(native_handle handle, std::uint32_t mode) noexcept override {
        if (::fchmod(handle, mode) != 0) return system_failure();
        return {};
    }

    result<void> listen(native_handle handle, int backlog) noexcept override {
        if (::listen(handle, backlog) != 0) return system_failure();
        return {};
    }

    result<peer_credentials> credentials(native_handle handle) noexcept override { return credentials_of_peer(handle); }

    result<void> bind_datagram(native_handle handle, const socket_address& where,
                               bool share_address) noexcept override {
        return bind_native(handle, where, share_address);
    }

    result<void> bind_source(native_handle handle, const socket_address& from) noexcept override {
        const int on = 1;
        ::setsockopt(handle, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);  // IPv6 sockets know it, too
        socket_address any_port = from;
        any_port.set_port(0);
        native_address native = to_native(any_port);
        if (::bind(handle, native.get(), native.length) != 0) return system_failure();
        return {};
    }

    result<void> set_option(native_handle handle, datagram_option option, int value) noexcept override {
        return set_native_option(handle, option, value);
    }

    result<void> change_group(native_handle handle, const socket_address& group, std::uint32_t interface_index,
                              bool join) noexcept override {
        return change_native_group(handle, group, interface_index, join);
    }

    std::int32_t begin_connect(native_handle handle, const socket_address& where) noexcept override {
        native_address native = to_native(where);
        return ::connect(handle, native.get(), native.length) == 0 ? 0 : -errno;
    }

    std::int32_t receive_now(native_handle handle, bytes into, socket_address* from) noexcept override {
        native_address native;
        native.length = sizeof native.storage;
        const ssize_t got = retry_interrupted(
            [&] { return ::recvfrom(handle, into.data(), into.size(), 0, native.get(), &native.length); });
        if (got < 0) return last_error();
        if (from) *from = from_native(native);
        return static_cast<std::int32_t>(got);
    }

    std::int32_t send_now(native_handle handle, const_bytes data) noexcept override {
        const ssize_t sent = retry_interrupted([&] { return ::send(handle, data.data(), data.size(), MSG_NOSIGNAL); });
        return sent < 0 ? last_error() : static_cast<std::int32_t>(sent);
    }

    result<socket_address> local_address(native_handle handle) noexcept override {
        native_address native;
        native.length = sizeof native.storage;
        if (::getsockname(handle, native.get(), &native.length) != 0) return system_failure();
        return from_native(native);
    }

    result<socket_address> peer_address(native_handle handle) noexcept override {
        native_address native;
        native.length = sizeof native.storage;
        if (::getpeername(handle, native.get(), &native.length) != 0) return system_failure();
        return from_native(native);
    }

    result<void> shutdown_send(native_handle handle) noexcept override {
        if (::shutdown(handle, SHUT_WR) != 0) return system_failure();
        return {};
    }

    result<void> set_no_delay(native_handle handle, bool on) noexcept override {
        const int value = on;
        if (::setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) != 0) return system_failure();
        return {};
    }

    result<void> set_reset_on_close(native_handle handle) noexcept override {
        const linger value{1, 0};
        if (::setsockopt(handle, SOL_SOCKET, SO_LINGER, &value, sizeof value) != 0) return system_failure();
        return {};
    }

    // The filter of a listening socket sees segments from their TCP header on (socket(7), SO_ATTACH_FILTER; RFC 9293,
    // section 3.1: the flags are byte 13): a SYN without ACK is dropped, all else passes, to children, too.
    void ignore_newcomers(native_handle handle) noexcept override {
        sock_filter steps[] = {
            BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),          BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
            BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
        };
        const sock_fprog program{std::size(steps), steps};
        (void)::setsockopt(handle, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    }

    result<void> set_keep_alive(native_handle handle, int idle_s, int interval_s, int count) noexcept override {
        const int on = 1;
        if (::setsockopt(handle, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0 ||
            ::setsockopt(handle, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s) != 0 ||
            ::setsockopt(handle, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s) != 0 ||
            ::setsockopt(handle, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) != 0)
            return system_failure();
        return {};
    }

    void close(native_handle handle) noexcept override { ::close(handle); }

    result<bool> has_readiness(native_handle handle) noexcept override { return native_has_readiness(handle); }

    std::int32_t attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io,
                         buffer_pool& pool) noexcept override {
        switch (kind) {
            case op_kind::recv:
                if (detail == op_detail::lend) return receive_lent(entry, io, pool);
                if (detail == op_detail::to_pipe) return receive_to_pipe(entry, io);
                if (detail == op_detail::datagrams) return receive_datagrams(entry, io);
                if (detail == op_detail::files) return receive_files(entry, io);
                return receive(entry, io);
            case op_kind::send:
                if (detail == op_detail::all) return send_all(entry, io);
                if (detail == op_detail::gather) return send_gathered(entry, io);
                if (detail == op_detail::from_pipe) return send_from_pipe(entry, io);
                if (detail == op_detail::datagrams) return send_datagrams(entry, io);
                if (detail == op_detail::files) return send_files(entry, io);
                return send_plain(entry, io);
            case op_kind::accept: return accept_one(entry);
            case op_kind::connect: return connect_one(entry, io);
            case op_kind::poll:
                switch (static_cast<direction>(io.length)) {
                    case direction::read: return is_ready(entry.handle, POLLIN);
                    case direction::write: return is_ready(entry.handle, POLLOUT);
                    case direction::read_end: return is_ready(entry.handle, POLLRDHUP);
                    case direction::hang_up: return is_ready(entry.handle, 0);  // POLLERR and POLLHUP come unasked
                }
                return -EINVAL;
            default: return -EOPNOTSUPP;
        }
    }

    bool can_splice() const noexcept override { return true; }

    result<pipe_pair> open_pipe(std::uint32_t capacity) noexcept override {
        int ends[2];
        if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return system_failure();
        pipe_pair pipe{ends[0], ends[1], 65536, 0};
        // refused above the user's pipe budget; the default size works as well
        const int got = ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(capacity));
        if (got > 0) pipe.capacity = static_cast<std::uint32_t>(got);
        return pipe;
    }

    void close_pipe(pipe_pair& pipe) noexcept override {
        ::close(pipe.read_end);
        ::close(pipe.write_end);
        pipe = {};
    }
};

}  // namespace

socket_calls& system_calls() noexcept { return native_sockets(); }

socket_calls& native_sockets() noexcept {
    static native_calls calls;
    return calls;
}

}  // namespace co_wq::io
