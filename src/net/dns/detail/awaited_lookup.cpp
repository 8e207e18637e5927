#include "net/dns/detail/awaited_lookup.hpp"

#include <cstdio>

namespace co_wq::net::dns::detail {

bool awaited_lookup::suspend(promise_base& frame) noexcept {
    enter(frame);
    if (cancel_scope* scope = frame.env().scope) {
        if (scope->cancelled()) {
            reason_ = scope->reason();
            return false;
        }
        scope->add(*this);
    }
    suspended_ = true;
    return true;
}

void awaited_lookup::answered(search& self) noexcept {
    auto& me = static_cast<awaited_lookup&>(self);
    if (!me.suspended_) return;
    me.cancel_node::unlink();
    me.suspended_ = false;
    co_wq::detail::running_frame = me.frame_;
    me.frame_->self().resume();
}

void awaited_lookup::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<awaited_lookup&>(self);
    me.reason_ = reason;
    me.abandon(*me.frame_->env().queue);
}

std::size_t awaited_lookup::describe(const awaiter_base& self, char* out, std::size_t room) noexcept {
    const int wrote = std::snprintf(out, room, "lookup of %s", static_cast<const awaited_lookup&>(self).name().c_str());
    return wrote > 0 ? static_cast<std::size_t>(wrote) : 0;
}

}  // namespace co_wq::net::dns::detail
