// load: one measurement, from the first connection to the figures.
//
// Guarantees: it ends: every request has a limit in time, and an interrupt ends those under way. What ended in the
//             warm-up is not counted; what only began there is, with all of its latency. What failed is counted by
//             kind, never left out.
// Threads:    run_load: the calling thread and options.threads - 1 more.
#pragma once

#include <string>
#include <vector>

#include "probe/options.hpp"
#include "probe/tally.hpp"

namespace co_wq::probe {

struct figures {
    load_options chosen;
    tally total;
    std::vector<second> seconds;
    double measured_s = 0;     // without the warm-up
    bool interrupted = false;  // by SIGINT or SIGTERM
    std::uint64_t descriptors = 0;  // that this process may have open

    // Good answers a second, those within the measured time.
    double rate() const noexcept { return measured_s > 0 ? static_cast<double>(total.in_time) / measured_s : 0; }
    std::uint64_t errors() const noexcept { return total.failed.total(); }
};

// label: what the progress line begins with; empty: there is none. Throws std::runtime_error when it cannot begin:
// a trust file that cannot be read, a reactor that is not available.
figures run_load(const load_options& chosen, const std::string& label);

}  // namespace co_wq::probe
