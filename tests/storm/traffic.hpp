// traffic: clients and echo servers on the loops of a runtime, whose operations are cancelled, whose frames are
// destroyed and whose connections are aborted at random, while every byte is checked.
#pragma once

#include <cstdint>
#include <string>

#include "io/reactor.hpp"

namespace co_wq::storm {

struct traffic_options {
    io::reactor_kind reactor = io::reactor_kind::epoll;
    unsigned loops = 2;
    unsigned clients_per_loop = 24;
    std::chrono::milliseconds length{1000};
    std::uint64_t seed = 1;
    // Of 100 operations.
    unsigned cancelled = 10;
    unsigned destroyed = 5;
};

struct traffic_figures {
    // what went on
    long connections = 0, exchanges = 0, operations = 0, cancelled = 0, destroyed = 0, aborted = 0;
    long long bytes_echoed = 0;
    // the loops' own books
    std::uint64_t started = 0, finished = 0, orphaned = 0, late = 0, bad_memory = 0;
    long memory_warm_kib = 0, memory_end_kib = 0;
    // what must not be
    long hung = 0;          // exchanges without an end
    long broken = 0;        // bytes that are wrong, errors that nobody caused
    long left_over = 0;     // operations, descriptors or blocks that nobody gave back
    std::string first_fault;

    bool good() const { return hung == 0 && broken == 0 && left_over == 0 && bad_memory == 0 && exchanges > 0; }
};

traffic_figures run_traffic(const traffic_options& options);

}  // namespace co_wq::storm
