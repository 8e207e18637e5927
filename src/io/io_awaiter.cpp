#include "io/io_awaiter.hpp"

#include <cerrno>
#include <cstdio>

#include "io/event_loop.hpp"

namespace co_wq::io {

io_awaiter::io_awaiter(const awaiter_ops& ops, descriptor_ref where, op_kind kind, op_detail detail, void* data,
                       std::size_t length) noexcept
    : op_waiter(ops, &cancelled), kind_(kind), detail_(detail), where_(where) {
    CO_WQ_REQUIRE(where.entry, "the socket is open");
    io_.data = data;
    io_.length = static_cast<std::uint32_t>(length > 0x7fffffff ? 0x7fffffff : length);
    io_.descriptor = where.entry->index;
}

io_awaiter::~io_awaiter() {
    if (slot_) where_.loop->reactor().abandon(*slot_);
}

bool io_awaiter::suspend(promise_base& frame) noexcept {
    enter(frame);
    event_loop& loop = *where_.loop;
    loop.require_owner();
    reactor& backend = loop.reactor();
    cancel_scope* scope = frame.env().scope;
    if (scope && scope->cancelled()) {
        reason_ = scope->reason();
        result_ = -ECANCELED;
        return false;
    }
    const bool reading = kind_ == op_kind::recv || kind_ == op_kind::accept;
    bool may_succeed = reading ? entry().readable : entry().writable;
    if (kind_ == op_kind::poll)
        may_succeed = io_.length <= static_cast<std::uint32_t>(direction::write) || entry().ended;
    if (detail_ == op_detail::layered) may_succeed = static_cast<layered_io*>(io_.data)->may_succeed();
    const bool may_stay = loop.spend_budget();
    if (may_succeed && may_stay && backend.tries_first(kind_, detail_, io_)) {
        result_ = backend.attempt(entry(), kind_, detail_, io_);
        may_succeed = result_ == once_more;
        const bool waits = result_ == would_block || result_ == until_retried;
        if (!waits && !may_succeed) return false;
    }
    op_slot& slot = loop.slots().fill(kind_, this);
    slot_ = &slot;
    slot.io = io_;
    slot.detail = static_cast<std::uint8_t>(detail_);
    if (scope) scope->add(*this);
    backend.submit(slot);
    if (may_succeed) backend.retry(slot);  // not tried yet: when its turn comes, unless the kernel performs it
    return true;
}

std::unexpected<error> io_awaiter::failure() const noexcept {
    if (result_ == -ECANCELED) return fail(reason_);
    if (result_ == -EBADF) return fail(errc::closed);
    return fail(from_errno(-result_));
}

void io_awaiter::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<io_awaiter&>(static_cast<op_waiter&>(self));
    me.reason_ = reason;
    if (me.slot_) me.where_.loop->reactor().cancel(*me.slot_);
}

std::size_t io_awaiter::describe(const awaiter_base& self, char* out, std::size_t room) noexcept {
    const auto& me = static_cast<const io_awaiter&>(self);
    const int wrote =
        std::snprintf(out, room, "%s on descriptor %d of %s", name_of(me.kind_), me.entry().handle, me.loop().name());
    return wrote > 0 ? static_cast<std::size_t>(wrote) : 0;
}

}  // namespace co_wq::io
