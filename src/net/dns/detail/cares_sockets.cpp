#include "net/dns/detail/cares_sockets.hpp"

#include <ares.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/os/errors.hpp"
#include "base/os/io_vector.hpp"

namespace co_wq::net::dns::detail {
namespace {

template <class Native>
const Native read_as(const sockaddr* from) noexcept {
    Native out;
    std::memcpy(&out, from, sizeof out);
    return out;
}

std::uint16_t port_of(const void* in_network_order) noexcept {
    std::uint8_t octets[2];
    std::memcpy(octets, in_network_order, sizeof octets);
    return static_cast<std::uint16_t>(octets[0] << 8 | octets[1]);
}

void put_port(std::uint16_t port, void* in_network_order) noexcept {
    const std::uint8_t octets[2] = {static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)};
    std::memcpy(in_network_order, octets, sizeof octets);
}

template <class Native>
void put(const Native& native, sockaddr* to, ares_socklen_t& length) noexcept {
    std::memcpy(to, &native, std::min<std::size_t>(sizeof native, length));
    length = sizeof native;
}

void put_address(const io::socket_address& from, sockaddr* to, ares_socklen_t& length) noexcept {
    if (from.family() == io::address_family::ipv6) {
        sockaddr_in6 native{};
        native.sin6_family = AF_INET6;
        put_port(from.port(), &native.sin6_port);
        std::memcpy(&native.sin6_addr, from.octets().data(), 16);
        native.sin6_scope_id = from.scope();
        return put(native, to, length);
    }
    sockaddr_in native{};
    native.sin_family = AF_INET;
    put_port(from.port(), &native.sin_port);
    std::memcpy(&native.sin_addr, from.octets().data(), 4);
    put(native, to, length);
}

io::native_handle to_native(ares_socket_t handle) noexcept { return static_cast<io::native_handle>(handle); }

io::socket_calls& calls_of(void* self) noexcept { return *static_cast<io::socket_calls*>(self); }

int failed(std::int32_t result) noexcept {
    os::set_socket_error(result == io::would_block ? EAGAIN : -result);
    return -1;
}

ares_socket_t open_one(int domain, int type, int, void* self) {
    const io::address_family family = domain == AF_INET6 ? io::address_family::ipv6 : io::address_family::ipv4;
    const bool stream = type == SOCK_STREAM;
    const result<io::native_handle> made =
        stream ? calls_of(self).open_stream(family) : calls_of(self).open_datagram(family);
    if (!made) {
        (void)failed(-made.error().os_code());
        return ARES_SOCKET_BAD;
    }
    if (stream) (void)calls_of(self).set_no_delay(*made, true);
    return static_cast<ares_socket_t>(*made);
}

int close_one(ares_socket_t handle, void* self) {
    calls_of(self).close(to_native(handle));
    return 0;
}

int connect_one(ares_socket_t handle, const sockaddr* where, ares_socklen_t length, void* self) {
    const std::int32_t got = calls_of(self).begin_connect(to_native(handle), address_from(where, length));
    return got < 0 ? failed(got) : 0;
}

ares_ssize_t receive(ares_socket_t handle, void* into, std::size_t room, int, sockaddr* from, ares_socklen_t* length,
                     void* self) {
    io::socket_address sender;
    const std::int32_t got =
        calls_of(self).receive_now(to_native(handle), {static_cast<std::byte*>(into), room}, &sender);
    if (got < 0) return failed(got);
    if (from && length) put_address(sender, from, *length);
    return got;
}

ares_ssize_t send_parts(ares_socket_t handle, const iovec* parts, int count, void* self) {
    std::string whole;
    for (int i = 0; i < count; ++i) whole.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    const std::int32_t sent = calls_of(self).send_now(to_native(handle), as_bytes(std::string_view(whole)));
    return sent < 0 ? failed(sent) : sent;
}

constexpr ares_socket_functions functions{&open_one, &close_one, &connect_one, &receive, &send_parts};

}  // namespace

void use_sockets_of(io::socket_calls& calls, ares_channeldata* channel) noexcept {
    ares_set_socket_functions(channel, &functions, &calls);
}

io::socket_address address_from(const sockaddr* native, std::size_t length) noexcept {
    if (native->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
        const auto ipv4 = read_as<sockaddr_in>(native);
        std::array<std::uint8_t, 4> octets;
        std::memcpy(octets.data(), &ipv4.sin_addr, octets.size());
        return io::socket_address::ipv4(octets, port_of(&ipv4.sin_port));
    }
    if (native->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
        const auto ipv6 = read_as<sockaddr_in6>(native);
        std::array<std::uint8_t, 16> octets;
        std::memcpy(octets.data(), &ipv6.sin6_addr, octets.size());
        return io::socket_address::ipv6(octets, port_of(&ipv6.sin6_port), ipv6.sin6_scope_id);
    }
    return {};
}

}  // namespace co_wq::net::dns::detail
