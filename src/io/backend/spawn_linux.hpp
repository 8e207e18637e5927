// The steps between clone and exec.
#pragma once

#include <sys/types.h>

#include <span>

#include "io/process.hpp"

namespace co_wq::io {

// One descriptor of the child.
struct placed_file {
    int source = no_handle;  // none: closed there
    int target = no_handle;
    int moved = no_handle;       // where the child has put it meanwhile
};

// What the child does. It shares this memory until it execs or ends.
struct child_plan {
    const char* const* arguments = nullptr;
    const char* const* environment = nullptr;
    const char* const* candidates = nullptr;  // paths to try, null at the end
    const char* directory = nullptr;          // null: stay
    std::span<placed_file> files{};
    int files_above = 3;                      // no target is this high
    int files_max = 0;                        // descriptors of this process are below
    command::group belongs_to = command::group::inherit;
    // how it went
    spawn_step step = spawn_step::none;
    int failure = 0;
};

struct started {
    pid_t process = 0;
    int pidfd = no_handle;
};

// Runs the plan in a child; the calling thread waits until it has exec'd or ended. Negative errno in `process`, and
// plan.step, if the program was not started; the child is reaped then.
started start_child(child_plan& plan) noexcept;

// 0, or why children cannot be watched here (ENOSYS before Linux 5.4).
int pidfd_refusal() noexcept;

}  // namespace co_wq::io
