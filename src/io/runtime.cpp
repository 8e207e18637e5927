#include "io/runtime.hpp"

#include <algorithm>
#include <thread>

#include "base/os/cores.hpp"

namespace co_wq::io {

unsigned usable_cores() noexcept { return os::usable_cores(); }

void runtime::run(const main_function& main) {
    std::vector<std::thread> others;
    for (unsigned index = 1; index < options_.threads; ++index)
        others.emplace_back([this, &main, index] { run_one(main, index); });
    run_one(main, 0);
    for (std::thread& one : others) one.join();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void runtime::run_one(const main_function& main, unsigned index) {
    try {
        const chaos_options chaos{.seed = options_.chaos.seed + index, .rate = options_.chaos.rate};
        event_loop loop({.reactor = options_.reactor,
                         .name = index == 0 ? "loop 0" : "loop",
                         .busy_poll_us = options_.busy_poll_us,
                         .chaos = chaos});
        {
            const std::scoped_lock guard(lock_);
            if (failure_) return;
            loops_.push_back(&loop);
        }
        struct leave {
            runtime& owner;
            event_loop& loop;
            ~leave() {
                const std::scoped_lock guard(owner.lock_);
                std::erase(owner.loops_, &loop);
            }
        } leaving{*this, loop};
        loop.run(main(loop, index));
    } catch (...) {
        failed(std::current_exception());
    }
}

void runtime::failed(std::exception_ptr what) noexcept {
    {
        const std::scoped_lock guard(lock_);
        if (failure_) return;
        failure_ = std::move(what);
    }
    each([](event_loop& loop) { loop.request_stop(); });
}

std::size_t runtime::each(const std::function<void(event_loop&)>& act) {
    const std::scoped_lock guard(lock_);
    for (event_loop* loop : loops_) loop->post_message([loop, act] { act(*loop); });
    return loops_.size();
}

}  // namespace co_wq::io
