#include "task/scope.hpp"

namespace co_wq {
namespace detail {

spawned::spawned(counting_scope& scope, promise_base& child, const char* name,
                 std::exception_ptr (*failure)(promise_base&)) noexcept
    : awaiter_base(ops), scope_(scope), child_(&child), failure_(failure), start_(*this) {
    env_.queue = &scope.queue();
    env_.scope = &scope.cancellation();
    env_.name = name;
    child.link_to(*this, &env_);
}

std::coroutine_handle<> spawned::child_done(awaiter_base& self, promise_base& child) noexcept {
    auto& me = static_cast<spawned&>(self);
    std::exception_ptr failure = child.failed() ? me.failure_(child) : nullptr;
    counting_scope& scope = me.scope_;
    me.destroy();
    scope.ended(me, std::move(failure));
    return std::noop_coroutine();
}

// Destroys the child where it stands; the record itself goes with its scope's count.
void spawned::destroy() noexcept {
    if (child_) destroy_tree(*std::exchange(child_, nullptr));
}

}  // namespace detail

void counting_scope::ended(detail::spawned& child, std::exception_ptr failure) noexcept {
    const char* name = child.env().name;
    child.list_hook<detail::spawned>::unlink();
    pool_delete(&child);
    --count_;
    if (failure) {
        if (policy_ == on_failure::cancel_siblings) {
            if (!first_failure_) first_failure_ = std::move(failure);
            request_stop();
        } else if (handler_) {
            handler_(std::move(failure), name);
        } else {
            raise_fault(fault_kind::caller, "no exception leaves a spawned task",
                        "an isolated task threw and its scope has no failure handler");
        }
    }
    if (count_ == 0 && joiner_) joiner_->wake();
}

void counting_scope::destroy_all() noexcept {
    while (detail::spawned* child = children_.pop_front()) {
        child->destroy();
        pool_delete(child);
        --count_;
    }
    if (joiner_) joiner_->wake();
}

// The record of the child taken last is dropped on the next call, when its frame is gone.
promise_base* counting_scope::join_awaiter::take_child(awaiter_base& self) noexcept {
    counting_scope& scope = static_cast<join_awaiter&>(self).scope_;
    while (detail::spawned* child = scope.children_.first()) {
        if (promise_base* frame = detail::spawned::take_child(*child)) return frame;
        child->list_hook<detail::spawned>::unlink();
        pool_delete(child);
        --scope.count_;
    }
    return nullptr;
}

promise_base* counting_scope::join_awaiter::child_at(const awaiter_base& self, std::size_t index) noexcept {
    const counting_scope& scope = static_cast<const join_awaiter&>(self).scope_;
    detail::spawned* child = scope.children_.first();
    while (child && index-- > 0) child = scope.children_.after(*child);
    return child ? child->child() : nullptr;
}

}  // namespace co_wq
