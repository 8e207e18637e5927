#include "io/backend/sim_network.hpp"

#include <algorithm>
#include <cerrno>

namespace co_wq::io {

void sim_network::after(duration delay, std::function<void()> act) {
    events_.emplace(std::pair(now_ + delay, order_++), std::move(act));
}

bool sim_network::step(time_point limit) {
    if (events_.empty() || events_.begin()->first.first > limit) {
        now_ = std::max(now_, limit);
        return false;
    }
    auto first = events_.extract(events_.begin());
    now_ = std::max(now_, first.key().first);
    first.mapped()();
    return true;
}

sim_network::endpoint* sim_network::find(native_handle handle) noexcept {
    const auto at = sockets_.find(handle);
    return at == sockets_.end() ? nullptr : &at->second;
}

native_handle sim_network::make(socket_address local) {
    const native_handle handle = next_handle_++;
    sockets_[handle].local = local;
    return handle;
}

duration sim_network::latency() noexcept {
    const auto span = static_cast<std::uint64_t>((options_.latency_max - options_.latency_min).count());
    return options_.latency_min + duration(static_cast<std::int64_t>(random_.below(span + 1)));
}

result<native_handle> sim_network::open_stream(address_family) noexcept {
    if (random_.chance(options_.exhausted)) return fail(from_errno(EMFILE));
    return make(socket_address::loopback(next_port_++));
}

result<native_handle> sim_network::open_listener(const socket_address& where, int backlog, bool) noexcept {
    socket_address local = where;
    if (local.port() == 0) local.set_port(next_port_++);
    for (const auto& [handle, other] : sockets_)
        if (other.listening && other.local.port() == local.port()) return fail(from_errno(EADDRINUSE));
    const native_handle handle = make(local);
    endpoint& made = sockets_[handle];
    made.listening = true;
    made.backlog_max = backlog;
    return handle;
}

result<socket_address> sim_network::local_address(native_handle handle) noexcept {
    const endpoint* one = find(handle);
    if (!one) return fail(errc::closed);
    return one->local;
}

result<socket_address> sim_network::peer_address(native_handle handle) noexcept {
    const endpoint* one = find(handle);
    if (!one || !one->connected) return fail(errc::closed);
    return one->remote;
}

// Bytes, end or reset travel to the peer, each behind what was sent before.
void sim_network::deliver(native_handle from, std::string data, bool end, bool reset) {
    endpoint& sender = *find(from);
    const native_handle to = sender.peer;
    const time_point arrival = std::max(now_ + latency(), sender.last_arrival);
    sender.last_arrival = arrival;
    after(arrival - now_, [this, from, to, data = std::move(data), end, reset] {
        endpoint* receiver = find(to);
        if (!receiver) {
            if (!data.empty()) after(latency(), [this, from] { reset_by_nobody(from); });
            return;
        }
        if (reset) {
            take_reset(*receiver);
        } else {
            receiver->arrived += data;
            receiver->end_arrived |= end;
        }
        notify(to, event_read | (end || reset ? event_end : 0) | (reset ? event_write : 0));
    });
}

// Bytes that have come can still be read. The error is a broken pipe for who had been told the end already.
void sim_network::take_reset(endpoint& one) noexcept {
    one.reset_arrived = true;
    one.pending_error = one.end_arrived ? -EPIPE : -ECONNRESET;
}

// The answer to bytes for a socket that is closed.
void sim_network::reset_by_nobody(native_handle handle) {
    endpoint* one = find(handle);
    if (!one) return;
    take_reset(*one);
    notify(handle, event_read | event_write | event_end);
}

result<void> sim_network::shutdown_send(native_handle handle) noexcept {
    endpoint* one = find(handle);
    if (!one || !one->connected) return fail(errc::closed);
    if (!std::exchange(one->send_closed, true)) deliver(handle, {}, true, false);
    return {};
}

result<void> sim_network::set_reset_on_close(native_handle handle) noexcept {
    if (endpoint* one = find(handle)) one->reset_on_close = true;
    return {};
}

void sim_network::close(native_handle handle) noexcept {
    endpoint* one = find(handle);
    CO_WQ_ASSERT(one, "a socket is closed once");
    const bool reset = one->reset_on_close || !one->arrived.empty();
    if (one->connected && one->peer != no_handle && !one->reset_arrived) {
        if (reset || !one->send_closed) deliver(handle, {}, !reset, reset);
    }
    const std::deque<native_handle> waiting = std::move(one->backlog);
    if (endpoint* peer = find(one->peer)) peer->peer = no_handle;
    sockets_.erase(handle);
    for (native_handle never_accepted : waiting) {
        if (endpoint* lost = find(never_accepted)) {
            lost->reset_on_close = true;
            close(never_accepted);
        }
    }
}

void sim_network::begin_connect(native_handle handle, const socket_address& where) {
    endpoint& one = *find(handle);
    one.connecting = true;
    one.remote = where;
    after(latency(), [this, handle, where] { knock(handle, where, 0); });
}

// A listener takes one connection more than its backlog says, and does not answer the next: that one tries again, after
// a second at first.
void sim_network::knock(native_handle handle, const socket_address& where, int tries) {
    endpoint* client = find(handle);
    if (!client) return;
    native_handle listener = no_handle;
    for (auto& [candidate, other] : sockets_)
        if (other.listening && other.local.port() == where.port()) listener = candidate;
    endpoint* server = find(listener);
    std::int32_t failure = 0;
    if (!server) {
        failure = -ECONNREFUSED;
    } else if (server->backlog.size() > static_cast<std::size_t>(server->backlog_max)) {
        constexpr int tries_max = 6;
        if (tries < tries_max)
            return after(std::chrono::seconds(1 << tries),
                         [this, handle, where, tries] { knock(handle, where, tries + 1); });
        failure = -ETIMEDOUT;
    } else {
        const native_handle accepted = make(server->local);
        client = find(handle);
        server = find(listener);
        endpoint& far = *find(accepted);
        far.connected = true;
        far.peer = handle;
        far.remote = client->local;
        client->peer = accepted;
        server->backlog.push_back(accepted);
        notify(listener, event_read);
    }
    after(latency(), [this, handle, failure] {
        endpoint* ours = find(handle);
        if (!ours) return;
        ours->connecting = false;
        ours->connected = failure == 0;
        ours->connect_failure = failure;
        notify(handle, event_write);
    });
}

std::int32_t sim_network::connect(native_handle handle, descriptor& entry, op_slot::io_payload& io) noexcept {
    if (io.data) {
        const socket_address where = *static_cast<const socket_address*>(io.data);
        io.data = nullptr;
        begin_connect(handle, where);
    }
    const endpoint& one = *find(handle);
    if (one.connecting) {
        entry.writable = false;
        return would_block;
    }
    return one.connect_failure;
}

std::int32_t sim_network::accept(native_handle handle, descriptor& entry) noexcept {
    endpoint& one = *find(handle);
    if (one.backlog.empty()) {
        entry.readable = false;
        return would_block;
    }
    if (random_.chance(options_.exhausted)) return -EMFILE;
    const native_handle accepted = one.backlog.front();
    one.backlog.pop_front();
    return accepted;
}

std::int32_t sim_network::receive(native_handle handle, descriptor& entry, std::byte* into,
                                  std::uint32_t room) noexcept {
    endpoint& one = *find(handle);
    if (one.arrived.empty()) {
        if (one.end_arrived) return 0;
        if (one.reset_arrived) return std::exchange(one.pending_error, 0);
        entry.readable = false;
        return would_block;
    }
    std::size_t count = std::min<std::size_t>(room, one.arrived.size());
    if (count > 1 && random_.chance(options_.short_io)) count = 1 + random_.below(count);
    one.arrived.copy(reinterpret_cast<char*>(into), count);  // into may be null when count is 0
    one.arrived.erase(0, count);
    if (endpoint* sender = find(one.peer)) {
        sender->in_flight -= static_cast<std::uint32_t>(std::min<std::size_t>(sender->in_flight, count));
        const native_handle peer = one.peer;
        after(latency(), [this, peer] {
            if (find(peer)) notify(peer, event_write);
        });
    }
    return static_cast<std::int32_t>(count);
}

std::int32_t sim_network::send(native_handle handle, descriptor& entry, const_bytes data) noexcept {
    endpoint& one = *find(handle);
    if (one.pending_error != 0) return std::exchange(one.pending_error, 0);
    if (one.reset_arrived || one.send_closed || !one.connected) return -EPIPE;
    if (data.empty()) return 0;
    const std::uint32_t room = options_.send_buffer_bytes - std::min(options_.send_buffer_bytes, one.in_flight);
    if (room == 0) {
        entry.writable = false;
        return would_block;
    }
    std::size_t count = std::min<std::size_t>(room, data.size());
    if (count > 1 && random_.chance(options_.short_io)) count = 1 + random_.below(count);
    one.in_flight += static_cast<std::uint32_t>(count);
    deliver(handle, std::string(as_text(data.first(count))), false, false);
    return static_cast<std::int32_t>(count);
}

std::int32_t sim_network::attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io,
                                  buffer_pool& pool) noexcept {
    const native_handle handle = entry.handle;
    if (!find(handle)) return -EBADF;
    switch (kind) {
        case op_kind::accept: return accept(handle, entry);
        case op_kind::connect: return connect(handle, entry, io);
        case op_kind::poll: {
            const endpoint& one = *find(handle);
            if (io.length == static_cast<std::uint32_t>(direction::hang_up))
                return one.reset_arrived || (one.end_arrived && one.send_closed) ? 1 : would_block;
            if (io.length == static_cast<std::uint32_t>(direction::read_end))
                return one.reset_arrived || one.end_arrived ? 1 : would_block;
            if (io.length == static_cast<std::uint32_t>(direction::write)) {
                const bool full = one.in_flight >= options_.send_buffer_bytes;
                return one.reset_arrived || one.send_closed || (one.connected && !full) ? 1 : would_block;
            }
            return !one.arrived.empty() || one.end_arrived || one.reset_arrived || !one.backlog.empty() ? 1
                                                                                                        : would_block;
        }
        case op_kind::recv: {
            if (detail == op_detail::to_pipe) return -EOPNOTSUPP;
            if (detail != op_detail::lend) return receive(handle, entry, static_cast<std::byte*>(io.data), io.length);
            std::uint32_t capacity = 0;
            std::byte* block = pool.take_raw(io.length, capacity);
            const std::int32_t got = receive(handle, entry, block, capacity);
            if (got <= 0) {
                pool.give_back(block, capacity);
                if (got != would_block) io.data = nullptr;
                return got;
            }
            io.data = block;
            io.length = capacity;
            return got;
        }
        case op_kind::send:
            if (detail == op_detail::from_pipe) return -EOPNOTSUPP;
            if (detail == op_detail::plain)
                return send(handle, entry, {static_cast<const std::byte*>(io.data), io.length});
            for (;;) {
                if (io.length == 0) return 0;
                auto* parts = detail == op_detail::gather ? static_cast<const_bytes*>(io.data) : nullptr;
                const const_bytes piece =
                    parts ? *parts : const_bytes{static_cast<const std::byte*>(io.data), io.length};
                const std::int32_t sent = piece.empty() ? 0 : send(handle, entry, piece);
                if (sent < 0) return sent;
                const auto moved = static_cast<std::size_t>(sent);
                if (!parts) {
                    io.data = static_cast<std::byte*>(io.data) + moved;
                    io.length -= static_cast<std::uint32_t>(moved);
                } else if (moved == piece.size()) {
                    io.data = parts + 1;
                    --io.length;
                } else {
                    *parts = piece.subspan(moved);
                }
            }
        default: return -EOPNOTSUPP;
    }
}

}  // namespace co_wq::io
