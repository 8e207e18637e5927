// campaign: a range of seeds over worker processes, and the shrinking of a failing one.
//
// Guarantees: a run that fails or crashes ends its worker only; its seed and reason are kept and the range goes on. The
//             digest of a range is the sum of its traces' hashes: the same for any number of workers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/report.hpp"

namespace co_wq::sim {

struct failure {
    std::uint64_t seed;
    std::string why;
};

struct range_result {
    std::uint64_t done = 0;
    std::uint64_t operations = 0;
    std::uint64_t late = 0;
    std::uint64_t steps = 0;
    std::uint64_t digest = 0;
    std::vector<failure> failures;  // the first few
};

// Stops early when failures_max seeds have failed.
range_result run_range(scenario what, std::uint64_t first, std::uint64_t count, unsigned workers,
                       std::size_t failures_max = 8);

// The fewest steps of the seed's script that still fail; in child processes, so that a crash ends nothing.
std::vector<unsigned> shrink(scenario what, std::uint64_t seed);

}  // namespace co_wq::sim
