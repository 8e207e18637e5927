// The simulated network's datagrams: lost, doubled and overtaken, received whole or cut to the reader's buffer.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/backend/sim_network.hpp"
#include "io/datagram.hpp"

namespace co_wq::io {

result<native_handle> sim_network::open_datagram(address_family family) noexcept {
    if (family == address_family::local) return fail(errc::not_supported);
    if (random().chance(options_.exhausted)) return fail(from_errno(EMFILE));
    return make(kind::datagram, socket_address::loopback(next_port_++));
}

result<void> sim_network::bind_datagram(native_handle handle, const socket_address& where, bool share) noexcept {
    endpoint* one = find(handle);
    if (!one || one->what != kind::datagram) return fail(errc::closed);
    const auto taken = [&](const endpoint& e) {
        return e.what == kind::datagram && &e != one && e.local.port() == where.port();
    };
    if (!share && where.port() != 0 && std::any_of(sockets_.begin(), sockets_.end(), taken))
        return fail(from_errno(EADDRINUSE));
    const std::uint16_t port = where.port() == 0 ? one->local.port() : where.port();
    one->local = where;
    one->local.set_port(port);
    return {};
}

void sim_network::serve_datagrams(const socket_address& where, datagram_service service) {
    services_[where.port()] = std::move(service);
}

void sim_network::send_datagram(const socket_address& from, const socket_address& to, std::string data) {
    const bool faulty = random().chance(options_.datagram_faults);
    if (silent(to.port()) || data.size() > options_.way_bytes_max || (faulty && random().one_in(2))) return;
    for (int copy = faulty ? 2 : 1; copy > 0; --copy) {
        const std::uint64_t letter = letters_sent_++;
        letters_.emplace(letter, datagram{from, to, data});
        clock_.after(
            latency() * copy,
            [](void* self, std::uint64_t number, std::uint64_t) {
                static_cast<sim_network*>(self)->deliver_datagram(number);
            },
            this, letter);
    }
}

// To a service, to sockets, or nowhere: then the sender learns that.
void sim_network::deliver_datagram(std::uint64_t letter) {
    const datagram come = std::move(letters_.extract(letter).mapped());
    clock_.note("datagram", come.to.port(), static_cast<std::int64_t>(come.data.size()));
    if (const auto at = services_.find(come.to.port()); at != services_.end()) return at->second(come.from, come.data);
    bool taken = false;
    for (endpoint& one : sockets_) {
        if (one.what != kind::datagram || one.local.port() != come.to.port()) continue;
        if (one.connected && one.remote != come.from) continue;
        one.datagrams.push(come);
        notify(one, event_read);
        taken = true;
    }
    for (endpoint& one : sockets_) {  // a socket that is not connected is told nothing (udp(7))
        if (taken || one.what != kind::datagram || !one.connected || one.local.port() != come.from.port()) continue;
        one.failure = -ECONNREFUSED;
        notify(one, event_read | event_write | event_end);
    }
}

// An error that was told is reported once, before anything else, as by Linux.
std::int32_t sim_network::receive_datagrams(descriptor& entry, endpoint& one, op_slot::io_payload& io) noexcept {
    if (one.what != kind::datagram) return -EOPNOTSUPP;
    if (one.failure != 0) return std::exchange(one.failure, 0);
    std::int32_t moved = 0;
    for (incoming& into :
         std::span(static_cast<incoming*>(io.data), std::min<std::size_t>(io.length, datagram_batch_max))) {
        if (one.datagrams.empty() || (moved > 0 && random().chance(options_.short_io))) break;
        const datagram next = one.datagrams.pop();
        into.full_size = static_cast<std::uint32_t>(next.data.size());
        into.size = static_cast<std::uint32_t>(std::min(next.data.size(), into.into.size()));
        if (into.size > 0) std::memcpy(into.into.data(), next.data.data(), into.size);
        into.from = next.from;
        into.segment_bytes = 0;
        ++moved;
    }
    if (moved > 0) return moved;
    entry.readable = false;
    return would_block;
}

std::int32_t sim_network::send_datagrams(endpoint& one, op_slot::io_payload& io) noexcept {
    if (one.what != kind::datagram) return -EOPNOTSUPP;
    if (one.failure != 0) return std::exchange(one.failure, 0);
    std::int32_t moved = 0;
    for (const outgoing& next :
         std::span(static_cast<const outgoing*>(io.data), std::min<std::size_t>(io.length, datagram_batch_max))) {
        const std::int32_t failure = send_datagram_of(one, next);
        if (failure != 0) return moved > 0 ? moved : failure;
        ++moved;
        if (random().chance(options_.short_io)) break;
    }
    return moved;
}

std::int32_t sim_network::send_datagram_of(endpoint& one, const outgoing& given) {
    const bool to_peer = given.to.family() == address_family::none;
    if (to_peer && !one.connected) return -EDESTADDRREQ;
    const std::size_t step = given.segment_bytes == 0 ? given.data.size() : given.segment_bytes;
    if (std::min(given.data.size(), step) > options_.datagram_bytes_max || given.data.size() > 65'507) return -EMSGSIZE;
    if (random().chance(options_.no_buffers)) return -ENOBUFS;
    const_bytes left = given.data;
    do {  // one of no bytes is one, too
        const const_bytes piece = left.first(std::min(step, left.size()));
        left = left.subspan(piece.size());
        send_datagram(one.local, to_peer ? one.remote : given.to, std::string(as_text(piece)));
    } while (!left.empty());
    return 0;
}

}  // namespace co_wq::io
