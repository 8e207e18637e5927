#include "io/backend/reactor_uring.hpp"

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/pool.hpp"
#include "io/backend/native_address.hpp"
#include "io/backend/native_sockets.hpp"
#include "io/backend/small_send.hpp"
#include "io/backend/uring_buffers.hpp"
#include "io/backend/uring_probe.hpp"
#include "io/file_service.hpp"

namespace co_wq::io {
namespace {

constexpr std::uint64_t no_tag = 0;        // cancel requests: their own completions say nothing
constexpr std::uint64_t wake_tag = 1;      // no slot has generation 0
constexpr unsigned ring_entries = 256;

}  // namespace

reactor_uring::reactor_uring(op_slab& slots) : reactor(slots, native_sockets()), ring_(std::make_unique<io_uring>()) {}

result<std::unique_ptr<reactor>> reactor_uring::make(op_slab& slots, std::string& why) {
    std::unique_ptr<reactor_uring> made(new reactor_uring(slots));
    const int failed = uring_setup(*made->ring_, ring_entries);
    if (failed < 0) {
        made->ring_.reset();
        why = uring_refusal(-failed);
        return fail(from_errno(-failed));
    }
    made->probe(why);
    made->arm_wake();
    return std::unique_ptr<reactor>(std::move(made));
}

void reactor_uring::probe(std::string& why) {
    provided_ = buffer_ring::make(*ring_, buffers_);
    features_.multishot_accept = uring_has_multishot_accept();
    features_.multishot_recv = provided_ && uring_cancel_race_is_lossless();
    features_.file_calls = uring_file_calls(*ring_);
    why = std::string("uring: asked for; accept ") + (features_.multishot_accept ? "multishot" : "on readiness") +
          ", leased receive " + (features_.multishot_recv ? "multishot" : "on readiness");
}

reactor_uring::~reactor_uring() {
    provided_.reset();
    if (ring_) uring_exit(*ring_);
}

// A full submission queue is handed over at once, so no request, and above all no cancel, is ever dropped.
io_uring_sqe& reactor_uring::next_sqe() noexcept {
    io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
    while (!sqe) {
        const int submitted = io_uring_submit(ring_.get());
        CO_WQ_ASSERT(submitted >= 0 || submitted == -EAGAIN || submitted == -EBUSY || submitted == -EINTR,
                     "the kernel takes submissions");
        sqe = io_uring_get_sqe(ring_.get());
    }
    return *sqe;
}

op_slot& reactor_uring::start_standing(descriptor& entry, op_kind kind) noexcept {
    op_slot& slot = slots_.fill(kind, nullptr);
    slot.io.descriptor = entry.index;
    slot.held_by_kernel = true;
    slots_.arm(slot);
    ++entry.pins;
    return slot;
}

// Room is asked for only while somebody waits for it: a standing poll would complete at every acknowledgement.
result<void> reactor_uring::watch(descriptor& entry, direction way) noexcept {
    const bool out = way == direction::write;
    // what the kernel accepts or receives on its own completes by itself
    if (out ? bool(entry.watch_out) : entry.watched || entry.multishot) return {};
    op_slot& slot = start_standing(entry, op_kind::multishot_poll);
    io_uring_sqe& sqe = next_sqe();
    if (out) {
        io_uring_prep_poll_add(&sqe, entry.handle, POLLOUT);
        entry.watch_out = slot.tag();
    } else {
        io_uring_prep_poll_multishot(&sqe, entry.handle, POLLIN | POLLRDHUP);
        entry.watch = slot.tag();
        entry.watched = true;
    }
    io_uring_sqe_set_data64(&sqe, slot.tag().to_u64());
    return {};
}

bool reactor_uring::start(op_slot& slot) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    switch (slot.kind()) {
        case op_kind::connect: start_connect(slot); return true;
        case op_kind::send:
            if (reactor_uring::tries_first(slot.kind(), static_cast<op_detail>(slot.detail), slot.io)) return false;
            start_send(slot);
            return true;
        case op_kind::accept:
            if (!features_.multishot_accept) return false;
            if (!entry.multishot && !entry.stopped) start_accept(entry);
            return true;
        case op_kind::recv:
            if (!features_.multishot_recv || entry.kind != descriptor_kind::stream) return false;
            if (entry.multishot) {
                // another way of reading: the kernel's own must end first
                if (static_cast<op_detail>(slot.detail) != op_detail::lend) cancel_standing(entry.extra->receive);
                return true;
            }
            if (static_cast<op_detail>(slot.detail) != op_detail::lend || entry.watched) return false;
            start_receive(entry);
            return true;
        default: return false;
    }
}

descriptor_extra& reactor_uring::extra_of(descriptor& entry) {
    if (!entry.extra) entry.extra = new descriptor_extra;
    return *entry.extra;
}

void reactor_uring::start_accept(descriptor& entry) noexcept {
    op_slot& slot = start_standing(entry, op_kind::multishot_accept);
    extra_of(entry).accept = slot.tag();
    entry.multishot = true;
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_multishot_accept(&sqe, entry.handle, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_uring_sqe_set_data64(&sqe, slot.tag().to_u64());
}

void reactor_uring::end_accepting(descriptor& entry) noexcept {
    if (entry.multishot) cancel_standing(entry.extra->accept);
}

void reactor_uring::start_receive(descriptor& entry) noexcept {
    op_slot& slot = start_standing(entry, op_kind::multishot_recv);
    extra_of(entry).receive = slot.tag();
    entry.multishot = true;
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_recv_multishot(&sqe, entry.handle, nullptr, 0, 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = buffer_ring::group;
    io_uring_sqe_set_data64(&sqe, slot.tag().to_u64());
}

// The address is copied by the kernel when it takes the request, which may be after the frame's death.
void reactor_uring::start_connect(op_slot& slot) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    auto* where = pool_new<native_address>(to_native(*static_cast<const socket_address*>(slot.io.data)));
    slot.io.data = where;
    slot.held_by_kernel = true;
    ++entry.pins;
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_connect(&sqe, entry.handle, where->get(), where->length);
    io_uring_sqe_set_data64(&sqe, slot.tag().to_u64());
}

void reactor_uring::request_cancel(op_slot& slot) noexcept {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_cancel64(&sqe, slot.tag().to_u64(), 0);
    sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(&sqe, no_tag);
}

void reactor_uring::cancel_standing(op_tag tag) noexcept {
    if (!tag) return;
    op_slot* slot = slots_.find(tag);
    if (slot && slots_.request_cancel(*slot)) request_cancel(*slot);
}

void reactor_uring::forget(descriptor& entry) noexcept {
    cancel_standing(entry.watch);
    cancel_standing(entry.watch_out);
    if (!entry.extra) return;
    if (entry.multishot) {
        cancel_standing(entry.extra->accept);
        cancel_standing(entry.extra->receive);
    }
}

void reactor_uring::arm_wake() noexcept {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_poll_multishot(&sqe, wake_.handle(), POLLIN);
    io_uring_sqe_set_data64(&sqe, wake_tag);
}

void reactor_uring::wait(time_point until) noexcept {
    ++stats_.waits;
    io_uring_cqe* first = nullptr;
    if (until == no_deadline) {
        io_uring_submit_and_wait(ring_.get(), 1);
    } else {
        const auto left = until == time_point{} ? 0 : std::max<std::int64_t>(0, (until - now()).count());
        if (left == 0) {
            // with DEFER_TASKRUN nothing is delivered unless asked for
            io_uring_submit_and_get_events(ring_.get());
        } else {
            __kernel_timespec limit{left / 1'000'000'000, left % 1'000'000'000};
            io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &limit, nullptr);
        }
    }
    constexpr unsigned batch = 256;
    io_uring_cqe* filled[batch];
    const unsigned count = io_uring_peek_batch_cqe(ring_.get(), filled, batch);
    completion copies[batch];
    for (unsigned i = 0; i < count; ++i) copies[i] = {filled[i]->user_data, filled[i]->res, filled[i]->flags};
    io_uring_cq_advance(ring_.get(), count);
    stats_.events += count;
    for (unsigned i = 0; i < count; ++i) handle(copies[i]);
}

void reactor_uring::handle(const completion& done) noexcept {
    if (done.user_data == no_tag) return;  // a cancel that found nothing proves nothing: the final decides
    if (done.user_data == wake_tag) {
        wake_.drain();
        if (!(done.flags & IORING_CQE_F_MORE)) arm_wake();
        return;
    }
    op_slot* slot = slots_.find(op_tag::from_u64(done.user_data));
    CO_WQ_ASSERT(slot, "a completion names an operation that is in flight");
    // of a file it is its file system's word
    CO_WQ_ASSERT(done.result != -EFAULT || slot->kind() == op_kind::file,
                 "the kernel is never given memory that can go away");
    switch (slot->kind()) {
        case op_kind::multishot_poll: return on_poll(*slot, done);
        case op_kind::multishot_accept: return on_accept(*slot, done);
        case op_kind::multishot_recv: return on_receive(*slot, done);
        case op_kind::send: return on_sent(*slot, done.result);
        case op_kind::file: return files().completed(*slot, done.result);
        default: return on_connected(*slot, done.result);
    }
}

void reactor_uring::on_poll(op_slot& slot, const completion& done) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    const auto mask = done.result > 0 ? static_cast<unsigned>(done.result) : 0u;
    const bool more = done.flags & IORING_CQE_F_MORE;
    const bool out = slot.tag() == entry.watch_out;
    // asking again would be of no use: a file that has no events is ready for ever, and never ends
    const bool refused = done.result < 0 ? done.result != -ECANCELED
                                         : !more && !out && waits_for_end(entry.reader) && !has_events(entry.handle);
    if (mask && !entry.closing && !refused)
        on_ready(entry, (mask & POLLIN ? event_read : 0) | (mask & POLLOUT ? event_write : 0) |
                            (mask & (POLLRDHUP | POLLHUP | POLLERR) ? event_end : 0));
    if (more) return;
    slots_.retire(slot, done.result);
    if (out) {
        entry.watch_out = {};  // a writer that finds no room after all asks again
        if (!entry.closing && !refused && entry.writer && !mask) (void)watch(entry, direction::write);
    } else {
        entry.watch = {};
        entry.watched = false;
        if (!entry.closing && !refused && entry.reader) (void)watch(entry, direction::read);
    }
    if (refused && !entry.closing) on_refused(entry, out ? entry.writer : entry.reader);
    unpin(entry);
}

// As epoll does with EPERM.
void reactor_uring::on_refused(descriptor& entry, op_slot* waiting) noexcept {
    if (entry.kind == descriptor_kind::pipe) {
        never_waits(entry);
    } else if (waiting && !waiting->held_by_kernel && !waiting->queued()) {
        finish_parked(entry, *waiting, -EPERM);
    }
}

void reactor_uring::on_accept(op_slot& slot, const completion& done) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    descriptor_extra& extra = extra_of(entry);
    entry.readable = true;  // the next accept looks at what is kept here first
    if (done.result >= 0) {
        if (entry.closing) {
            refuse(done.result);
        } else {
            extra.sockets.push_back(done.result);
        }
    } else if (done.result != -ECANCELED && done.result != -ECONNABORTED) {
        extra.accept_failure = done.result;
    }
    if (done.flags & IORING_CQE_F_MORE) {
        if (extra.sockets.size() >= descriptor_extra::sockets_kept_max && !entry.reader) cancel_standing(slot.tag());
        return post_ready(entry.reader);
    }
    slots_.retire(slot, done.result);
    extra.accept = {};
    entry.multishot = false;
    if (!entry.closing && entry.reader) {
        if (extra.sockets.empty() && extra.accept_failure == 0 && !entry.stopped) start_accept(entry);
        post_ready(entry.reader);
    }
    unpin(entry);
}

void reactor_uring::on_receive(op_slot& slot, const completion& done) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    descriptor_extra& extra = extra_of(entry);
    entry.readable = true;
    if (done.flags & IORING_CQE_F_BUFFER) {
        std::byte* block = provided_->take(done.flags >> IORING_CQE_BUFFER_SHIFT);
        if (done.result > 0 && !entry.closing) {
            extra.bytes.push_back({block, 0, static_cast<std::uint32_t>(done.result)});
        } else {
            buffers_.give_back(block, buffer_ring::block_bytes);
        }
    }
    if (done.result == 0) extra.end_of_stream = true;
    if (done.result < 0 && done.result != -ECANCELED && done.result != -ENOBUFS) extra.receive_failure = done.result;
    if (done.flags & IORING_CQE_F_MORE) {
        // whoever waits for an end takes nothing
        const bool taken = entry.reader && !waits_for_end(entry.reader);
        if (extra.bytes.size() >= descriptor_extra::bytes_kept_max && !taken) cancel_standing(slot.tag());
        return post_ready(entry.reader);
    }
    slots_.retire(slot, done.result);
    extra.receive = {};
    entry.multishot = false;
    if (!entry.closing && entry.reader) {
        op_slot& waiting = *entry.reader;
        const bool lend = static_cast<op_detail>(waiting.detail) == op_detail::lend;
        const bool served = !extra.bytes.empty() || extra.end_of_stream || extra.receive_failure;
        if (!served && lend) {
            start_receive(entry);
        } else if (!served) {
            (void)watch(entry, direction::read);
        }
        post_ready(&waiting);
    }
    unpin(entry);
}

void reactor_uring::on_connected(op_slot& slot, std::int32_t result) noexcept {
    CO_WQ_ASSERT(slot.kind() == op_kind::connect, "connects and small sends are handed over whole, nothing else");
    pool_delete(static_cast<native_address*>(slot.io.data));
    slot.io.data = nullptr;
    finish_operation(slot, result);
}

// An operation of a task: the kernel's last word on it.
void reactor_uring::finish_operation(op_slot& slot, std::int32_t result) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    if (entry.writer == &slot) entry.writer = nullptr;
    // an interrupted kernel worker leaks -512 (ERESTARTSYS): what was asked for decides the name
    if (result < 0 && slot.state() != op_state::armed) result = entry.closing ? -EBADF : -ECANCELED;
    slots_.finish(slot, result);
    unpin(entry);
}

std::int32_t reactor_uring::take_arrived(descriptor& entry, op_kind kind, op_detail detail,
                                         op_slot::io_payload& io) noexcept {
    descriptor_extra& extra = *entry.extra;
    if (kind == op_kind::accept) {
        if (!extra.sockets.empty()) {
            const native_handle oldest = extra.sockets.front();
            extra.sockets.erase(extra.sockets.begin());
            return oldest;
        }
        return extra.accept_failure ? std::exchange(extra.accept_failure, 0) : would_block;
    }
    if (kind != op_kind::recv && kind != op_kind::poll) return would_block;
    if (kind == op_kind::poll && io.length == static_cast<std::uint32_t>(direction::hang_up))
        return extra.receive_failure ? POLLERR : would_block;
    if (kind == op_kind::poll && io.length == static_cast<std::uint32_t>(direction::read_end))
        return extra.receive_failure || extra.end_of_stream ? POLLRDHUP : would_block;
    const bool ended = extra.end_of_stream || extra.receive_failure;
    if (extra.bytes.empty()) {
        if (!ended) return would_block;
        if (kind == op_kind::poll) return POLLIN;
        io.data = detail == op_detail::lend ? nullptr : io.data;
        return extra.end_of_stream ? 0 : extra.receive_failure;
    }
    if (kind == op_kind::poll) return io.length == static_cast<std::uint32_t>(direction::read) ? POLLIN : would_block;
    auto& first = extra.bytes.front();
    std::uint32_t moved = first.size;
    if (detail == op_detail::lend && first.begin == 0) {
        io.data = first.block;
        io.length = buffer_ring::block_bytes;
        extra.bytes.erase(extra.bytes.begin());
        return static_cast<std::int32_t>(moved);
    }
    if (detail == op_detail::lend) {
        std::memmove(first.block, first.block + first.begin, first.size);
        first.begin = 0;
        return take_arrived(entry, kind, detail, io);
    }
    if (detail == op_detail::to_pipe) {
        auto& pipe = *static_cast<pipe_pair*>(io.data);
        const ssize_t wrote =
            ::write(pipe.write_end, first.block + first.begin, std::min(first.size, pipe.capacity - pipe.held));
        if (wrote <= 0) return would_block;
        pipe.held += static_cast<std::uint32_t>(wrote);
        moved = static_cast<std::uint32_t>(wrote);
    } else {
        moved = std::min(first.size, io.length);
        std::memcpy(io.data, first.block + first.begin, moved);
    }
    first.begin += moved;
    first.size -= moved;
    if (first.size == 0) {
        buffers_.give_back(first.block, buffer_ring::block_bytes);
        extra.bytes.erase(extra.bytes.begin());
    }
    return static_cast<std::int32_t>(moved);
}

void reactor_uring::drop_extra(descriptor& entry) noexcept {
    for (auto& piece : entry.extra->bytes) buffers_.give_back(piece.block, buffer_ring::block_bytes);
    for (native_handle one : entry.extra->sockets) refuse(one);
    delete std::exchange(entry.extra, nullptr);
}

}  // namespace co_wq::io
