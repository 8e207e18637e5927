#include "io/backend/native_datagrams.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/backend/native_address.hpp"
#include "io/backend/retry_interrupted.hpp"
#include "io/datagram.hpp"

namespace co_wq::io {
namespace {

// More than this is not taken or given in one call.
constexpr std::size_t batch_max = datagram_batch_max;

// What the system's form of one message needs beside it. Nothing is set before prepare: a batch has many of them.
struct native_message {
    sockaddr_storage address;
    iovec memory;
    alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int))];
};

msghdr header_of(native_message& one) noexcept {
    msghdr header{};
    header.msg_iov = &one.memory;
    header.msg_iovlen = 1;
    return header;
}

msghdr prepare(native_message& one, const incoming& wanted) noexcept {
    one.memory = {wanted.into.data(), wanted.into.size()};
    msghdr header = header_of(one);
    header.msg_name = &one.address;
    header.msg_namelen = sizeof one.address;
    header.msg_control = one.control;
    header.msg_controllen = sizeof one.control;
    return header;
}

msghdr prepare(native_message& one, const outgoing& given) noexcept {
    one.memory = {const_cast<std::byte*>(given.data.data()), given.data.size()};
    msghdr header = header_of(one);
    if (given.to.family() != address_family::none) {
        const native_address to = to_native(given.to);
        std::memcpy(&one.address, &to.storage, to.length);
        header.msg_name = &one.address;
        header.msg_namelen = to.length;
    }
    if (given.segment_bytes == 0) return header;
    header.msg_control = one.control;
    header.msg_controllen = CMSG_SPACE(sizeof given.segment_bytes);
    cmsghdr* note = CMSG_FIRSTHDR(&header);
    note->cmsg_level = SOL_UDP;
    note->cmsg_type = UDP_SEGMENT;
    note->cmsg_len = CMSG_LEN(sizeof given.segment_bytes);
    std::memcpy(CMSG_DATA(note), &given.segment_bytes, sizeof given.segment_bytes);
    return header;
}

// Files that a local socket's peer sent and nobody asked for; what found no room here the system has closed.
void close_files(const cmsghdr& note) noexcept {
    for (std::size_t at = 0; at + CMSG_LEN(sizeof(int)) <= note.cmsg_len; at += sizeof(int)) {
        int number = no_handle;
        std::memcpy(&number, CMSG_DATA(&note) + at, sizeof number);
        ::close(number);
    }
}

void take(incoming& out, msghdr& header, std::size_t full_size) noexcept {
    out.full_size = static_cast<std::uint32_t>(full_size);
    out.size = static_cast<std::uint32_t>(std::min(full_size, out.into.size()));
    out.from = from_native(*static_cast<const sockaddr_storage*>(header.msg_name), header.msg_namelen);
    out.segment_bytes = 0;
    for (cmsghdr* note = CMSG_FIRSTHDR(&header); note; note = CMSG_NXTHDR(&header, note)) {
        if (note->cmsg_level == SOL_SOCKET && note->cmsg_type == SCM_RIGHTS) close_files(*note);
        if (note->cmsg_level != SOL_UDP || note->cmsg_type != UDP_GRO) continue;
        int segment = 0;
        std::memcpy(&segment, CMSG_DATA(note), sizeof segment);
        out.segment_bytes = static_cast<std::uint16_t>(segment);
    }
}

std::int32_t failure(bool& may_go_on) noexcept {
    if (errno != EAGAIN && errno != EWOULDBLOCK) return -errno;
    may_go_on = false;
    return would_block;
}

// Of a local socket that is not connected, no event tells when its receiver has room again.
std::int32_t failure(bool& may_go_on, const outgoing& first) noexcept {
    if (errno == EAGAIN && first.to.family() == address_family::local) return -EAGAIN;
    return failure(may_go_on);
}

}  // namespace

namespace {

// The first two of a run are taken one by one: where one comes at a time, an answer to it waits for no second look.
// Asking for a message costs some 30 ns even if none is there; so few are asked for until that many came.
constexpr std::uint8_t flow_few = 2, flow_many = 3;
constexpr std::size_t few = 4;

std::uint8_t next_flow(std::uint8_t before, std::int32_t got) noexcept {
    if (got < 0) return 0;
    if (before < flow_few) return before + 1;
    if (got == 1) return 0;
    return static_cast<std::size_t>(got) < few ? flow_few : flow_many;
}

std::int32_t receive_one(descriptor& entry, incoming& into, bool& more) noexcept {
    native_message one;
    msghdr header = prepare(one, into);
    // MSG_TRUNC as an argument: the length that it had is told
    const ssize_t got =
        retry_interrupted([&] { return ::recvmsg(entry.handle, &header, MSG_TRUNC | MSG_CMSG_CLOEXEC); });
    if (got < 0) return failure(more);
    take(into, header, static_cast<std::size_t>(got));
    return 1;
}

std::int32_t receive_several(descriptor& entry, std::span<incoming> into, bool& more) noexcept {
    native_message messages[batch_max];
    mmsghdr headers[batch_max];
    for (std::size_t i = 0; i < into.size(); ++i) headers[i] = {prepare(messages[i], into[i]), 0};
    const int got = retry_interrupted([&] {
        return ::recvmmsg(entry.handle, headers, static_cast<unsigned>(into.size()), MSG_TRUNC | MSG_CMSG_CLOEXEC,
                          nullptr);
    });
    if (got < 0) return failure(more);
    for (int i = 0; i < got; ++i) take(into[static_cast<std::size_t>(i)], headers[i].msg_hdr, headers[i].msg_len);
    // Fewer than were asked for: there were no more, or an error came during the call; both make an event of their own.
    if (static_cast<std::size_t>(got) < into.size()) more = false;
    return got;
}

}  // namespace

std::int32_t receive_datagrams(descriptor& entry, op_slot::io_payload& io) noexcept {
    std::span into(static_cast<incoming*>(io.data), std::min<std::size_t>(io.length, batch_max));
    if (entry.flow < flow_few) into = into.first(1);
    if (entry.flow == flow_few) into = into.first(std::min(into.size(), few));
    bool more = true;
    const std::int32_t answer =
        into.size() == 1 ? receive_one(entry, into[0], more) : receive_several(entry, into, more);
    entry.flow = next_flow(entry.flow, answer) & 3u;
    entry.readable &= more;
    return answer;
}

std::int32_t send_datagrams(descriptor& entry, op_slot::io_payload& io) noexcept {
    const std::span all(static_cast<const outgoing*>(io.data), std::min<std::size_t>(io.length, batch_max));
    bool more = true;
    if (all.size() == 1) {
        native_message one;
        const msghdr header = prepare(one, all[0]);
        const ssize_t sent = retry_interrupted([&] { return ::sendmsg(entry.handle, &header, MSG_NOSIGNAL); });
        const std::int32_t answer = sent < 0 ? failure(more, all[0]) : 1;
        entry.writable &= more;
        return answer;
    }
    native_message messages[batch_max];
    mmsghdr headers[batch_max];
    for (std::size_t i = 0; i < all.size(); ++i) headers[i] = {prepare(messages[i], all[i]), 0};
    const int sent = retry_interrupted(
        [&] { return ::sendmmsg(entry.handle, headers, static_cast<unsigned>(all.size()), MSG_NOSIGNAL); });
    const std::int32_t answer = sent < 0 ? failure(more, all[0]) : sent;
    entry.writable &= more;
    return answer;
}

namespace {

result<void> outcome(int answer) noexcept {
    if (answer != 0) return fail(from_errno(errno));
    return {};
}

bool is_ipv6(native_handle handle) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    ::getsockopt(handle, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    return domain == AF_INET6;
}

}  // namespace

result<void> bind_native(native_handle handle, const socket_address& where, bool share_address) noexcept {
    const int on = 1;
    if (share_address && ::setsockopt(handle, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return outcome(-1);
    if (share_address && ::setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return outcome(-1);
    if (where.family() == address_family::ipv6) ::setsockopt(handle, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    native_address native = to_native(where);
    return outcome(::bind(handle, native.get(), native.length));
}

result<void> set_native_option(native_handle handle, datagram_option option, int value) noexcept {
    const bool v6 = is_ipv6(handle);
    int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int name = 0;
    switch (option) {
        case datagram_option::broadcast: level = SOL_SOCKET, name = SO_BROADCAST; break;
        case datagram_option::multicast_hops: name = v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL; break;
        case datagram_option::multicast_loop: name = v6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP; break;
        case datagram_option::multicast_interface:
            if (!v6) {
                ip_mreqn by_index{};
                by_index.imr_ifindex = value;
                return outcome(::setsockopt(handle, IPPROTO_IP, IP_MULTICAST_IF, &by_index, sizeof by_index));
            }
            name = IPV6_MULTICAST_IF;
            break;
        case datagram_option::receive_segments: level = SOL_UDP, name = UDP_GRO; break;
        case datagram_option::receive_buffer: level = SOL_SOCKET, name = SO_RCVBUF; break;
        case datagram_option::send_buffer: level = SOL_SOCKET, name = SO_SNDBUF; break;
        case datagram_option::never_fragment:
            name = v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
            value = value != 0 ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT;  // the same numbers for IPv6
            break;
    }
    return outcome(::setsockopt(handle, level, name, &value, sizeof value));
}

result<void> change_native_group(native_handle handle, const socket_address& group, std::uint32_t interface_index,
                                 bool join) noexcept {
    const native_address native = to_native(group);
    group_req asked{};
    asked.gr_interface = interface_index;
    std::memcpy(&asked.gr_group, &native.storage, sizeof native.storage);
    const int level = group.family() == address_family::ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    return outcome(::setsockopt(handle, level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &asked, sizeof asked));
}

}  // namespace co_wq::io
