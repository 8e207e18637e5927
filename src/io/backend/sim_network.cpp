#include "io/backend/sim_network.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sync/timer_queue.hpp"

namespace co_wq::io {

// ---- numbers, addresses, notices

sim_network::endpoint* sim_network::find(native_handle handle) noexcept {
    const auto place = static_cast<std::size_t>(handle - first_number);
    if (handle < first_number || place >= sockets_.size() || sockets_[place].what == kind::none) return nullptr;
    return &sockets_[place];
}

// Null when the number has been closed since, even if it is in use again.
sim_network::endpoint* sim_network::find(std::uint64_t handle, std::uint64_t serial) noexcept {
    endpoint* one = find(static_cast<native_handle>(handle));
    return one && one->serial == serial ? one : nullptr;
}

sim_network::endpoint* sim_network::peer_of(endpoint& one) noexcept {
    return one.peer == no_handle ? nullptr : find(static_cast<std::uint64_t>(one.peer), one.peer_serial);
}

native_handle sim_network::make(kind what, const socket_address& local) {
    auto free = std::find_if(sockets_.begin(), sockets_.end(), [](const endpoint& e) { return e.what == kind::none; });
    if (free == sockets_.end()) {
        sockets_.emplace_back();
        free = sockets_.end() - 1;
    }
    const std::uint32_t serial = free->serial + 1;
    *free = endpoint{};
    free->serial = serial;
    free->number = first_number + static_cast<native_handle>(free - sockets_.begin());
    free->what = what;
    free->local = local;
    ++open_;
    return free->number;
}

sim_network::endpoint* sim_network::listener_at(const socket_address& where) noexcept {
    for (endpoint& one : sockets_)
        if (one.what == kind::listener && one.local.port() == where.port() &&
            (one.local.is_any() || one.local.octets() == where.octets()))
            return &one;
    return nullptr;
}

bool sim_network::silent(std::uint16_t port) const noexcept {
    return std::find(silent_ports_.begin(), silent_ports_.end(), port) != silent_ports_.end();
}

unsigned sim_network::watch(native_handle handle, sim_watcher* watcher) noexcept {
    endpoint* one = find(handle);
    if (!one) return 0;
    one->watcher = watcher;
    return (ready(*one, direction::read) ? event_read : 0) | (ready(*one, direction::write) ? event_write : 0) |
           (ready(*one, direction::read_end) || ready(*one, direction::hang_up) ? event_end : 0);
}

void sim_network::notify(endpoint& one, unsigned events) noexcept {
    if (one.watcher) one.watcher->changed(one.number, events);
}

duration sim_network::latency() noexcept {
    const auto span = static_cast<std::uint64_t>((options_.latency_max - options_.latency_min).count());
    duration chosen = options_.latency_min + duration(static_cast<std::int64_t>(random().below(span + 1)));
    if (random().chance(options_.coincidences)) {
        constexpr std::int64_t tick = timer_queue::tick.count();
        const std::int64_t at = (clock_.now() + chosen).time_since_epoch().count();
        chosen += duration((tick - at % tick) % tick);
    }
    return chosen;
}

void sim_network::later(duration delay, endpoint& one, sim_clock::action act) {
    clock_.after(delay, act, this, static_cast<std::uint64_t>(one.number), one.serial);
}

// ---- opening and naming

result<native_handle> sim_network::open_stream(address_family family) noexcept {
    if (family == address_family::local) return fail(errc::not_supported);
    if (random().chance(options_.exhausted)) return fail(from_errno(EMFILE));
    return make(kind::stream, socket_address::loopback(next_port_++));
}

result<void> sim_network::bind_source(native_handle handle, const socket_address& from) noexcept {
    endpoint* one = find(handle);
    if (!one || one->what != kind::stream || one->connected) return fail(errc::invalid_argument);
    const std::uint16_t port = one->local.port();
    one->local = from;
    one->local.set_port(port);
    return {};
}

result<native_handle> sim_network::open_listener(const socket_address& where, int backlog, bool) noexcept {
    socket_address local = where;
    if (local.port() == 0) local.set_port(next_port_++);
    if (listener_at(local)) return fail(from_errno(EADDRINUSE));
    const native_handle handle = make(kind::listener, local);
    find(handle)->backlog_max = backlog;
    return handle;
}

std::pair<native_handle, native_handle> sim_network::open_pair() {
    const native_handle near = make(kind::stream, socket_address::loopback(next_port_++));
    const native_handle far = make(kind::stream, socket_address::loopback(next_port_++));
    for (const auto& [ours, theirs] : {std::pair{near, far}, std::pair{far, near}}) {
        endpoint& one = *find(ours);
        const endpoint& other = *find(theirs);
        one.peer = theirs;
        one.peer_serial = other.serial;
        one.remote = other.local;
        one.connected = true;
    }
    return {near, far};
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

// ---- connecting

std::int32_t sim_network::begin_connect(native_handle handle, const socket_address& where) noexcept {
    endpoint* one = find(handle);
    if (!one) return -EBADF;
    one->remote = where;
    if (one->what == kind::datagram) {
        one->connected = true;
        return 0;
    }
    one->connecting = true;
    knock(*one);
    return -EINPROGRESS;
}

// A SYN: taken, refused, or not answered, and then sent again after a second, two, four.
void sim_network::knock(endpoint& client) {
    later(latency(), client, [](void* self, std::uint64_t handle, std::uint64_t serial) {
        auto& me = *static_cast<sim_network*>(self);
        endpoint* one = me.find(handle, serial);
        if (!one) return;
        endpoint* listener = me.listener_at(one->remote);
        if (!listener && !me.silent(one->remote.port())) return (void)me.answer(*one, -ECONNREFUSED);
        if (!listener || listener->backlog.size() > static_cast<std::size_t>(listener->backlog_max)) {
            if (++one->knocks > 6) return (void)me.answer(*one, -ETIMEDOUT);  // net.ipv4.tcp_syn_retries
            const auto wait = std::chrono::seconds(1ll << (one->knocks - 1));
            return me.later(wait, *one, [](void* again, std::uint64_t number, std::uint64_t use) {
                auto& network = *static_cast<sim_network*>(again);
                if (endpoint* still = network.find(number, use)) network.knock(*still);
            });
        }
        const native_handle far = me.make(kind::stream, listener->local);
        endpoint& server = *me.find(far);
        server.connected = server.never_accepted = true;
        server.peer = static_cast<native_handle>(handle);
        server.peer_serial = one->serial;
        server.remote = one->local;
        one->peer = far;
        one->peer_serial = server.serial;
        listener->backlog.push(far);
        me.notify(*listener, event_read);
        server.last_arrival = me.answer(*one, 0);  // nothing from the server overtakes it
    });
}

// The answer to a SYN reaches the client; 0: it is connected.
time_point sim_network::answer(endpoint& client, std::int32_t failure) {
    client.failure = failure;
    const duration delay = latency();
    later(delay, client, [](void* self, std::uint64_t handle, std::uint64_t serial) {
        auto& me = *static_cast<sim_network*>(self);
        endpoint* one = me.find(handle, serial);
        if (!one || !one->connecting) return;
        one->connecting = false;
        one->connected = one->failure == 0;
        me.clock_.note("connect", static_cast<std::int64_t>(handle), one->failure);
        me.notify(*one, one->failure == 0 ? event_write : event_read | event_write | event_end);
    });
    return clock_.now() + delay;
}

std::int32_t sim_network::connect(descriptor& entry, endpoint& one, op_slot::io_payload& io) noexcept {
    if (io.data) {
        const socket_address where = *static_cast<const socket_address*>(io.data);
        io.data = nullptr;
        begin_connect(entry.handle, where);
    }
    if (one.connecting) {
        entry.writable = false;
        return would_block;
    }
    return std::exchange(one.failure, 0);
}

std::int32_t sim_network::accept(descriptor& entry, endpoint& one) noexcept {
    if (one.what != kind::listener) return -EINVAL;
    if (one.backlog.empty()) {
        entry.readable = false;
        return would_block;
    }
    if (random().chance(options_.exhausted)) return -EMFILE;
    const native_handle taken = one.backlog.pop();
    find(taken)->never_accepted = false;
    return taken;
}

// ---- streams

// Bytes, end or reset travel to the peer, each behind what was sent before.
void sim_network::travel(endpoint& sender, std::string_view data, bool end, bool reset) {
    endpoint* receiver = peer_of(sender);
    if (!receiver) {
        if (!reset) answer_with_reset(sender);
        return;
    }
    const time_point arrival = std::max(clock_.now() + latency(), sender.last_arrival);
    sender.last_arrival = arrival;
    if (random().chance(options_.resets)) break_connection(sender.number);
    if (sender.cut) return;
    receiver->coming.push({static_cast<std::uint32_t>(data.size()), end, reset});
    receiver->coming_bytes += data;
    later(arrival - clock_.now(), *receiver, [](void* self, std::uint64_t handle, std::uint64_t serial) {
        auto& me = *static_cast<sim_network*>(self);
        if (endpoint* one = me.find(handle, serial)) me.arrive(*one);
    });
}

void sim_network::arrive(endpoint& receiver) noexcept {
    if (receiver.coming.empty()) return;
    const segment next = receiver.coming.pop();
    if (receiver.reset_arrived || receiver.cut) {
        receiver.coming_bytes.erase(0, next.bytes);
        return;
    }
    clock_.note("arrive", receiver.number, next.reset ? -1 : static_cast<std::int64_t>(next.bytes));
    if (next.reset) return take_reset(receiver);
    receiver.arrived.append(receiver.coming_bytes, 0, next.bytes);
    receiver.coming_bytes.erase(0, next.bytes);
    receiver.end_arrived |= next.end;
    notify(receiver, event_read | (next.end ? event_end : 0));
}

// What was readable stays so; the failure is reported once, by whichever call comes first (tcp_reset in Linux).
void sim_network::take_reset(endpoint& one) noexcept {
    if (one.reset_arrived) return;
    one.failure = one.end_arrived ? -EPIPE : -ECONNRESET;
    one.reset_arrived = true;
    notify(one, random().one_in(2) ? event_read | event_write | event_end : event_end);
}

// Behind what is on its way already.
void sim_network::answer_with_reset(endpoint& sender) {
    later(latency() + latency(), sender, [](void* self, std::uint64_t handle, std::uint64_t serial) {
        auto& me = *static_cast<sim_network*>(self);
        endpoint* one = me.find(handle, serial);
        if (!one) return;
        if (one->coming.empty()) return me.take_reset(*one);
        me.answer_with_reset(*one);
    });
}

void sim_network::break_connection(native_handle handle) {
    endpoint* one = find(handle);
    if (!one || one->what != kind::stream || !one->connected) return;
    clock_.note("break", handle);
    for (endpoint* end : {one, peer_of(*one)}) {
        if (!end || std::exchange(end->cut, true)) continue;
        answer_with_reset(*end);
    }
}

result<void> sim_network::shutdown_send(native_handle handle) noexcept {
    endpoint* one = find(handle);
    if (!one || !one->connected || one->reset_arrived) return fail(from_errno(ENOTCONN));
    if (!std::exchange(one->send_closed, true) && peer_of(*one)) travel(*one, {}, true, false);
    notify(*one, event_write | (one->end_arrived ? event_end : 0));  // who waits for room learns that none will come
    return {};
}

result<void> sim_network::set_reset_on_close(native_handle handle) noexcept {
    if (endpoint* one = find(handle)) one->reset_on_close = true;
    return {};
}

void sim_network::close(native_handle handle) noexcept {
    endpoint* one = find(handle);
    CO_WQ_ASSERT(one, "a socket is closed once");
    clock_.note("close", handle);
    if (one->what == kind::stream && one->connected && !one->reset_arrived && peer_of(*one)) {
        const bool reset = one->reset_on_close || one->unread() > 0;
        if (reset || !one->send_closed) travel(*one, {}, !reset, reset);
        // what is still on its way to us finds nobody, and its sender learns that
        if (!reset && !one->coming.empty()) answer_with_reset(*peer_of(*one));
    }
    if (one->accepted > 0) closed_.emplace_back(one->local.port(), one->accepted);
    sim_fifo<native_handle> waiting = std::move(one->backlog);
    const std::uint32_t serial = one->serial;
    *one = endpoint{};
    one->serial = serial;
    --open_;
    while (!waiting.empty()) {
        const native_handle left = waiting.pop();
        find(left)->reset_on_close = true;
        close(left);
    }
}

void sim_network::freed_room(endpoint& reader, std::size_t count) {
    endpoint* sender = peer_of(reader);
    if (!sender) return;
    sender->in_flight -= static_cast<std::uint32_t>(std::min<std::size_t>(sender->in_flight, count));
    later(latency(), *sender, [](void* self, std::uint64_t handle, std::uint64_t serial) {
        auto& me = *static_cast<sim_network*>(self);
        if (endpoint* one = me.find(handle, serial)) me.notify(*one, event_write);
    });
}

std::int32_t sim_network::receive(descriptor& entry, endpoint& one, std::byte* into, std::uint32_t room) noexcept {
    if (one.what == kind::datagram) return receive_now(entry.handle, {into, room}, nullptr);
    if (one.what != kind::stream || (!one.connected && !one.reset_arrived)) return -ENOTCONN;
    if (one.unread() == 0) {
        if (one.failure != 0) return std::exchange(one.failure, 0);
        if (one.end_arrived || one.reset_arrived) return 0;
        entry.readable = false;
        return would_block;
    }
    std::size_t count = std::min<std::size_t>(room, one.unread());
    if (count == 0) return 0;
    if (count > 1 && random().chance(options_.short_io)) count = 1 + random().below(count);
    std::memcpy(into, one.arrived.data() + one.taken, count);
    one.taken += count;
    if (one.unread() == 0) {
        one.arrived.clear();
        one.taken = 0;
    }
    freed_room(one, count);
    return static_cast<std::int32_t>(count);
}

std::int32_t sim_network::receive_lent(descriptor& entry, endpoint& one, op_slot::io_payload& io,
                                       buffer_pool& pool) noexcept {
    std::uint32_t capacity = 0;
    std::byte* block = pool.take_raw(io.length, capacity);
    const std::int32_t got = receive(entry, one, block, capacity);
    if (got <= 0) {
        pool.give_back(block, capacity);
        if (got != would_block) io.data = nullptr;
        return got;
    }
    io.data = block;
    io.length = capacity;
    return got;
}

std::int32_t sim_network::send(descriptor& entry, endpoint& one, const_bytes data) noexcept {
    if (one.failure != 0) return std::exchange(one.failure, 0);
    if (one.reset_arrived || one.send_closed || !one.connected) return -EPIPE;
    if (data.empty()) return 0;
    if (random().chance(options_.no_buffers)) return -ENOBUFS;
    const std::uint32_t room = options_.send_buffer_bytes - std::min(options_.send_buffer_bytes, one.in_flight);
    if (room == 0) {
        entry.writable = false;
        return would_block;
    }
    std::size_t count = std::min<std::size_t>(room, data.size());
    if (count > 1 && random().chance(options_.short_io)) count = 1 + random().below(count);
    one.in_flight += static_cast<std::uint32_t>(count);
    one.accepted += count;
    travel(one, as_text(data.first(count)), false, false);
    return static_cast<std::int32_t>(count);
}

std::int32_t sim_network::send_whole(descriptor& entry, endpoint& one, op_detail detail,
                                     op_slot::io_payload& io) noexcept {
    for (;;) {
        if (io.length == 0) return 0;
        auto* parts = detail == op_detail::gather ? static_cast<const_bytes*>(io.data) : nullptr;
        const const_bytes piece = parts ? *parts : const_bytes{static_cast<const std::byte*>(io.data), io.length};
        const std::int32_t sent = piece.empty() ? 0 : send(entry, one, piece);
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
}

// ---- pipes: one number for both ends

result<pipe_pair> sim_network::open_pipe(std::uint32_t capacity) noexcept {
    if (random().chance(options_.exhausted)) return fail(from_errno(EMFILE));
    const native_handle both = make(kind::pipe, {});
    return pipe_pair{both, both, capacity, 0};
}

void sim_network::close_pipe(pipe_pair& pipe) noexcept {
    close(pipe.read_end);
    pipe = {};
}

std::int32_t sim_network::receive_to_pipe(descriptor& entry, endpoint& one, op_slot::io_payload& io) noexcept {
    auto& pipe = *static_cast<pipe_pair*>(io.data);
    endpoint* inside = find(pipe.write_end);
    if (!inside || inside->what != kind::pipe) return -EBADF;
    const std::uint32_t room = std::min(io.length, pipe.capacity - pipe.held);
    if (room == 0) return would_block;
    const std::size_t before = inside->arrived.size();
    inside->arrived.resize(before + std::min<std::size_t>(room, std::max<std::size_t>(one.unread(), 1)));
    const std::int32_t got = receive(entry, one, reinterpret_cast<std::byte*>(inside->arrived.data() + before),
                                     static_cast<std::uint32_t>(inside->arrived.size() - before));
    inside->arrived.resize(before + static_cast<std::size_t>(std::max(got, 0)));
    if (got > 0) pipe.held += static_cast<std::uint32_t>(got);
    return got;
}

std::int32_t sim_network::send_from_pipe(descriptor& entry, endpoint& one, op_slot::io_payload& io) noexcept {
    auto& pipe = *static_cast<pipe_pair*>(io.data);
    endpoint* inside = find(pipe.read_end);
    if (!inside || inside->what != kind::pipe) return -EBADF;
    while (pipe.held > 0) {
        const std::int32_t sent = send(entry, one, as_bytes(std::string_view(inside->arrived)));
        if (sent < 0) return sent;
        inside->arrived.erase(0, static_cast<std::size_t>(sent));
        pipe.held -= static_cast<std::uint32_t>(sent);
    }
    return 0;
}

// ---- what never waits

std::int32_t sim_network::receive_now(native_handle handle, bytes into, socket_address* from) noexcept {
    endpoint* one = find(handle);
    if (!one) return -EBADF;
    if (one->what == kind::stream) {
        descriptor unnamed;
        unnamed.handle = handle;
        return receive(unnamed, *one, into.data(), static_cast<std::uint32_t>(into.size()));
    }
    if (one->datagrams.empty()) return one->failure != 0 ? std::exchange(one->failure, 0) : would_block;
    const datagram next = one->datagrams.pop();
    const std::size_t count = std::min(into.size(), next.data.size());
    std::memcpy(into.data(), next.data.data(), count);
    if (from) *from = next.from;
    return static_cast<std::int32_t>(count);
}

std::int32_t sim_network::send_now(native_handle handle, const_bytes data) noexcept {
    endpoint* one = find(handle);
    if (!one) return -EBADF;
    if (one->what == kind::stream) {
        descriptor unnamed;
        unnamed.handle = handle;
        return send(unnamed, *one, data);
    }
    if (!one->connected) return -EDESTADDRREQ;
    send_datagram(one->local, one->remote, std::string(as_text(data)));
    return static_cast<std::int32_t>(data.size());
}

// ---- readiness and attempts

// As poll(2) would say.
bool sim_network::ready(const endpoint& one, direction way) const noexcept {
    switch (way) {
        case direction::read:
            return one.unread() > 0 || one.end_arrived || one.reset_arrived || !one.backlog.empty() ||
                   !one.datagrams.empty() || (!one.connecting && one.failure != 0);
        case direction::write:
            return one.what != kind::stream || one.reset_arrived || one.send_closed ||
                   (one.connected && one.in_flight < options_.send_buffer_bytes);
        case direction::read_end: return one.end_arrived || one.reset_arrived;
        case direction::hang_up: return one.reset_arrived || (one.end_arrived && one.send_closed);
    }
    return false;
}

std::int32_t sim_network::attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io,
                                  buffer_pool& pool) noexcept {
    endpoint* one = find(entry.handle);
    if (!one) return -EBADF;
    std::int32_t got = -EOPNOTSUPP;
    if (detail == op_detail::files) return got;
    switch (kind) {
        case op_kind::accept: got = accept(entry, *one); break;
        case op_kind::connect: got = connect(entry, *one, io); break;
        case op_kind::poll: got = ready(*one, static_cast<direction>(io.length)) ? 1 : would_block; break;
        case op_kind::recv:
            got = detail == op_detail::lend        ? receive_lent(entry, *one, io, pool)
                  : detail == op_detail::to_pipe   ? receive_to_pipe(entry, *one, io)
                  : detail == op_detail::datagrams ? receive_datagrams(entry, *one, io)
                                                   : receive(entry, *one, static_cast<std::byte*>(io.data), io.length);
            break;
        case op_kind::send:
            got = detail == op_detail::from_pipe   ? send_from_pipe(entry, *one, io)
                  : detail == op_detail::datagrams ? send_datagrams(*one, io)
                  : detail == op_detail::plain ? send(entry, *one, {static_cast<const std::byte*>(io.data), io.length})
                                               : send_whole(entry, *one, detail, io);
            break;
        default: break;
    }
    clock_.note(name_of(kind), entry.handle, got);
    return got;
}

// ---- what a test may ask about

std::uint64_t sim_network::accepted_bytes(std::uint16_t port) noexcept {
    for (const endpoint& one : sockets_)
        if (one.what == kind::stream && one.local.port() == port) return one.accepted;
    for (const auto& [closed, accepted] : closed_)
        if (closed == port) return accepted;
    return 0;
}

std::size_t sim_network::unread_bytes(native_handle handle) noexcept {
    const endpoint* one = find(handle);
    return one ? one->unread() + one->coming_bytes.size() : 0;
}

std::uint32_t sim_network::room(native_handle handle) noexcept {
    const endpoint* one = find(handle);
    return one ? options_.send_buffer_bytes - std::min(options_.send_buffer_bytes, one->in_flight) : 0;
}

bool sim_network::reset_seen(native_handle handle) noexcept {
    const endpoint* one = find(handle);
    return one && one->reset_arrived;
}

bool sim_network::would_serve(native_handle handle, op_kind kind, direction way) noexcept {
    endpoint* one = find(handle);
    if (!one) return true;
    if (kind == op_kind::connect) return !one->connecting;
    return (kind == op_kind::send && one->failure != 0) || ready(*one, way);
}

}  // namespace co_wq::io
