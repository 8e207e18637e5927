#include "io/reactor.hpp"

#include <cerrno>

#include "io/file_service.hpp"
#include "task/workqueue.hpp"

namespace co_wq::io {

reactor::reactor(op_slab& slots, socket_calls& calls) noexcept : slots_(slots), calls_(calls) {
    slots_.set_owner(&drop_result, &serve_ready, this);
}

reactor::~reactor() { CO_WQ_ASSERT(table_.live() == 0, "all descriptors are released before their reactor dies"); }

detail::file_service& reactor::files() {
    if (!files_) {
        files_ = std::make_unique<detail::file_service>(*this);
        files_->set_threads(file_threads_);
    }
    return *files_;
}

void reactor::end_files() noexcept {
    if (files_) files_->end();
}

std::int32_t reactor::attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io) noexcept {
    if (detail == op_detail::layered) return static_cast<layered_io*>(io.data)->attempt(io);
    if (entry.extra) {
        const std::int32_t arrived = take_arrived(entry, kind, detail, io);
        if (arrived != would_block || entry.by_backend) return arrived;
        if (entry.multishot && kind != op_kind::send) return would_block;
    }
    ++stats_.attempts;
    const std::int32_t got = calls_.attempt(entry, kind, detail, io, buffers_);
    if (got < 0) {
        if (got == would_block) ++stats_.would_block;
        if (got == would_block && entry.stopped && kind == op_kind::accept) [[unlikely]] {
            entry.readable = true;
            return -EBADF;
        }
        if (got == -EFAULT) [[unlikely]]
            ++stats_.bad_memory;
    }
    return got;
}

namespace {

// In which place of its entry an operation waits.
direction way_of(const op_slot& slot) noexcept {
    const bool reading =
        slot.kind() == op_kind::recv || slot.kind() == op_kind::accept ||
        (slot.kind() == op_kind::poll && slot.io.length != static_cast<std::uint32_t>(direction::write));
    return reading ? direction::read : direction::write;
}

}  // namespace

void reactor::submit(op_slot& slot) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    op_slot*& place = way_of(slot) == direction::read ? entry.reader : entry.writer;
    CO_WQ_REQUIRE(!entry.closing, "no operation starts on a released descriptor");
    CO_WQ_REQUIRE(!place, "one operation of each direction may wait on a stream; another one is waiting already");
    place = &slot;
    slots_.arm(slot);
    if (!start(slot)) wait_for(entry, slot);
}

// A parked slot waits for an event: one must be able to come.
void reactor::wait_for(descriptor& entry, op_slot& slot) noexcept {
    const result<void> watching = watch(entry, way_of(slot));
    if (!watching) finish_parked(entry, slot, -watching.error().os_code());
}

void reactor::leave_place(descriptor& entry, op_slot& slot) noexcept {
    (entry.reader == &slot ? entry.reader : entry.writer) = nullptr;
}

layered_io* reactor::layer_of(const op_slot& slot) noexcept {
    const bool layered = static_cast<op_detail>(slot.detail) == op_detail::layered;
    return layered ? static_cast<layered_io*>(slot.io.data) : nullptr;
}

void reactor::stand_by(descriptor& entry, layered_io& work, direction way) noexcept {
    op_slot& slot = slots_.fill(way == direction::read ? op_kind::recv : op_kind::send, nullptr);
    slot.io = {&work, 0, entry.index};
    slot.detail = static_cast<std::uint8_t>(op_detail::layered);
    submit(slot);
    if (work.may_succeed()) retry(slot);
}

void reactor::stand_down(descriptor& entry, direction way) noexcept {
    op_slot* const slot = way == direction::read ? entry.reader : entry.writer;
    if (!slot || slot->waiter()) return;
    leave_place(entry, *slot);
    slots_.withdraw(*slot);
}

void reactor::finish_parked(descriptor& entry, op_slot& slot, std::int32_t result) noexcept {
    leave_place(entry, slot);
    slots_.finish(slot, result);
}

// A slot that was posted as ready comes up: nothing lies between the system call and the waiter's resumption, so
// bytes are never taken for a waiter that then dies.
void reactor::serve_ready(void* self, op_slot& slot) noexcept {
    auto& me = *static_cast<reactor*>(self);
    descriptor& entry = me.table_.at(slot.io.descriptor);
    const std::int32_t got = me.attempt(entry, slot.kind(), static_cast<op_detail>(slot.detail), slot.io);
    if (got == would_block) return me.wait_for(entry, slot);
    if (got == once_more) return me.post_ready(&slot);
    if (got == until_retried) return;
    leave_place(entry, slot);
    if (!slot.waiter()) return me.slots_.retire(slot, got);
    me.slots_.deliver(slot, got);
}

void reactor::post_ready(op_slot* slot) noexcept {
    if (slot && slot->state() == op_state::armed && !slot->held_by_kernel && !slot->queued())
        slots_.queue().post(*slot);
}

void reactor::never_waits(descriptor& entry) noexcept {
    entry.readable = entry.writable = true;
    if (!waits_for_end(entry.reader)) post_ready(entry.reader);
    post_ready(entry.writer);
}

void reactor::on_ready(descriptor& entry, unsigned events) noexcept {
    if (events & event_end) entry.ended = true;
    if (events & (event_read | event_end)) {
        entry.readable = true;
        post_ready(entry.reader);
    }
    if (events & (event_write | event_end)) {
        entry.writable = true;
        post_ready(entry.writer);
    }
}

void reactor::cancel(op_slot& slot) noexcept {
    if (!slots_.request_cancel(slot)) return;
    descriptor& entry = table_.at(slot.io.descriptor);
    if (slot.held_by_kernel) return request_cancel(slot);
    layered_io* const layer = layer_of(slot);
    finish_parked(entry, slot, -ECANCELED);
    if (layer) layer->left();
}

void reactor::abandon(op_slot& slot) noexcept {
    if (slot.state() == op_state::armed || slot.state() == op_state::cancel_requested) {
        descriptor& entry = table_.at(slot.io.descriptor);
        leave_place(entry, slot);  // if the kernel still holds it, the next operation need not wait for that
        if (!slot.held_by_kernel) {
            layered_io* const layer = layer_of(slot);
            slots_.withdraw(slot);
            if (layer) layer->left();
            return;
        }
        const bool asked = slot.state() == op_state::cancel_requested;
        slots_.abandon(slot);
        if (!asked) request_cancel(slot);
        if (slot.kind() == op_kind::send) settle(slot);
        return;
    }
    slots_.abandon(slot);
}

result<void> reactor::shutdown_send(descriptor& entry) noexcept {
    op_slot* const slot = entry.writer;
    if (slot && slot->kind() == op_kind::send && slot->state() == op_state::armed && !layer_of(*slot)) {
        if (slot->held_by_kernel) {
            settle(*slot);
        } else {
            const std::int32_t got = attempt(entry, slot->kind(), static_cast<op_detail>(slot->detail), slot->io);
            if (got != would_block) finish_parked(entry, *slot, got);
        }
    }
    const result<void> ended = end_sending(entry);
    if (ended) entry.send_ended = true;
    if (ended && waits_for_end(entry.reader)) post_ready(entry.reader);  // that may have been what it waits for
    return ended;
}

void reactor::stop_accepting(descriptor& entry) noexcept {
    entry.stopped = entry.readable = true;
    end_accepting(entry);
    post_ready(entry.reader);
}

void reactor::release(descriptor& entry) noexcept {
    CO_WQ_REQUIRE(entry.used && !entry.closing, "a descriptor is released once");
    entry.closing = true;
    for (op_slot* slot : {entry.reader, entry.writer}) {
        if (!slot) continue;
        if (slot->held_by_kernel) {
            if (slots_.request_cancel(*slot)) request_cancel(*slot);
            continue;
        }
        finish_parked(entry, *slot, -EBADF);
    }
    forget(entry);
    if (entry.kind == descriptor_kind::file && entry.pins > 0) {
        ++entry.pins;
        files().closing(entry);
        return unpin(entry);
    }
    if (entry.pins == 0) finish_close(entry);
}

void reactor::unpin(descriptor& entry) noexcept {
    CO_WQ_ASSERT(entry.pins > 0, "pins are counted");
    if (--entry.pins == 0 && entry.closing) finish_close(entry);
}

void reactor::finish_close(descriptor& entry) noexcept {
    if (entry.extra) drop_extra(entry);
    const bool closes_later = entry.kind == descriptor_kind::file && entry.owned;
    if (entry.owned && !closes_later) calls_.close(entry.handle);
    const native_handle handle = entry.handle;
    table_.remove(entry);
    if (closes_later) files().close_later(handle);
}

// A result nobody waits for: what it owns goes back.
void reactor::drop_result(void* self, op_slot& slot) noexcept {
    auto& me = *static_cast<reactor*>(self);
    if (slot.kind() == op_kind::file) return me.files().dispose(*static_cast<detail::file_request*>(slot.io.data));
    if (slot.kind() == op_kind::accept && slot.result() >= 0) me.refuse(slot.result());
    if (slot.kind() == op_kind::recv && static_cast<op_detail>(slot.detail) == op_detail::lend && slot.io.data)
        me.buffers_.give_back(slot.io.data, slot.io.length);
}

result<reactor_kind> reactor_kind_from(std::string_view name) noexcept {
    if (name == "auto") return reactor_kind::automatic;
    if (name == "epoll") return reactor_kind::epoll;
    if (name == "uring") return reactor_kind::uring;
    if (name == "sim") return reactor_kind::sim;
    if (name == "iocp") return reactor_kind::iocp;
    return fail(errc::not_found);
}

const char* name_of(reactor_kind kind) noexcept {
    static constexpr const char* names[] = {"auto", "epoll", "uring", "sim", "iocp"};
    return names[static_cast<unsigned>(kind)];
}

}  // namespace co_wq::io
