#include <algorithm>
#include <cerrno>

#include "io/backend/native_address.hpp"
#include "io/backend/native_datagrams.hpp"
#include "io/backend/native_headers.hpp"
#include "io/backend/native_sockets.hpp"
#include "io/backend/partial_send.hpp"
#include "io/backend/socket_handle_windows.hpp"
#include "io/backend/windows_error.hpp"

namespace co_wq::io {
namespace {

// One call takes as much as it is given, however little room there is: more than this at a time would be the system's
// memory instead of the sender's patience.
constexpr std::size_t send_piece_max = 256 * 1024;

std::unexpected<error> system_failure() noexcept { return fail(from_errno(-last_failure())); }

// ---- attempts

// As on Linux, a reset is told once. Then, and when the peer had ended before it, it is end of stream to who reads and
// a broken pipe to who writes. Windows itself tells it each time; Wine forgets it once a poll has reported it.
bool tell_reset(descriptor& entry) noexcept {
    if (entry.peer_ended || entry.reset_told) return false;
    entry.reset_told = true;
    return true;
}

bool is_reset(const descriptor& entry, int code) noexcept {
    return entry.kind == descriptor_kind::stream && (code == WSAECONNRESET || code == WSAECONNABORTED);
}

std::int32_t outcome_of_read(descriptor& entry, int got, std::size_t asked) noexcept {
    if (got > 0) return got;
    const bool reset = got == 0 ? entry.broken && asked > 0 : is_reset(entry, ::WSAGetLastError());
    if (got < 0 && !reset) return socket_failure();
    if (reset && tell_reset(entry)) return failure_of(WSAECONNRESET);
    if (asked > 0) entry.peer_ended = true;
    return 0;
}

void after_read(descriptor& entry, int got, std::size_t asked) noexcept {
    const bool emptied =
        static_cast<std::size_t>(got) < asked && got > 0 && entry.kind == descriptor_kind::stream && !entry.ended;
    if (got < 0 ? ::WSAGetLastError() == WSAEWOULDBLOCK : emptied) entry.readable = false;
}

int receive_some(const descriptor& entry, void* into, std::size_t size) noexcept {
    return ::recv(to_socket(entry.handle), static_cast<char*>(into),
                  static_cast<int>(std::min<std::size_t>(size, INT_MAX)), 0);
}

std::int32_t receive(descriptor& entry, op_slot::io_payload& io) noexcept {
    const int got = receive_some(entry, io.data, io.length);
    after_read(entry, got, io.length);
    return outcome_of_read(entry, got, io.length);
}

// Takes the block only when bytes are there.
std::int32_t receive_lent(descriptor& entry, op_slot::io_payload& io, buffer_pool& pool) noexcept {
    std::uint32_t capacity = 0;
    std::byte* block = pool.take_raw(io.length, capacity);
    const int got = receive_some(entry, block, capacity);
    after_read(entry, got, capacity);
    if (got <= 0) {
        const std::int32_t answer = outcome_of_read(entry, got, capacity);
        pool.give_back(block, capacity);
        if (answer != would_block) io.data = nullptr;
        return answer;
    }
    io.data = block;
    io.length = capacity;
    return got;
}

std::int32_t after_send(descriptor& entry, int sent) noexcept {
    if (sent >= 0) return sent;
    const int code = ::WSAGetLastError();
    if (is_reset(entry, code)) return failure_of(tell_reset(entry) ? WSAECONNRESET : WSAESHUTDOWN);
    if (code == WSAEWOULDBLOCK) entry.writable = false;
    return socket_failure();
}

std::int32_t send_plain(descriptor& entry, op_slot::io_payload& io) noexcept {
    const auto size = static_cast<int>(std::min<std::size_t>(io.length, send_piece_max));
    return after_send(entry, ::send(to_socket(entry.handle), static_cast<const char*>(io.data), size, 0));
}

std::int32_t send_all(descriptor& entry, op_slot::io_payload& io) noexcept {
    return send_to_the_end(io, [&] { return send_plain(entry, io); });
}

std::int32_t send_gathered(descriptor& entry, op_slot::io_payload& io) noexcept {
    constexpr DWORD most = 8;
    return send_parts_to_the_end(io, [&](const const_bytes* parts) {
        WSABUF vector[most];
        DWORD count = 0;
        std::size_t room = send_piece_max;
        for (; count < io.length && count < most && room > 0; ++count) {
            const std::size_t size = std::min(parts[count].size(), room);
            auto* const data = const_cast<std::byte*>(parts[count].data());
            vector[count] = {static_cast<ULONG>(size), reinterpret_cast<char*>(data)};
            room -= size;
        }
        DWORD moved = 0;
        const int failed = ::WSASend(to_socket(entry.handle), vector, count, &moved, 0, nullptr, nullptr);
        return after_send(entry, failed != 0 ? -1 : static_cast<int>(moved));
    });
}

std::int32_t accept_one(descriptor& entry) noexcept {
    for (;;) {
        const SOCKET got = ::accept(to_socket(entry.handle), nullptr, nullptr);
        if (got != INVALID_SOCKET) {
            prepare_socket(got);
            return to_native_handle(got);
        }
        const int failure = ::WSAGetLastError();
        // it was gone before we looked: not the listener's fault, take the next
        if (failure == WSAECONNRESET || failure == WSAECONNABORTED) continue;
        if (failure == WSAEWOULDBLOCK) entry.readable = false;
        return socket_failure();
    }
}

// select tells more of connects than WSAPoll, which before Windows 10 (2004) hid those that failed.
std::int32_t is_ready(native_handle handle, bool to_write) noexcept {
    fd_set wanted, failed;
    FD_ZERO(&wanted);
    FD_ZERO(&failed);
    wanted.fd_array[0] = failed.fd_array[0] = to_socket(handle);
    wanted.fd_count = failed.fd_count = 1;
    timeval none{0, 0};
    const int got = ::select(0, to_write ? nullptr : &wanted, to_write ? &wanted : nullptr, &failed, &none);
    if (got < 0) return socket_failure();
    return got > 0 ? 1 : would_block;
}

std::int32_t has_ended(descriptor& entry, direction way) noexcept {
    const bool there = entry.broken || (entry.ended && (way == direction::read_end || entry.send_ended));
    return there ? 1 : would_block;
}

// First call: connect itself. Later, when it has come to something: how it went.
std::int32_t connect_one(descriptor& entry, op_slot::io_payload& io) noexcept {
    if (io.data) {
        native_address where = to_native(*static_cast<const socket_address*>(io.data));
        io.data = nullptr;
        if (::connect(to_socket(entry.handle), where.get(), where.length) == 0) return 0;
        if (::WSAGetLastError() != WSAEWOULDBLOCK) return socket_failure();
        entry.writable = false;
        return would_block;
    }
    const std::int32_t ready = is_ready(entry.handle, true);
    if (ready < 0) return ready;
    int failure = 0, size = sizeof failure;
    ::getsockopt(to_socket(entry.handle), SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&failure), &size);
    return failure == 0 ? 0 : failure_of(static_cast<std::uint32_t>(failure));
}

class native_calls final : public socket_calls {
public:
    native_calls() noexcept {
        WSADATA about;
        (void)::WSAStartup(MAKEWORD(2, 2), &about);  // without it every call says WSANOTINITIALISED
    }

    result<native_handle> open_stream(address_family family) noexcept override { return open(family, SOCK_STREAM); }

    result<native_handle> open_listener(const socket_address& where, int backlog, bool share_port) noexcept override {
        if (share_port) return fail(errc::not_supported);  // SO_REUSEADDR would let anybody take the port over
        const result<native_handle> opened = open_stream(where.family());
        if (!opened) return opened;
        if (where.family() != address_family::local)
            (void)set_socket_option(*opened, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
        if (where.family() == address_family::ipv6) (void)set_socket_option(*opened, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        (void)set_socket_option(*opened, IPPROTO_TCP, TCP_NODELAY, 1);  // accepted sockets inherit it
        native_address native = to_native(where);
        if (::bind(to_socket(*opened), native.get(), native.length) == 0 && ::listen(to_socket(*opened), backlog) == 0)
            return opened;
        const std::int32_t saved = last_failure();
        close(*opened);
        return fail(from_errno(-saved));
    }

    bool can_share_port() const noexcept override { return false; }

    result<native_handle> open_datagram(address_family family) noexcept override {
        const result<native_handle> opened = open(family, SOCK_DGRAM);
        if (opened) report_refusals(*opened, false);
        return opened;
    }

    result<native_handle> open_sequenced() noexcept override { return fail(errc::not_supported); }
    result<std::pair<native_handle, native_handle>> open_local_pair() noexcept override {
        return fail(errc::not_supported);
    }
    result<void> set_mode(native_handle, std::uint32_t) noexcept override { return fail(errc::not_supported); }

    result<void> listen(native_handle handle, int backlog) noexcept override {
        return outcome(::listen(to_socket(handle), backlog));
    }

    result<peer_credentials> credentials(native_handle handle) noexcept override {
        ULONG process = 0;
        DWORD size = 0;
        const int asked = ::WSAIoctl(to_socket(handle), SIO_AF_UNIX_GETPEERPID, nullptr, 0, &process, sizeof process,
                                     &size, nullptr, nullptr);
        if (asked != 0) return system_failure();
        peer_credentials found;
        found.process = static_cast<std::int32_t>(process);
        return found;
    }

    result<void> bind_datagram(native_handle handle, const socket_address& where,
                               bool share_address) noexcept override {
        return bind_native(handle, where, share_address);
    }

    result<void> bind_source(native_handle handle, const socket_address& from) noexcept override {
        socket_address any_port = from;
        any_port.set_port(0);
        native_address native = to_native(any_port);
        return outcome(::bind(to_socket(handle), native.get(), native.length));
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
        report_refusals(handle, true);  // of a datagram socket, as it has one peer now
        if (::connect(to_socket(handle), native.get(), native.length) == 0) return 0;
        return ::WSAGetLastError() == WSAEWOULDBLOCK ? -EINPROGRESS : socket_failure();
    }

    std::int32_t receive_now(native_handle handle, bytes into, socket_address* from) noexcept override {
        native_address native;
        native.length = sizeof native.storage;
        const int got = ::recvfrom(to_socket(handle), reinterpret_cast<char*>(into.data()),
                                   static_cast<int>(into.size()), 0, native.get(), &native.length);
        if (got < 0) return socket_failure();
        if (from) *from = from_native(native);
        return got;
    }

    std::int32_t send_now(native_handle handle, const_bytes data) noexcept override {
        const auto size = static_cast<int>(std::min(data.size(), send_piece_max));
        const int sent = ::send(to_socket(handle), reinterpret_cast<const char*>(data.data()), size, 0);
        return sent < 0 ? socket_failure() : sent;
    }

    result<socket_address> local_address(native_handle handle) noexcept override {
        native_address native;
        native.length = sizeof native.storage;
        if (::getsockname(to_socket(handle), native.get(), &native.length) != 0) return system_failure();
        return from_native(native);
    }

    result<socket_address> peer_address(native_handle handle) noexcept override {
        native_address native;
        native.length = sizeof native.storage;
        if (::getpeername(to_socket(handle), native.get(), &native.length) != 0) return system_failure();
        return from_native(native);
    }

    result<void> shutdown_send(native_handle handle) noexcept override {
        return outcome(::shutdown(to_socket(handle), SD_SEND));
    }

    result<void> set_no_delay(native_handle handle, bool on) noexcept override {
        return set_socket_option(handle, IPPROTO_TCP, TCP_NODELAY, int{on});
    }

    result<void> set_reset_on_close(native_handle handle) noexcept override {
        return set_socket_option(handle, SOL_SOCKET, SO_LINGER, linger{1, 0});
    }

    // How often it asks is the system's own: 10 times.
    result<void> set_keep_alive(native_handle handle, int idle_s, int interval_s, int) noexcept override {
        tcp_keepalive asked{1, static_cast<ULONG>(idle_s) * 1000, static_cast<ULONG>(interval_s) * 1000};
        DWORD size = 0;
        return outcome(::WSAIoctl(to_socket(handle), SIO_KEEPALIVE_VALS, &asked, sizeof asked, nullptr, 0, &size,
                                  nullptr, nullptr));
    }

    void close(native_handle handle) noexcept override { ::closesocket(to_socket(handle)); }

    std::int32_t attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io,
                         buffer_pool& pool) noexcept override {
        switch (kind) {
            case op_kind::recv:
                if (detail == op_detail::lend) return receive_lent(entry, io, pool);
                if (detail == op_detail::datagrams) return receive_datagrams(entry, io);
                if (detail == op_detail::plain) return receive(entry, io);
                break;
            case op_kind::send:
                if (detail == op_detail::all) return send_all(entry, io);
                if (detail == op_detail::gather) return send_gathered(entry, io);
                if (detail == op_detail::datagrams) return send_datagrams(entry, io);
                if (detail == op_detail::plain) return send_plain(entry, io);
                break;
            case op_kind::accept: return accept_one(entry);
            case op_kind::connect: return connect_one(entry, io);
            case op_kind::poll: {
                const auto way = static_cast<direction>(io.length);
                const bool for_end = way == direction::read_end || way == direction::hang_up;
                return for_end ? has_ended(entry, way) : is_ready(entry.handle, way == direction::write);
            }
            default: break;
        }
        return -EOPNOTSUPP;  // no splicing, no files with bytes
    }

    result<pipe_pair> open_pipe(std::uint32_t) noexcept override { return fail(errc::not_supported); }
    void close_pipe(pipe_pair&) noexcept override {}

private:
    static result<native_handle> open(address_family family, int type) noexcept {
        const SOCKET made = open_socket(native_family(family), type);
        if (made == INVALID_SOCKET) return system_failure();
        prepare_socket(made);
        return to_native_handle(made);
    }
    // A socket that is not connected would end its next receive with an error when anything it sent found nobody.
    static void report_refusals(native_handle handle, bool on) noexcept {
        BOOL value = on;
        DWORD size = 0;
        (void)::WSAIoctl(to_socket(handle), udp_connreset, &value, sizeof value, nullptr, 0, &size, nullptr, nullptr);
    }
    static constexpr DWORD udp_connreset = 0x9800000C;  // SIO_UDP_CONNRESET, which older headers lack
};

}  // namespace

socket_calls& system_calls() noexcept { return native_sockets(); }

socket_calls& native_sockets() noexcept {
    static native_calls calls;
    return calls;
}

}  // namespace co_wq::io
