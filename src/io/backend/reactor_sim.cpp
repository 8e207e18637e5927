#include "io/backend/reactor_sim.hpp"

#include <algorithm>
#include <cerrno>

#include "io/backend/small_send.hpp"

namespace co_wq::io {

reactor_sim::reactor_sim(op_slab& slots, std::unique_ptr<sim_network> network)
    : reactor(slots, *network), network_(std::move(network)) {
    network_->set_ready([this](native_handle handle, unsigned events) { ready(handle, events); });
}

reactor_sim::~reactor_sim() { network_->set_ready({}); }

bool reactor_sim::tries_first(op_kind kind, op_detail detail, const op_slot::io_payload& io) const noexcept {
    if (kind == op_kind::connect) return false;
    return !small_send::fits(kind, detail, io) || !network_->random().chance(network_->options().kernel_performed);
}

duration reactor_sim::kernel_delay() noexcept {
    return duration(static_cast<std::int64_t>(network_->random().below(200'000)));
}

result<void> reactor_sim::watch(descriptor& entry, direction) noexcept {
    if (entry.watched) return {};
    entry.watched = true;
    watched_[entry.handle] = entry.tag();
    // registration reports what is ready already
    network_->after(duration(1), [this, handle = entry.handle] { ready(handle, event_read | event_write); });
    return {};
}

bool reactor_sim::start(op_slot& slot) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    // as on the real kernels, receives are never handed over: what they took could be lost with their waiter
    const bool small = small_send::fits(slot.kind(), static_cast<op_detail>(slot.detail), slot.io);
    const bool may_hold = slot.kind() == op_kind::accept || slot.kind() == op_kind::connect || small;
    if (!may_hold || !network_->random().chance(network_->options().kernel_performed)) {
        // a connect has to be begun in any case
        if (slot.kind() == op_kind::connect) (void)attempt(entry, slot.kind(), op_detail::plain, slot.io);
        return false;
    }
    if (slot.kind() == op_kind::connect) (void)attempt(entry, slot.kind(), op_detail::plain, slot.io);
    if (small) small_send::put_into(slot.io, static_cast<op_detail>(slot.detail));
    slot.held_by_kernel = true;
    ++entry.pins;
    held_[entry.handle].push_back(slot.tag());
    network_->after(kernel_delay(), [this, tag = slot.tag()] { try_to_complete(tag); });
    return true;
}

// The kernel looks whether it can perform an operation it holds.
void reactor_sim::try_to_complete(op_tag tag) {
    op_slot* slot = slots_.find(tag);
    if (!slot || !slot->held_by_kernel) return;
    const op_state state = slot->state();
    if (state != op_state::armed && state != op_state::cancel_requested && state != op_state::orphaned) return;
    descriptor& entry = table_.at(slot->io.descriptor);
    const std::int32_t got =
        slot->kind() == op_kind::send
            ? try_to_send(entry, *slot)
            : calls_.attempt(entry, slot->kind(), static_cast<op_detail>(slot->detail), slot->io, buffers_);
    if (got != would_block) finish_held(*slot, got);
}

// A send that is not over goes on when there is room again.
std::int32_t reactor_sim::try_to_send(descriptor& entry, op_slot& slot) {
    small_send& message = small_send::of(slot.io);
    for (;;) {
        const const_bytes data = message.left();
        op_slot::io_payload rest{const_cast<std::byte*>(data.data()), static_cast<std::uint32_t>(data.size()),
                                 slot.io.descriptor};
        const std::int32_t got = calls_.attempt(entry, op_kind::send, op_detail::plain, rest, buffers_);
        if (got < 0) return got;
        message.advance(static_cast<std::size_t>(got));
        if (static_cast<op_detail>(slot.detail) == op_detail::plain || message.left().empty()) return got;
    }
}

// The rest of a send whose waiter died is not sent: it would land among what comes after it.
void reactor_sim::settle(op_slot& send) noexcept {
    descriptor& entry = table_.at(send.io.descriptor);
    const std::int32_t got = try_to_send(entry, send);
    if (got != would_block) return finish_held(send, got);
    if (send.state() == op_state::orphaned) finish_held(send, -ECANCELED);
}

void reactor_sim::finish_held(op_slot& slot, std::int32_t result) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    std::erase(held_[entry.handle], slot.tag());
    if (entry.reader == &slot) entry.reader = nullptr;
    if (entry.writer == &slot) entry.writer = nullptr;
    slot.held_by_kernel = false;
    if (slot.kind() == op_kind::send) {
        result = small_send::of(slot.io).result(static_cast<op_detail>(slot.detail), result);
        small_send::take_from(slot.io);
    }
    if (result == -ECANCELED && entry.closing) result = -EBADF;
    slots_.finish(slot, result);
    unpin(entry);
}

// The answer comes late, and what arrives meanwhile wins.
void reactor_sim::request_cancel(op_slot& slot) noexcept {
    network_->after(kernel_delay(), [this, tag = slot.tag()] {
        try_to_complete(tag);
        if (op_slot* still = slots_.find(tag); still && still->held_by_kernel) finish_held(*still, -ECANCELED);
    });
}

void reactor_sim::forget(descriptor& entry) noexcept {
    if (entry.watched) {
        watched_.erase(entry.handle);
        gone_.push_back(entry.tag());
        entry.watched = false;
    }
}

void reactor_sim::ready(native_handle handle, unsigned events) {
    const auto held = held_.find(handle);
    if (held != held_.end())
        for (op_tag tag : held->second) network_->after(kernel_delay(), [this, tag] { try_to_complete(tag); });
    const auto at = watched_.find(handle);
    if (at == watched_.end()) return;
    ++stats_.events;
    if (descriptor* entry = table_.find(at->second)) on_ready(*entry, events);
    sim_random& random = network_->random();
    if (!random.chance(network_->options().spurious_events)) return;
    const op_tag again = gone_.empty() || random.chance(128) ? at->second : gone_[random.below(gone_.size())];
    network_->after(kernel_delay(), [this, again] {
        if (descriptor* entry = table_.find(again)) {
            on_ready(*entry, event_read | event_write);
        } else {
            ++stats_.stale;
        }
    });
}

void reactor_sim::wait(time_point until) noexcept {
    ++stats_.waits;
    {
        const std::scoped_lock guard(lock_);
        if (std::exchange(woken_, false)) until = time_point{};
    }
    if (until == no_deadline && !network_->has_events()) {
        // nothing can happen here any more: only another thread can go on
        std::unique_lock guard(lock_);
        changed_.wait(guard, [this] { return woken_; });
        woken_ = false;
        return;
    }
    // one event at a time: the loop takes its turn in between, as a kernel would let it
    if (until > network_->now()) {
        network_->step(until);
    } else {
        network_->step(network_->now());
    }
}

void reactor_sim::wake() noexcept {
    const std::scoped_lock guard(lock_);
    woken_ = true;
    changed_.notify_one();
}

}  // namespace co_wq::io
