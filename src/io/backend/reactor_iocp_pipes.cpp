// Named pipes of the reactor: readiness made from reads and writes that the kernel performs on memory of ours.
#include <winternl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "io/backend/afd.hpp"
#include "io/backend/named_pipes.hpp"
#include "io/backend/partial_send.hpp"
#include "io/backend/reactor_iocp.hpp"
#include "io/backend/windows_error.hpp"

namespace co_wq::io {
namespace {

constexpr std::size_t backlog_max = 200;
constexpr std::uint32_t message_continues = 0x80000005;  // STATUS_BUFFER_OVERFLOW

pipe_end& end_of(descriptor_extra* extra) noexcept { return *static_cast<pipe_end*>(extra); }
pipe_listener& listener_of(descriptor_extra* extra) noexcept { return *static_cast<pipe_listener*>(extra); }

// Of a packet.
std::uint32_t code_of(std::uint32_t status) noexcept {
    if (status == 0 || status == message_continues) return 0;
    return ::RtlNtStatusToDosError(static_cast<NTSTATUS>(status));
}

bool is_end(std::uint32_t code) noexcept {
    return code == ERROR_BROKEN_PIPE || code == ERROR_PIPE_NOT_CONNECTED || code == ERROR_NO_DATA;
}

}  // namespace

// A slot for an operation that the kernel is about to be given; the length is the handle that it is on.
op_slot& reactor_iocp::pipe_slot(descriptor& entry, op_kind kind, native_handle handle) noexcept {
    op_slot& slot = slots_.fill(kind, nullptr);
    slot.io = {nullptr, static_cast<std::uint32_t>(handle), entry.index};
    slot.held_by_kernel = true;
    slots_.arm(slot);
    return slot;
}

// ---- making them

result<native_handle> reactor_iocp::open_named_pipe(std::string_view name) {
    const result<std::wstring> wide = pipes::wide_name(name);
    if (!wide) return std::unexpected(wide.error());
    const result<native_handle> opened = pipes::open_client(*wide);
    if (!opened || port_->associate(*opened)) return opened;
    const std::int32_t why = last_failure();
    pipes::close(*opened);
    return fail(from_errno(-why));
}

void reactor_iocp::adopt_pipe(descriptor& entry) {
    try {
        entry.extra = new pipe_end(pipes::nature_of(entry.handle));
        entry.by_backend = true;
    } catch (const std::bad_alloc&) {
        // it is no socket: none of the loop's ways to close it
        if (entry.owned) pipes::close(entry.handle);
        entry.owned = false;
        release(entry);
        throw;
    }
}

result<std::uint32_t> reactor_iocp::pipe_peer_process(const descriptor& entry) noexcept {
    if (entry.kind != descriptor_kind::named_pipe) return fail(errc::not_supported);
    return pipes::peer_process(entry.handle, end_of(entry.extra).nature.server);
}

result<descriptor*> reactor_iocp::listen_on_pipe(const pipe_listening& how) {
    result<std::wstring> name = pipes::wide_name(how.name);
    if (!name) return std::unexpected(name.error());
    result<os::descriptor_of_rights> rights = pipes::rights_from(how.access);
    if (!rights) return std::unexpected(rights.error());
    auto made = std::make_unique<pipe_listener>();
    made->name = std::move(*name);
    made->rights = std::move(*rights);
    made->backlog = std::clamp<std::size_t>(how.backlog, 1, backlog_max);
    pipe_listener& on = *made;
    on.waiting.reserve(on.backlog);
    on.come.reserve(on.backlog + 1);
    descriptor& entry = table_.add(no_handle, descriptor_kind::pipe_listener, true);
    entry.extra = made.release();
    entry.by_backend = true;
    const result<native_handle> first = pipes::make_instance(on.name, on.rights.get(), true);
    if (!first || !listen_on(entry, on, *first)) {
        const error why = first ? from_errno(-on.failure) : first.error();
        release(entry);
        return fail(why);
    }
    listen_more(entry, on);
    return &entry;
}

// Takes the instance over.
bool reactor_iocp::listen_on(descriptor& entry, pipe_listener& on, native_handle instance) noexcept {
    if (port_->associate(instance)) {
        op_slot& slot = pipe_slot(entry, op_kind::multishot_accept, instance);
        switch (port_->start_listen(slot.kernel, slot.tag().to_u64(), instance)) {
            case start_outcome::pending:
                on.waiting.push_back({instance, slot.tag()});
                ++entry.pins;
                return true;
            case start_outcome::done:
                slots_.retire(slot, 0);
                on.come.push_back(instance);
                return true;
            case start_outcome::refused: break;
        }
        on.failure = last_failure();
        slots_.retire(slot, on.failure);
    } else {
        on.failure = last_failure();
    }
    pipes::close(instance);
    return false;
}

void reactor_iocp::listen_more(descriptor& entry, pipe_listener& on) noexcept {
    while (!entry.closing && !entry.stopped && on.waiting.size() + on.come.size() < on.backlog) {
        const result<native_handle> made = pipes::make_instance(on.name, on.rights.get(), false);
        if (!made) on.failure = failure_of(static_cast<std::uint32_t>(made.error().os_code()));
        if (!made || !listen_on(entry, on, *made)) return;
    }
}

// ---- attempts

std::int32_t reactor_iocp::take_arrived(descriptor& entry, op_kind kind, op_detail detail,
                                        op_slot::io_payload& io) noexcept {
    if (entry.extra->listens) {
        if (kind == op_kind::accept) return accept(entry, listener_of(entry.extra));
        return -EOPNOTSUPP;
    }
    pipe_end& end = end_of(entry.extra);
    switch (kind) {
        case op_kind::recv: return receive(entry, end, detail, io);
        case op_kind::send: return send(entry, end, detail, io);
        case op_kind::poll: return is_ready(entry, end, static_cast<direction>(io.length));
        default: return -EOPNOTSUPP;
    }
}

// The last instance that holds the name is not given out before there is another one: nobody else gets the name, and
// who connects meanwhile is not told that there is nobody.
std::int32_t reactor_iocp::accept(descriptor& entry, pipe_listener& from) noexcept {
    if (from.come.empty()) listen_more(entry, from);
    if (from.come.empty()) {
        // stopped: somebody may have connected before the last instance heard of it
        if (from.waiting.empty()) return entry.stopped ? -EBADF : from.failure;
        entry.readable = false;
        return would_block;
    }
    const native_handle oldest = from.come.front();
    from.come.erase(from.come.begin());
    listen_more(entry, from);
    if (entry.stopped || !from.waiting.empty() || !from.come.empty()) return oldest;
    from.come.push_back(oldest);
    return from.failure;
}

std::int32_t reactor_iocp::receive(descriptor& entry, pipe_end& from, op_detail detail,
                                   op_slot::io_payload& io) noexcept {
    if (detail != op_detail::plain && detail != op_detail::lend) return -EOPNOTSUPP;
    if (io.length == 0) return 0;
    if (from.in.empty() && !from.ended && from.read_failure == 0) {
        if (!read_more(entry, from)) {
            entry.readable = false;
            return would_block;
        }
        // an empty message of a pipe that has none, or somebody else's cancel
        if (from.in.empty() && !from.ended && from.read_failure == 0) return once_more;
    }
    if (from.in.empty()) {
        if (detail == op_detail::lend) io.data = nullptr;
        return from.read_failure;  // 0: the end
    }
    std::uint32_t room = io.length;
    if (detail == op_detail::lend) {
        io.data = buffers_.take_raw(io.length, room);
        io.length = room;
    }
    const std::uint32_t size = std::min(room, from.in.end - from.in.begin);
    std::memcpy(io.data, from.in.memory + from.in.begin, size);
    from.in.begin += size;
    if (from.in.empty() && !from.reading) drop_block(from, false);
    return static_cast<std::int32_t>(size);
}

std::int32_t reactor_iocp::send(descriptor& entry, pipe_end& to, op_detail detail, op_slot::io_payload& io) noexcept {
    const auto piece = [&] {
        const const_bytes rest(static_cast<const std::byte*>(io.data), io.length);
        return send_some(entry, to, &rest, 1);
    };
    switch (detail) {
        case op_detail::plain: return piece();
        case op_detail::all: return send_to_the_end(io, piece);
        case op_detail::gather:
            return send_parts_to_the_end(
                io, [&](const const_bytes* parts) { return send_some(entry, to, parts, io.length); });
        default: return -EOPNOTSUPP;
    }
}

// As many as one write takes, which is begun. An empty message would be the end, so nothing is sent for no bytes.
std::int32_t reactor_iocp::send_some(descriptor& entry, pipe_end& to, const const_bytes* parts,
                                     std::size_t count) noexcept {
    if (to.write_failure != 0) return to.write_failure;
    if (entry.send_ended) return failure_of(ERROR_NO_DATA);
    if (to.writing) {
        entry.writable = false;
        return would_block;
    }
    std::size_t whole = 0;
    for (std::size_t i = 0; i < count && whole < pipe_end::piece_max; ++i) whole += parts[i].size();
    const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(whole, pipe_end::piece_max));
    if (size == 0) return 0;
    to.out.memory = buffers_.take_raw(size, to.out.capacity);
    for (std::size_t i = 0; to.out.end < size; ++i) {
        const std::size_t step = std::min<std::size_t>(parts[i].size(), size - to.out.end);
        if (step > 0) std::memcpy(to.out.memory + to.out.end, parts[i].data(), step);
        to.out.end += static_cast<std::uint32_t>(step);
    }
    const std::int32_t wrote = write_out(entry, to);
    return wrote < 0 ? wrote : static_cast<std::int32_t>(size);
}

std::int32_t reactor_iocp::is_ready(descriptor& entry, pipe_end& end, direction way) noexcept {
    switch (way) {
        case direction::write:
            if (!end.writing || end.write_failure != 0) return 1;
            entry.writable = false;
            return would_block;
        case direction::read:
            for (;;) {
                if (!end.in.empty() || end.ended || end.read_failure != 0) return 1;
                if (read_more(entry, end)) continue;
                entry.readable = false;
                return would_block;
            }
        case direction::read_end: return end.ended || end.read_failure != 0 ? 1 : would_block;
        case direction::hang_up:
            return end.gone || end.read_failure != 0 || (end.ended && entry.send_ended) ? 1 : would_block;
    }
    return -EINVAL;
}

// ---- what the kernel does

void reactor_iocp::drop_block(pipe_end& of, bool out) noexcept {
    pipe_end::block& which = out ? of.out : of.in;
    if (which.memory) buffers_.give_back(which.memory, which.capacity);
    which = {};
}

// Behind the bytes that nobody has taken, while the block has room. True: it came to something at once.
bool reactor_iocp::read_more(descriptor& entry, pipe_end& from) noexcept {
    if (from.reading || from.gone || from.read_failure != 0) return false;
    if (from.in.empty()) {
        if (from.in.capacity != from.read_size) drop_block(from, false);
        if (!from.in.memory) from.in.memory = buffers_.take_raw(from.read_size, from.in.capacity);
        from.in.begin = from.in.end = 0;
    }
    if (from.in.end == from.in.capacity) return false;
    op_slot& slot = pipe_slot(entry, op_kind::multishot_recv, entry.handle);
    const bytes room(from.in.memory + from.in.end, from.in.capacity - from.in.end);
    switch (port_->start_read(slot.kernel, slot.tag().to_u64(), entry.handle, room)) {
        case start_outcome::pending:
            from.reading = slot.tag();
            ++entry.pins;
            return false;
        case start_outcome::done: {
            const std::uint32_t moved = afd::moved_by(slot.kernel);
            slots_.retire(slot, static_cast<std::int32_t>(moved));
            arrived(entry, from, moved);
            break;
        }
        case start_outcome::refused: {
            const std::uint32_t code = ::GetLastError();
            slots_.retire(slot, failure_of(code));
            read_failed(entry, from, code);
            break;
        }
    }
    if (from.in.empty()) drop_block(from, false);
    return true;
}

// What comes behind an end is nobody's.
void reactor_iocp::arrived(descriptor& entry, pipe_end& end, std::uint32_t moved) noexcept {
    if (end.ended) return;
    if (moved == 0) {
        if (!end.nature.messages) return;
        end.ended = entry.peer_ended = entry.ended = entry.readable = true;
        return;
    }
    const bool full = end.in.end + moved == end.in.capacity;
    end.in.end += moved;
    end.read_size = full ? pipe_end::piece_max : moved < pipe_end::read_min ? pipe_end::read_min : end.read_size;
}

void reactor_iocp::read_failed(descriptor& entry, pipe_end& end, std::uint32_t code) noexcept {
    if (code == ERROR_OPERATION_ABORTED) return;
    if (is_end(code)) {
        end.ended = end.gone = true;
    } else {
        end.read_failure = failure_of(code);
    }
    entry.ended = entry.readable = true;
}

// Of what the block holds; nothing: an empty message. 0, or why not.
std::int32_t reactor_iocp::write_out(descriptor& entry, pipe_end& to) noexcept {
    op_slot& slot = pipe_slot(entry, op_kind::send, entry.handle);
    const const_bytes data(to.out.memory, to.out.end);
    switch (port_->start_write(slot.kernel, slot.tag().to_u64(), entry.handle, data)) {
        case start_outcome::pending:
            to.writing = slot.tag();
            ++entry.pins;
            return 0;
        case start_outcome::done:
            slots_.retire(slot, 0);
            drop_block(to, true);
            return 0;
        case start_outcome::refused: break;
    }
    to.write_failure = last_failure();
    slots_.retire(slot, to.write_failure);
    drop_block(to, true);
    return to.write_failure;
}

result<void> reactor_iocp::end_sending(descriptor& entry) noexcept {
    if (!entry.extra) return reactor::end_sending(entry);
    if (entry.extra->listens) return fail(errc::not_supported);
    pipe_end& end = end_of(entry.extra);
    if (!end.nature.messages) return fail(errc::not_supported);
    if (end.write_failure != 0) return fail(from_errno(-end.write_failure));
    if (entry.send_ended) return {};
    if (end.writing) {
        end.end_wanted = true;
        return {};
    }
    const std::int32_t wrote = write_out(entry, end);
    if (wrote < 0) return fail(from_errno(-wrote));
    return {};
}

// ---- events

result<void> reactor_iocp::watch_pipe(descriptor& entry, direction way) noexcept {
    if (entry.extra->listens) {
        const pipe_listener& on = listener_of(entry.extra);
        if (!on.come.empty()) on_ready(entry, event_read);
        return {};
    }
    pipe_end& end = end_of(entry.extra);
    if (way == direction::write) {
        if (!end.writing) on_ready(entry, event_write);
        return {};
    }
    const bool for_end = waits_for_end(entry.reader);
    const bool there = !end.in.empty() || end.ended || end.read_failure != 0;
    if (read_more(entry, end) || (there && !for_end)) on_ready(entry, event_read | (end.ended ? event_end : 0u));
    return {};
}

void reactor_iocp::end_accepting(descriptor& entry) noexcept {
    if (!entry.extra) return;
    for (const pipe_listener::instance& each : listener_of(entry.extra).waiting) {
        op_tag standing = each.listening;
        cancel_standing(standing);
    }
}

void reactor_iocp::forget_pipe(descriptor& entry) noexcept {
    if (entry.extra->listens) return end_accepting(entry);
    pipe_end& end = end_of(entry.extra);
    if (op_tag standing = end.reading) cancel_standing(standing);
    if (end.writing) lingering_.push_back({entry.tag(), saturating_add(now(), linger_limit)});
}

void reactor_iocp::hurry(duration left) noexcept {
    const time_point limit = saturating_add(now(), left);
    for (lingering& each : lingering_) each.limit = std::min(each.limit, limit);
}

time_point reactor_iocp::first_linger_limit() const noexcept {
    time_point first = no_deadline;
    for (const lingering& each : lingering_) first = std::min(first, each.limit);
    return first;
}

// What could not be written in time is cut.
void reactor_iocp::end_lingering(time_point now_is) noexcept {
    std::erase_if(lingering_, [&](const lingering& each) {
        descriptor* const entry = table_.find(each.entry);
        if (!entry) return true;
        if (each.limit > now_is) return false;
        op_tag standing = end_of(entry->extra).writing;
        cancel_standing(standing);
        return true;
    });
}

void reactor_iocp::on_pipe_packet(descriptor& entry, op_slot& slot, std::uint32_t status) noexcept {
    const op_tag which = slot.tag();
    const std::uint32_t moved = afd::moved_by(slot.kernel);
    slots_.retire(slot, static_cast<std::int32_t>(moved));
    if (entry.extra->listens) {
        on_connected(entry, listener_of(entry.extra), which, status);
    } else {
        pipe_end& end = end_of(entry.extra);
        if (which == end.reading) {
            on_read(entry, end, status, moved);
        } else {
            CO_WQ_ASSERT(which == end.writing, "a pipe has one read and one write under way");
            on_written(entry, end, status);
        }
    }
    unpin(entry);
}

void reactor_iocp::on_read(descriptor& entry, pipe_end& end, std::uint32_t status, std::uint32_t moved) noexcept {
    end.reading = {};
    const std::uint32_t code = code_of(status);
    if (code == 0) arrived(entry, end, moved);
    if (code != 0) read_failed(entry, end, code);
    if (end.in.empty()) drop_block(end, false);
    if (!entry.closing) on_ready(entry, event_read | (end.ended ? event_end : 0u));
}

void reactor_iocp::on_written(descriptor& entry, pipe_end& end, std::uint32_t status) noexcept {
    end.writing = {};
    drop_block(end, true);
    if (code_of(status) != 0) end.write_failure = failure_of(ERROR_NO_DATA);
    if (entry.closing) return;
    if (std::exchange(end.end_wanted, false) && end.write_failure == 0) (void)write_out(entry, end);
    on_ready(entry, event_write);
}

void reactor_iocp::on_connected(descriptor& entry, pipe_listener& on, op_tag which, std::uint32_t status) noexcept {
    const auto found = std::find_if(on.waiting.begin(), on.waiting.end(),
                                    [&](const pipe_listener::instance& each) { return each.listening == which; });
    CO_WQ_ASSERT(found != on.waiting.end(), "an instance waits for each operation of a listener");
    const native_handle instance = found->handle;
    on.waiting.erase(found);
    const std::uint32_t code = code_of(status);
    if (code == 0 || code == ERROR_PIPE_CONNECTED || code == ERROR_NO_DATA) {
        on.come.push_back(instance);
    } else {
        on.failure = failure_of(code);
        listen_more(entry, on);  // before this one lets the name go
        pipes::close(instance);
    }
    if (!entry.closing) on_ready(entry, event_read);
}

void reactor_iocp::drop_extra(descriptor& entry) noexcept {
    if (entry.extra->listens) {
        pipe_listener* const on = &listener_of(std::exchange(entry.extra, nullptr));
        for (const native_handle each : on->come) pipes::close(each);
        delete on;
    } else {
        pipe_end* const end = &end_of(std::exchange(entry.extra, nullptr));
        drop_block(*end, false);
        drop_block(*end, true);
        if (entry.owned) pipes::close(entry.handle);
        delete end;
    }
    entry.owned = false;  // it is closed
}

}  // namespace co_wq::io
