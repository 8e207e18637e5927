// The metrics page: all loops' figures, summed, in the Prometheus text format.
//
// Guarantees: every series is on every page, also while it is 0; names and units follow Prometheus' conventions.
// Threads:    any. Source: Prometheus exposition formats, text format 0.0.4.
#pragma once

#include <string>
#include <string_view>

#include "proxy/seeing/seeing.hpp"

namespace co_wq::proxy {

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

// What is not a loop's figure.
struct process_figures {
    std::uint64_t open_connections = 0;
    std::uint64_t connections_max = 0;
    bool draining = false;
    std::uint64_t memory_resident_bytes = 0;
    std::uint64_t memory_limit_bytes = 0;  // 0: none
    bool shedding = false;
    double start_time_s = 0;  // since 1970
    struct parent {
        std::string_view name{};
        bool up = true;
        std::uint64_t connections = 0, connects = 0, failures = 0, checks_failed = 0;
    };
    std::vector<parent> parents{};
};

void append_metrics(std::string& out, const seeing& all, const process_figures& process);

// One histogram of the sum of several: for tests, too.
void append_histogram(std::string& out, std::string_view name, std::string_view help,
                      const std::vector<const span_histogram*>& parts);

}  // namespace co_wq::proxy
