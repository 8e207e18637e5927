// tally: what one loop has measured. board: the seconds of all loops, for the progress line and the plots.
//
// Threads:  a tally is its loop's own and merged at the end; a board: any.
#pragma once

#include <mutex>
#include <vector>

#include "probe/histogram.hpp"
#include "probe/outcome.hpp"

namespace co_wq::probe {

struct tally {
    histogram latency;    // of good answers, from when they were to start
    histogram service;    // the same from when they did start
    histogram setup;      // opening connections, tunnels and TLS
    histogram calm;       // latency before rude clients came
    histogram disturbed;  // and since
    failures failed;
    std::uint64_t answered = 0;         // good
    std::uint64_t in_time = 0;          // of those, before the end
    std::uint64_t bytes = 0;            // of their bodies
    std::uint64_t failed_disturbed = 0;  // since rude clients came
    std::uint64_t connections = 0;      // opened
    std::uint64_t reopened = 0;         // kept ones that had been closed by the other side, without an error
    // Rude clients
    std::uint64_t rude_deeds = 0;
    std::uint64_t rude_answered = 0;    // that got a whole good answer all the same (half-close, early data)
    std::uint64_t rude_ended = 0;       // that the other side ended
    std::uint64_t rude_unable = 0;      // that did not get as far as to misbehave
    // Open loop
    std::uint64_t not_started = 0;
    std::uint64_t backlog_max = 0;
    duration oldest{};

    void merge(const tally& other);
};

// What ended within one second.
struct window {
    histogram latency;
    std::uint64_t failed = 0;
    std::uint64_t backlog = 0;  // at its end
};

struct second {
    std::uint64_t answered = 0, failed = 0, backlog = 0;
    std::uint64_t p50_ns = 0, p99_ns = 0;
};

class board {
public:
    explicit board(unsigned loops) : loops_(loops) {}

    // A loop's share of a second, once; true: it was the last one's.
    bool publish(std::size_t index, window&& of);
    std::vector<second> seconds() const;
    second at(std::size_t index) const;

private:
    struct entry {
        window sum;
        second shown;
        unsigned shares = 0;
    };
    static second reduced(const window& of) noexcept;

    mutable std::mutex lock_;
    std::vector<entry> entries_;
    unsigned loops_;
};

}  // namespace co_wq::probe
