// post_to: runs a callable on an executor, later.
//
// Guarantees: call() runs once, on a thread of the executor; if the executor dies first it is destroyed unrun.
// Requires:   call does not throw (an exception ends the program).
// Threads:    any.
//
//   post_to(pool, [path] { remove_old_files(path); });
#pragma once

#include "task/executor.hpp"
#include "task/owned_node.hpp"

namespace co_wq {

template <class Call>
void post_to(executor& where, Call&& call) {
    where.execute(detail::make_message(std::forward<Call>(call), {.queue = where.name()}));
}

}  // namespace co_wq
