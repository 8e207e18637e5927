// runtime: one event loop per core, each on its own thread.
//
// For:        programs that use more than one core. The first loop runs on the calling thread.
// Guarantees: run returns when every loop's main task has ended; the first exception stops the others (their main
//             tasks are cancelled) and is rethrown. Each loop is made, run and destroyed on its thread.
// Threads:    run: the calling thread. each: any thread, while run is under way.
//
//   io::runtime cores({.threads = 2});
//   cores.run([&](io::event_loop& loop, unsigned index) { return serve(loop, index); });
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "io/event_loop.hpp"

namespace co_wq::io {

struct runtime_options {
    unsigned threads = 1;
    reactor_kind reactor = reactor_kind::automatic;
    std::uint32_t busy_poll_us = 0;
    // Each loop has a seed of its own: this one plus its index.
    chaos_options chaos{};
};

// The number of cores this process may use: its affinity, or its CPU quota if that is less.
unsigned usable_cores() noexcept;

class runtime {
public:
    using main_function = std::function<task<void>(event_loop& loop, unsigned index)>;

    explicit runtime(runtime_options options = {}) noexcept : options_(options) {}

    void run(const main_function& main);
    // Calls act(loop) on every loop's own thread, soon; loops that have ended are left out. How many will be called,
    // unless they end before.
    std::size_t each(const std::function<void(event_loop&)>& act);

private:
    void run_one(const main_function& main, unsigned index);
    void failed(std::exception_ptr what) noexcept;

    runtime_options options_;
    std::mutex lock_;
    std::vector<event_loop*> loops_;
    std::exception_ptr failure_;
};

}  // namespace co_wq::io
