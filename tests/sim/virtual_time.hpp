// Time for libraries that ask the system themselves (c-ares): while a simulation runs, the system's monotonic clock in
// this process is the simulation's.
#pragma once

#include "io/backend/sim_clock.hpp"

namespace co_wq::sim {

// For as long as it lives. One at a time.
class virtual_time {
public:
    explicit virtual_time(const io::sim_clock& clock) noexcept;
    virtual_time(const virtual_time&) = delete;
    virtual_time& operator=(const virtual_time&) = delete;
    ~virtual_time();
};

}  // namespace co_wq::sim
