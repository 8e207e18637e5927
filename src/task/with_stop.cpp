#include "task/with_stop.hpp"

namespace co_wq::detail {

void stop_relay::leave(bool sent) noexcept {
    if (!sent || arrived_) return pool_delete(this);
    scope_ = nullptr;  // the message is still queued, and frees the relay when it arrives
}

void stop_relay::arrive(owned_node& self, bool run) noexcept {
    auto& me = static_cast<stop_relay&>(self);
    if (!me.scope_) return pool_delete(&me);
    me.arrived_ = true;
    if (run) me.scope_->cancel();
}

const task_env* stop_scope::enter(const task_env& outer) {
    env_ = outer;
    env_.scope = &cancel_;
    if (outer.scope) cancel_.attach(*outer.scope);
    if (token_.stop_requested()) {
        cancel_.cancel();
    } else if (token_.stop_possible()) {
        relay_ = pool_new<stop_relay>(*outer.queue, cancel_);
        callback_.emplace(token_, notify(*this));
    }
    return &env_;
}

void stop_scope::leave() noexcept {
    callback_.reset();  // waits for a callback on another thread, which only posts
    if (relay_) std::exchange(relay_, nullptr)->leave(sent_);
}

}  // namespace co_wq::detail
