#include "io/backend/reactor_iocp.hpp"

#include <algorithm>
#include <array>

#include "io/backend/afd.hpp"
#include "io/backend/native_sockets.hpp"
#include "io/backend/windows_error.hpp"

namespace co_wq::io {
namespace {

constexpr std::uint32_t end_events = afd::aborted | afd::closed_here;
constexpr std::uint32_t status_cancelled = 0xC0000120;

// A slot is as large as it is aligned in its page, and its kernel memory is within it.
op_slot& slot_around(os::kernel_memory& memory) noexcept {
    static_assert(sizeof(op_slot) == 128);
    return *reinterpret_cast<op_slot*>(reinterpret_cast<std::uintptr_t>(&memory) & ~std::uintptr_t{127});
}

}  // namespace

reactor_iocp::reactor_iocp(op_slab& slots, std::unique_ptr<completion_port> port)
    : reactor(slots, native_sockets()), port_(std::move(port)) {}

reactor_iocp::~reactor_iocp() = default;

// Who waits for an end is not told of bytes: they would be there again and again.
std::uint32_t reactor_iocp::events_wanted(const descriptor& entry, direction way) noexcept {
    if (way == direction::write) return afd::writable | afd::connect_failed | end_events;
    if (entry.kind == descriptor_kind::listener) return afd::acceptable | end_events;
    if (!waits_for_end(entry.reader)) return afd::readable | afd::ended | end_events;
    const bool reset_only =
        entry.reader->io.length == static_cast<std::uint32_t>(direction::hang_up) && !entry.send_ended;
    return reset_only ? end_events : afd::ended | end_events;
}

// One poll for each direction, for one event: a waiter that the event did not serve asks again.
result<void> reactor_iocp::watch(descriptor& entry, direction way) noexcept {
    op_tag& standing = way == direction::write ? entry.watch_out : entry.watch;
    const std::uint32_t wanted = events_wanted(entry, way);
    if (standing) {
        op_slot* const before = slots_.find(standing);
        CO_WQ_ASSERT(before, "a standing poll is in flight");
        if (before->io.length == wanted) return {};
        cancel_standing(standing);
    }
    op_slot& slot = slots_.fill(op_kind::multishot_poll, nullptr);
    slot.io = {nullptr, wanted, entry.index};
    slot.held_by_kernel = true;
    slots_.arm(slot);
    packet now;
    switch (port_->start_poll(slot.kernel, lane_of(entry), entry.handle, wanted, now)) {
        case start_outcome::pending:
            standing = slot.tag();
            ++entry.pins;
            return {};
        case start_outcome::done:
            slots_.retire(slot, 0);
            on_events(entry, now, wanted);
            return {};
        case start_outcome::refused: break;
    }
    slots_.retire(slot, -ECANCELED);
    return fail(from_errno(-failure_of(now.status)));
}

void reactor_iocp::request_cancel(op_slot& slot) noexcept {
    // not accepted: its packet is here already, or comes
    (void)port_->cancel(slot.kernel, lane_of(table_.at(slot.io.descriptor)));
}

void reactor_iocp::cancel_standing(op_tag& standing) noexcept {
    op_slot* const slot = standing ? slots_.find(standing) : nullptr;
    standing = {};
    if (slot && slots_.request_cancel(*slot)) request_cancel(*slot);
}

void reactor_iocp::forget(descriptor& entry) noexcept {
    cancel_standing(entry.watch);
    cancel_standing(entry.watch_out);
}

void reactor_iocp::wait(time_point until) noexcept {
    ++stats_.waits;
    std::int64_t limit_ms = -1;
    if (until != no_deadline) {
        const auto left = until == time_point{} ? 0 : std::max<std::int64_t>(0, (until - now()).count());
        limit_ms = (left + 999'999) / 1'000'000;
    }
    std::array<packet, 256> taken;
    const std::size_t count = port_->take(taken, limit_ms);
    for (std::size_t i = 0; i < count; ++i) {
        if (!taken[i].operation) continue;
        ++stats_.events;
        on_packet(taken[i]);
    }
}

// A packet of a poll that nobody stands by any more ends it, whatever it says.
void reactor_iocp::on_packet(const packet& done) noexcept {
    op_slot& slot = slot_around(*done.operation);
    CO_WQ_ASSERT(slot.held_by_kernel && slot.kind() == op_kind::multishot_poll,
                 "a packet names an operation that is in flight");
    descriptor& entry = table_.at(slot.io.descriptor);
    const std::uint32_t asked = slot.io.length;
    const bool reads = slot.tag() == entry.watch, writes = slot.tag() == entry.watch_out;
    if (reads) entry.watch = {};
    if (writes) entry.watch_out = {};
    if (!reads && !writes) ++stats_.stale;
    slots_.retire(slot, static_cast<std::int32_t>(done.status & 0x7fffffff));
    if ((reads || writes) && !entry.closing) on_events(entry, done, asked);
    unpin(entry);
}

void reactor_iocp::on_events(descriptor& entry, const packet& done, std::uint32_t asked) noexcept {
    const bool out = asked & afd::writable;
    if (done.status == 0) {
        const std::uint32_t events = done.events;
        if (events & (afd::aborted | afd::closed_here)) entry.broken = true;
        on_ready(entry, (events & (afd::readable | afd::acceptable) ? event_read : 0) |
                            (events & (afd::writable | afd::connect_failed) ? event_write : 0) |
                            (events & (afd::ended | end_events) ? event_end : 0));
        if (events != 0) return;
    }
    // nothing that it was asked for, or cancelled by somebody else: whoever waits tries, and asks again
    const bool cancelled = done.status == 0 || done.status == status_cancelled;
    op_slot* const waiting = out ? entry.writer : entry.reader;
    if (cancelled || !waiting) return post_ready(waiting);
    if (!waiting->held_by_kernel && !waiting->queued())
        finish_parked(entry, *waiting, failure_of(ERROR_INVALID_HANDLE));
}

}  // namespace co_wq::io
