// cancel_scope: the reach of one cancellation. Every task runs in one; scopes nest.
//
// For:        stop and deadline, carried down the call chain: what is awaited below a scope ends with `stopped`
//             or `timed_out` when the scope is cancelled.
// Guarantees: cancel is a request: an operation that has a result already delivers it. cancel resumes nobody
//             itself; woken tasks run later from their queue. Nested scopes are walked iteratively.
// Threads:    the owner of the queue its tasks run on. Other threads use inplace_stop_source, or post.
// Lifetime:   a scope and its nodes may be destroyed in any order.
#pragma once

#include "base/error.hpp"
#include "base/intrusive_list.hpp"

namespace co_wq {

class cancel_scope;

// Something that wants to know: a suspended operation, or a nested scope.
class cancel_node : public list_hook<cancel_node> {
public:
    using list = intrusive_list<cancel_node>;
    // May append further nodes to `more`; must not resume anybody.
    using function = void (*)(cancel_node& self, errc reason, list& more) noexcept;
    explicit cancel_node(function on_cancel) noexcept : on_cancel_(on_cancel) {}

private:
    friend class cancel_scope;
    const function on_cancel_;
};

class cancel_scope {
public:
    explicit cancel_scope(cancel_scope* parent = nullptr) noexcept : in_parent_(*this) {
        if (parent) attach(*parent);
    }
    cancel_scope(const cancel_scope&) = delete;
    cancel_scope& operator=(const cancel_scope&) = delete;

    // Puts this scope under parent, whose cancellation then reaches it; at once if it already happened.
    void attach(cancel_scope& parent) noexcept {
        in_parent_.unlink();
        if (parent.cancelled()) {
            cancel(parent.reason_);
        } else {
            parent.nodes_.push_back(in_parent_);
        }
    }

    bool cancelled() const noexcept { return cancelled_; }
    // Why; meaningful only when cancelled.
    errc reason() const noexcept { return reason_; }

    // reason is stopped or timed_out. The first call decides; later ones do nothing.
    void cancel(errc reason = errc::stopped) noexcept {
        cancel_node::list work;
        begin(reason, work);
        while (cancel_node* node = work.pop_front()) node->on_cancel_(*node, reason_, work);
    }

    // The scope must not be cancelled yet: whoever suspends asks cancelled() first.
    void add(cancel_node& node) noexcept { nodes_.push_back(node); }

private:
    struct parent_link : cancel_node {
        explicit parent_link(cancel_scope& scope) noexcept
            : cancel_node([](cancel_node& self, errc reason, list& more) noexcept {
                  static_cast<parent_link&>(self).owner.begin(reason, more);
              }),
              owner(scope) {}
        cancel_scope& owner;
    };

    void begin(errc reason, cancel_node::list& work) noexcept {
        if (cancelled_) return;
        cancelled_ = true;
        reason_ = reason;
        work.splice_back(nodes_);
    }

    cancel_node::list nodes_;
    parent_link in_parent_;
    errc reason_ = errc::stopped;
    bool cancelled_ = false;
};

}  // namespace co_wq
