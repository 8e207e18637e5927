// Small messages: one submission queue entry each, one system call for all of a turn.
#include <liburing.h>
#include <sys/socket.h>

#include <cerrno>

#include "io/backend/reactor_uring.hpp"
#include "io/backend/small_send.hpp"

namespace co_wq::io {

// Only to sockets: send(2) knows nothing else.
bool reactor_uring::tries_first(op_kind kind, op_detail detail, const op_slot::io_payload& io) const noexcept {
    if (kind == op_kind::connect) return false;
    const descriptor_kind on = table_.at(io.descriptor).kind;
    const bool file = on == descriptor_kind::pipe || on == descriptor_kind::terminal;
    return file || !small_send::fits(kind, detail, io);
}

void reactor_uring::start_send(op_slot& slot) noexcept {
    small_send::put_into(slot.io, static_cast<op_detail>(slot.detail));
    slot.held_by_kernel = true;
    ++table_.at(slot.io.descriptor).pins;
    submit_send(slot);
}

void reactor_uring::submit_send(op_slot& slot) noexcept {
    const const_bytes data = small_send::of(slot.io).left();
    const bool whole = static_cast<op_detail>(slot.detail) != op_detail::plain;
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_send(&sqe, table_.at(slot.io.descriptor).handle, data.data(), data.size(),
                       MSG_NOSIGNAL | (whole ? MSG_WAITALL : 0));
    io_uring_sqe_set_data64(&sqe, slot.tag().to_u64());
}

// What is queued is issued in order and at once; what finds no room is left waiting for it.
void reactor_uring::settle(op_slot&) noexcept { io_uring_submit(ring_.get()); }

void reactor_uring::on_sent(op_slot& slot, std::int32_t got) noexcept {
    const auto detail = static_cast<op_detail>(slot.detail);
    small_send& message = small_send::of(slot.io);
    if (got > 0) message.advance(static_cast<std::size_t>(got));
    // WAITALL goes on by itself; what ends early all the same, by a signal say, is taken up again
    const bool unfinished =
        (got > 0 && detail != op_detail::plain && !message.left().empty()) || got == -EINTR || got == -EAGAIN;
    if (unfinished && slot.state() == op_state::armed) return submit_send(slot);
    const std::int32_t result = message.result(detail, got);
    small_send::take_from(slot.io);
    finish_operation(slot, result);
}

}  // namespace co_wq::io
