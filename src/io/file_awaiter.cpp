#include "io/file_awaiter.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "io/backend/native_files.hpp"
#include "io/event_loop.hpp"
#include "io/file_service.hpp"

namespace co_wq::io::detail {

file_awaiter::file_awaiter(const awaiter_ops& ops, event_loop& loop, file_request& request) noexcept
    : op_waiter(ops, &cancelled), loop_(loop), request_(&request) {}

file_awaiter::~file_awaiter() {
    file_service& service = loop_.reactor().files();
    if (slot_) {
        service.abandon(*slot_);
    } else {
        service.dispose(*request_);
    }
}

bool file_awaiter::suspend(promise_base& frame) {
    enter(frame);
    loop_.require_owner();
    file_request& request = *request_;
    cancel_scope* const scope = frame.env().scope;
    const bool can_end = request.call != file_call::close;
    if (can_end && scope && scope->cancelled()) {
        reason_ = scope->reason();
        request.failure = -ECANCELED;
    }
    if (request.failure < 0) return false;
    file_service& service = loop_.reactor().files();
    if (!service.has_room(request)) {
        request.failure = -EALREADY;
        return false;
    }
    if (loop_.spend_budget() && service.try_now(request)) return false;
    op_slot& slot = loop_.slots().fill(op_kind::file, this);
    slot_ = &slot;
    if (can_end && scope) scope->add(*this);
    service.submit(slot, request);
    return true;
}

error file_awaiter::reason_of(std::int32_t failure) const noexcept {
    if (failure != -ECANCELED) return from_errno(-failure);
    return request_->owner_closed ? errc::closed : reason_;
}

result<std::uint32_t> file_awaiter::take_result() noexcept {
    exit();
    const std::int32_t outcome = request_->outcome();
    if (outcome < 0) [[unlikely]]
        return fail(reason_of(outcome));
    return static_cast<std::uint32_t>(outcome);
}

result<void> file_awaiter::ending() const noexcept {
    if (request_->ended_early()) return fail(reason_of(request_->failure));
    return {};
}

void file_awaiter::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<file_awaiter&>(static_cast<op_waiter&>(self));
    me.reason_ = reason;
    if (me.slot_) me.loop_.reactor().files().cancel(*me.slot_);
}

std::size_t file_awaiter::describe(const awaiter_base& self, char* out, std::size_t room) noexcept {
    const auto& me = static_cast<const file_awaiter&>(self);
    const file_request& request = *me.request_;
    const int wrote =
        request.handle == no_handle
            ? std::snprintf(out, room, "%s %s, of %s", name_of(request.call), request.path(0), me.loop_.name())
            : std::snprintf(out, room, "%s of file %d at %llu, of %s", name_of(request.call), request.handle,
                            static_cast<unsigned long long>(request.offset), me.loop_.name());
    return wrote > 0 ? std::min(static_cast<std::size_t>(wrote), room) : 0;
}

result<file_status> file_status_awaiter::await_resume() noexcept {
    const result<std::uint32_t> got = take_result();
    if (!got) return std::unexpected(got.error());
    return status_of(request());
}

}  // namespace co_wq::io::detail
