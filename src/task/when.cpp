#include "task/when.hpp"

namespace co_wq::detail {

fan_out::~fan_out() { CO_WQ_ASSERT(count_ == 0, "a fan-out has destroyed its children"); }

void fan_out::destroy_children() noexcept {
    for (promise_base*& child : children())
        if (child) destroy_tree(*std::exchange(child, nullptr));
    count_ = 0;
}

bool fan_out::start(promise_base& parent) {
    enter(parent);
    if (parent.has_env()) env_ = parent.env();
    if (env_.scope && env_.scope != &cancel_) cancel_.attach(*env_.scope);
    env_.scope = &cancel_;
    running_ = count_;
    for (promise_base* child : children()) child->link_to(*this, &env_);
    starting_ = true;
    for (promise_base* child : children()) {
        running_frame = child;
        child->self().resume();
    }
    starting_ = false;
    running_frame = &parent;
    return running_ > 0;
}

std::coroutine_handle<> fan_out::child_done(awaiter_base& self, promise_base& child) noexcept {
    auto& me = static_cast<fan_out&>(self);
    if (me.winner_ == none && (me.mode_ == mode::any || child.failed())) {
        me.winner_ = 0;
        while (me.children_[me.winner_] != &child) ++me.winner_;
        me.cancel_.cancel();
    }
    if (--me.running_ > 0 || me.starting_) {
        running_frame = nullptr;
        return std::noop_coroutine();
    }
    return me.frame()->self();
}

promise_base* fan_out::take_child(awaiter_base& self) noexcept {
    for (promise_base*& child : static_cast<fan_out&>(self).children())
        if (child) return std::exchange(child, nullptr);
    return nullptr;
}

promise_base* fan_out::child_at(const awaiter_base& self, std::size_t index) noexcept {
    const auto children = static_cast<const fan_out&>(self).children();
    return index < children.size() ? children[index] : nullptr;
}

}  // namespace co_wq::detail
