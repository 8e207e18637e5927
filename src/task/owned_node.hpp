// owned_node: a node that belongs to nobody but the queue it waits in, and frees itself.
//
// For:        messages, drains of a callback_wq, records that outlive the frame they came from.
// Guarantees: exactly one of run and drop is called; drop when its queue dies first.
// Threads:    whichever runs it.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include "base/pool.hpp"
#include "task/worknode.hpp"

namespace co_wq {

class owned_node : public worknode {
public:
    // run is false when the queue died: free what the node owns, resume nobody.
    using function = void (*)(owned_node& self, bool run) noexcept;
    explicit owned_node(function act) noexcept : worknode(&dispatch), act_(act) {}

    void drop() noexcept { act_(*this, false); }
    // Null when node is of another kind.
    static owned_node* from(worknode& node) noexcept {
        return node.runs(&dispatch) ? static_cast<owned_node*>(&node) : nullptr;
    }

private:
    static void dispatch(worknode& self) noexcept {
        auto& me = static_cast<owned_node&>(self);
        me.act_(me, true);
    }
    const function act_;
};

namespace detail {

// Ends a node that will not run: frees it if it owns itself, releases it if it is a slot nobody waits for.
void discard(worknode& node) noexcept;

// A callable in pool memory.
template <class Call>
class message final : public owned_node {
public:
    template <class Source>
    explicit message(std::in_place_t, Source&& source) : owned_node(&act), call_(std::forward<Source>(source)) {}

private:
    static void act(owned_node& self, bool run) noexcept {
        auto& me = static_cast<message&>(self);
        if (run) me.call_();
        pool_delete(&me);
    }
    Call call_;
};

// Function pointers and std::function alike can be empty; lambdas cannot.
template <class Call>
constexpr bool is_empty_callable([[maybe_unused]] const Call& call) noexcept {
    if constexpr (std::is_pointer_v<Call> || std::is_member_pointer_v<Call>) {
        return call == nullptr;
    } else if constexpr (requires {
                             { call.operator bool() } -> std::same_as<bool>;
                         }) {
        return !call.operator bool();
    } else {
        return false;
    }
}

template <class Call>
void require_callable(const Call& call, const fault_context& context) noexcept {
    if (is_empty_callable(call)) [[unlikely]]
        raise_fault(fault_kind::no_callable, "the callable is not empty", "an empty callable cannot be queued",
                    context);
}

template <class Call>
    requires std::invocable<std::decay_t<Call>&>
owned_node& make_message(Call&& call, const fault_context& context) {
    require_callable(call, context);
    return *pool_new<message<std::decay_t<Call>>>(std::in_place, std::forward<Call>(call));
}

}  // namespace detail
}  // namespace co_wq
