// orphan: a killed child whose loop ends before it was reaped; made together with the child, so that the end of a loop
// allocates nothing. Internal to event_loop and process.
#pragma once

#include <memory>

#include "base/clock.hpp"
#include "io/descriptor.hpp"

namespace co_wq::io {

struct orphan {
    std::unique_ptr<orphan> next;
    native_handle pidfd = no_handle;
    int process = 0;
};

// Reaps them, waiting for each until the limit at most; what cannot be killed by then is named in the log and left.
void reap_orphans(std::unique_ptr<orphan> first, time_point limit) noexcept;

}  // namespace co_wq::io
