#include "io/backend/reactor_iocp.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "io/backend/afd.hpp"
#include "io/backend/native_sockets.hpp"
#include "io/backend/windows_error.hpp"

namespace co_wq::io {
namespace {

constexpr std::uint32_t end_events = afd::aborted | afd::closed_here;
constexpr std::uint32_t status_cancelled = 0xC0000120;

// What the kernel says has happened.
std::uint32_t events_of(op_slot& slot) noexcept {
    const afd::poll_question& answer = afd::in(slot.kernel).answer;
    return answer.count > 0 ? answer.events : 0;
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
    if (entry.extra) return watch_pipe(entry, way);
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
    const std::uint64_t name = slot.tag().to_u64();
    switch (port_->start_poll(slot.kernel, name, lane_of(entry), entry.handle, wanted)) {
        case start_outcome::pending:
            standing = slot.tag();
            ++entry.pins;
            return {};
        case start_outcome::done: {
            const std::uint32_t events = events_of(slot);
            slots_.retire(slot, 0);
            on_events(entry, 0, events, way);
            return {};
        }
        case start_outcome::refused: break;
    }
    const std::int32_t why = last_failure();
    slots_.retire(slot, why);
    return fail(from_errno(-why));
}

void reactor_iocp::request_cancel(op_slot& slot) noexcept {
    // not accepted: its packet is here already, or comes
    const descriptor& entry = table_.at(slot.io.descriptor);
    if (entry.extra) {
        (void)port_->cancel_on(slot.kernel, static_cast<native_handle>(slot.io.length));
    } else {
        (void)port_->cancel(slot.kernel, lane_of(entry));
    }
}

void reactor_iocp::cancel_standing(op_tag& standing) noexcept {
    op_slot* const slot = standing ? slots_.find(standing) : nullptr;
    standing = {};
    if (slot && slots_.request_cancel(*slot)) request_cancel(*slot);
}

void reactor_iocp::forget(descriptor& entry) noexcept {
    if (entry.extra) return forget_pipe(entry);
    cancel_standing(entry.watch);
    cancel_standing(entry.watch_out);
}

void reactor_iocp::wait(time_point until) noexcept {
    ++stats_.waits;
    until = std::min(until, first_linger_limit());
    std::int64_t limit_ms = -1;
    if (until != no_deadline) {
        const auto left = until == time_point{} ? 0 : std::max<std::int64_t>(0, (until - now()).count());
        limit_ms = (left + 999'999) / 1'000'000;
    }
    std::array<packet, 256> taken;
    const std::size_t count = port_->take(taken, limit_ms);
    for (const packet& each : std::span(taken).first(count))
        if (each.word != 0) on_packet(each);
    if (!lingering_.empty()) [[unlikely]]
        end_lingering(now());
}

// A packet of a poll that nobody stands by any more ends it, whatever it says.
void reactor_iocp::on_packet(const packet& done) noexcept {
    ++stats_.events;
    op_slot* const slot = slots_.find(op_tag::from_u64(done.word));
    if (!slot) return;  // counted as stale
    descriptor& entry = table_.at(slot->io.descriptor);
    if (entry.extra) return on_pipe_packet(entry, *slot, done.status);
    const bool reads = slot->tag() == entry.watch, writes = slot->tag() == entry.watch_out;
    const std::uint32_t events = done.status == 0 ? events_of(*slot) : 0;
    slots_.retire(*slot, static_cast<std::int32_t>(events));
    if (reads) entry.watch = {};
    if (writes) entry.watch_out = {};
    if ((reads || writes) && !entry.closing)
        on_events(entry, done.status, events, writes ? direction::write : direction::read);
    unpin(entry);
}

void reactor_iocp::on_events(descriptor& entry, std::uint32_t status, std::uint32_t events, direction way) noexcept {
    if (events & end_events) entry.broken = true;
    if ((events & afd::ended) && !entry.broken) entry.peer_ended = true;
    if (events != 0)
        return on_ready(entry, (events & (afd::readable | afd::acceptable) ? event_read : 0) |
                                   (events & (afd::writable | afd::connect_failed) ? event_write : 0) |
                                   (events & (afd::ended | end_events) ? event_end : 0));
    op_slot* const waiting = way == direction::write ? entry.writer : entry.reader;
    // nothing of what was asked, or cancelled by somebody else: whoever waits tries, and asks again
    if (status == 0 || status == status_cancelled || !waiting) return post_ready(waiting);
    if (!waiting->held_by_kernel && !waiting->queued())
        finish_parked(entry, *waiting, failure_of(ERROR_INVALID_HANDLE));
}

}  // namespace co_wq::io
