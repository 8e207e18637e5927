// Symmetric transfer that cannot overflow the stack where the compiler makes it a plain call.
//
// g++ turns the transfer into a tail call only with -foptimize-sibling-calls and never under its sanitizers
// (gcc.gnu.org bug 100897), so every 1,024th synchronous completion goes through the queue instead. clang always
// makes it a tail call, and there this class is empty.
#pragma once

#include <coroutine>

#include "task/promise.hpp"
#include "task/worknode.hpp"

namespace co_wq::detail {

void post_to_queue(workqueue& queue, worknode& node) noexcept;
extern constinit thread_local unsigned transfers_in_a_row;

class unbounded_transfer_point {
protected:
    std::coroutine_handle<> next(std::coroutine_handle<> target, workqueue*) noexcept { return target; }
};

class bounded_transfer_point {
protected:
    std::coroutine_handle<> next(std::coroutine_handle<> target, workqueue* queue) noexcept {
        if (++transfers_in_a_row < 1024 || !queue) [[likely]]
            return target;
        transfers_in_a_row = 0;
        node_.target = target;
        post_to_queue(*queue, node_);
        return std::noop_coroutine();
    }

private:
    struct resume_node : worknode {
        resume_node() noexcept
            : worknode([](worknode& self) noexcept {
                  const std::coroutine_handle<> target = static_cast<resume_node&>(self).target;
                  running_frame = &std::coroutine_handle<promise_base>::from_address(target.address()).promise();
                  target.resume();
              }) {}
        std::coroutine_handle<> target = std::noop_coroutine();
    };
    resume_node node_;
};

using transfer_point = std::conditional_t<bounded_transfer, bounded_transfer_point, unbounded_transfer_point>;

}  // namespace co_wq::detail
