// Draws a tree of waiting tasks as text, through nothing but what awaiters publish: "task(when_all(yield yield))".
#pragma once

#include <string>

#include "task/scope.hpp"

namespace co_wq::test {

inline std::string draw(const awaiter_base& waits);

// "-": the frame runs, has not begun or has ended.
inline std::string draw(const promise_base& frame) { return frame.awaiting() ? draw(*frame.awaiting()) : "-"; }

inline std::string draw(const awaiter_base& waits) {
    std::string text = waits.ops().what;
    if (!waits.ops().child_at) return text;
    std::string children;
    for (std::size_t at = 0; const promise_base* child = waits.ops().child_at(waits, at); ++at)
        children += (at > 0 ? " " : "") + draw(*child);
    return children.empty() ? text : text + "(" + children + ")";
}

inline std::string draw(const counting_scope& scope) {
    std::string text;
    scope.for_each([&](const detail::spawned& child) {
        text += (text.empty() ? "" : ", ") + std::string(child.env().name) + ": " + draw(child);
    });
    return text;
}

}  // namespace co_wq::test
