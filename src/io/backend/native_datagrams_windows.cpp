#include <algorithm>
#include <cstring>
#include <span>

#include "io/backend/native_address.hpp"
#include "io/backend/native_datagrams.hpp"
#include "io/backend/native_headers.hpp"
#include "io/backend/socket_handle_windows.hpp"
#include "io/datagram.hpp"

namespace co_wq::io {
namespace {

// Whose datagram found nobody is told as on Linux.
std::int32_t datagram_failure(bool& may_go_on) noexcept {
    if (::WSAGetLastError() == WSAECONNRESET) return failure_of(WSAECONNREFUSED);
    const std::int32_t answer = socket_failure();
    if (answer == would_block) may_go_on = false;
    return answer;
}

std::int32_t receive_one(descriptor& entry, incoming& out, bool& more) noexcept {
    native_address native;
    native.length = sizeof native.storage;
    const int got =
        ::recvfrom(to_socket(entry.handle), reinterpret_cast<char*>(out.into.data()),
                   static_cast<int>(std::min<std::size_t>(out.into.size(), INT_MAX)), 0, native.get(), &native.length);
    const bool cut = got < 0 && ::WSAGetLastError() == WSAEMSGSIZE;
    if (got < 0 && !cut) return datagram_failure(more);
    out.size = cut ? static_cast<std::uint32_t>(out.into.size()) : static_cast<std::uint32_t>(got);
    out.full_size = out.size + (cut ? 1 : 0);  // how much more is not told
    out.from = from_native(native);
    out.segment_bytes = 0;
    return 1;
}

std::int32_t send_one(descriptor& entry, const outgoing& given, bool& more) noexcept {
    if (given.segment_bytes != 0) return failure_of(WSAEOPNOTSUPP);
    native_address to = to_native(given.to);
    const bool connected = given.to.family() == address_family::none;
    const int sent = ::sendto(to_socket(entry.handle), reinterpret_cast<const char*>(given.data.data()),
                              static_cast<int>(std::min<std::size_t>(given.data.size(), INT_MAX)), 0,
                              connected ? nullptr : to.get(), connected ? 0 : to.length);
    return sent < 0 ? datagram_failure(more) : 1;
}

// One call for each. A failure behind others is that of the next call, if it is there still.
template <class Message, class Call>
std::int32_t each_of(std::span<Message> all, bool& more, Call&& call) noexcept {
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::int32_t answer = call(all[i], more);
        if (answer < 0) return i > 0 ? static_cast<std::int32_t>(i) : answer;
    }
    return static_cast<std::int32_t>(all.size());
}

}  // namespace

std::int32_t receive_datagrams(descriptor& entry, op_slot::io_payload& io) noexcept {
    const std::span into(static_cast<incoming*>(io.data), std::min<std::size_t>(io.length, datagram_batch_max));
    bool more = true;
    const std::int32_t answer =
        each_of(into, more, [&](incoming& one, bool& go_on) { return receive_one(entry, one, go_on); });
    entry.readable &= more;
    return answer;
}

std::int32_t send_datagrams(descriptor& entry, op_slot::io_payload& io) noexcept {
    const std::span all(static_cast<const outgoing*>(io.data), std::min<std::size_t>(io.length, datagram_batch_max));
    bool more = true;
    const std::int32_t answer =
        each_of(all, more, [&](const outgoing& one, bool& go_on) { return send_one(entry, one, go_on); });
    entry.writable &= more;
    return answer;
}

namespace {

bool is_ipv6(native_handle handle) noexcept {
    WSAPROTOCOL_INFOW about{};
    int size = sizeof about;
    ::getsockopt(to_socket(handle), SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&about), &size);
    return about.iAddressFamily == AF_INET6;
}

}  // namespace

result<void> bind_native(native_handle handle, const socket_address& where, bool share_address) noexcept {
    if (share_address) {
        const result<void> shared = set_socket_option(handle, SOL_SOCKET, SO_REUSEADDR, 1);
        if (!shared) return shared;
    }
    if (where.family() == address_family::ipv6) (void)set_socket_option(handle, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    native_address native = to_native(where);
    return outcome(::bind(to_socket(handle), native.get(), native.length));
}

result<void> set_native_option(native_handle handle, datagram_option option, int value) noexcept {
    const bool v6 = is_ipv6(handle);
    const int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    switch (option) {
        case datagram_option::broadcast: return set_socket_option(handle, SOL_SOCKET, SO_BROADCAST, value);
        case datagram_option::multicast_hops:
            return set_socket_option(handle, level, v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL, value);
        case datagram_option::multicast_loop:
            return set_socket_option(handle, level, v6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP, value);
        case datagram_option::multicast_interface:
            // IPv4: an address in 0.0.0.0/8 is an index
            return set_socket_option(handle, level, v6 ? IPV6_MULTICAST_IF : IP_MULTICAST_IF,
                                     v6 ? value : static_cast<int>(::htonl(static_cast<u_long>(value))));
        case datagram_option::receive_segments: return fail(errc::not_supported);
        case datagram_option::receive_buffer: return set_socket_option(handle, SOL_SOCKET, SO_RCVBUF, value);
        case datagram_option::send_buffer: return set_socket_option(handle, SOL_SOCKET, SO_SNDBUF, value);
        case datagram_option::never_fragment:
            return set_socket_option(handle, level, v6 ? IPV6_DONTFRAG : IP_DONTFRAGMENT, value);
    }
    return fail(errc::not_supported);
}

result<void> change_native_group(native_handle handle, const socket_address& group, std::uint32_t interface_index,
                                 bool join) noexcept {
    const native_address native = to_native(group);
    group_req asked{};
    asked.gr_interface = interface_index;
    std::memcpy(&asked.gr_group, &native.storage, sizeof native.storage);
    const int level = group.family() == address_family::ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    return set_socket_option(handle, level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, asked);
}

}  // namespace co_wq::io
