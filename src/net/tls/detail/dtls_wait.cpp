#include "net/tls/detail/dtls_wait.hpp"

#include <cstdio>

namespace co_wq::net::tls::detail {

dtls_flag::~dtls_flag() {
    if (!waiter_) return;
    dtls_awaiter& left = *std::exchange(waiter_, nullptr);
    left.on_ = nullptr;
    left.end(errc::closed);
}

void dtls_flag::set() noexcept {
    set_ = true;
    if (waiter_) waiter_->wake();
}

bool dtls_awaiter::suspend(promise_base& frame) noexcept {
    enter(frame);
    cancel_scope* const scope = frame.env().scope;
    if (scope && scope->cancelled()) {
        failed_ = true;
        reason_ = scope->reason();
        return false;
    }
    CO_WQ_REQUIRE(!on_->waiter_, "one task at a time waits in each direction of a DTLS session");
    on_->waiter_ = this;
    if (on_->set_) {
        if (frame.env().queue->spend_budget()) return false;
        frame.env().queue->post(*this);
        return true;
    }
    if (scope) scope->add(*this);
    return true;
}

void dtls_awaiter::wake() noexcept {
    if (worknode::queued()) return;
    cancel_node::unlink();
    frame_->env().queue->post(*this);
}

void dtls_awaiter::end(errc reason) noexcept {
    failed_ = true;
    reason_ = reason;
    wake();
}

void dtls_awaiter::cancelled(cancel_node& self, errc reason, list&) noexcept {
    static_cast<dtls_awaiter&>(self).end(reason);
}

void dtls_awaiter::resume(worknode& self) noexcept {
    auto& me = static_cast<dtls_awaiter&>(self);
    co_wq::detail::running_frame = me.frame_;
    me.frame_->self().resume();
}

std::size_t dtls_awaiter::describe(const awaiter_base& self, char* out, std::size_t room) noexcept {
    const auto& me = static_cast<const dtls_awaiter&>(self);
    if (!me.on_) return 0;
    const std::string peer = me.on_->peer_ ? me.on_->peer_->text() : std::string();
    const int wrote = std::snprintf(out, room, "%s %s", me.on_->what_, peer.c_str());
    return wrote > 0 ? std::min(static_cast<std::size_t>(wrote), room) : 0;
}

}  // namespace co_wq::net::tls::detail
