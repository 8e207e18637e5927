// live_line: a line on the terminal behind standard error that is written over while a measurement runs.
//
// Errors:   not_supported: standard error is no terminal, or this system's terminals have no form yet (Windows).
// Threads:  the loop's own. Lifetime: as io::terminal.
#pragma once

#include <memory>
#include <string>

#include "io/event_loop.hpp"
#include "task/task.hpp"

namespace co_wq::probe {

class live_line {
public:
    virtual ~live_line() = default;
    static result<std::unique_ptr<live_line>> open(io::event_loop& loop);
    virtual task<void> show(std::string text) = 0;
};

}  // namespace co_wq::probe
