// executor: whatever can run nodes: an event loop, a thread pool, a bare workqueue.
#pragma once

#include "task/worknode.hpp"

namespace co_wq {

class executor {
public:
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;

    // Runs node once, later, on a thread of the executor. The node belongs to the executor until then: its owner
    // must keep it alive. FIFO per posting thread on single-threaded executors. Any thread.
    virtual void execute(worknode& node) noexcept = 0;

    virtual const char* name() const noexcept = 0;

protected:
    executor() = default;
    ~executor() = default;
};

}  // namespace co_wq
