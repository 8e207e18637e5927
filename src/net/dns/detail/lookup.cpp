#include "net/dns/detail/lookup.hpp"

#include <cstdio>

namespace co_wq::net::dns::detail {

bool awaited_lookup::suspend(promise_base& frame) noexcept {
    enter(frame);
    if (cancel_scope* scope = frame.env().scope) {
        if (scope->cancelled()) {
            reason_ = scope->reason();
            list_hook<lookup>::unlink();
            return false;
        }
        scope->add(*this);
    }
    suspended_ = true;
    return true;
}

void awaited_lookup::answered(lookup& self) noexcept {
    auto& me = static_cast<awaited_lookup&>(self);
    if (!me.suspended_) return;
    me.cancel_node::unlink();
    me.frame_->env().queue->post(me);
}

void awaited_lookup::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<awaited_lookup&>(self);
    me.list_hook<lookup>::unlink();
    me.reason_ = reason;
    me.frame_->env().queue->post(me);
}

void awaited_lookup::resume(worknode& self) noexcept {
    auto& me = static_cast<awaited_lookup&>(self);
    me.suspended_ = false;
    co_wq::detail::running_frame = me.frame_;
    me.frame_->self().resume();
}

std::size_t awaited_lookup::describe(const awaiter_base& self, char* out, std::size_t room) noexcept {
    const int wrote = std::snprintf(out, room, "lookup of %s", static_cast<const awaited_lookup&>(self).name());
    return wrote > 0 ? static_cast<std::size_t>(wrote) : 0;
}

}  // namespace co_wq::net::dns::detail
