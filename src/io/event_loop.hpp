// event_loop: one thread's run queue with a reactor, timers and buffers.
//
// For:        running tasks that do I/O. One loop per thread; a runtime starts one per core.
// Guarantees: a turn runs a bounded batch, then takes events, so neither starves; a loop without work sleeps in
//             the kernel without any periodic wake-up. Destroying a loop ends every operation in flight first;
//             if the kernel does not let go in time, its memory is leaked on purpose and reported.
// Threads:    made, run and destroyed on one thread. post_message, execute, poke: any.
// Lifetime:   sockets, timers and tasks of a loop die before it; tasks spawned on it are destroyed by it.
//
//   io::event_loop loop;
//   int code = loop.run(main_task(loop));
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "io/chaos.hpp"
#include "io/orphan.hpp"
#include "io/pipe_pool.hpp"
#include "io/reactor.hpp"
#include "sync/timer_queue.hpp"
#include "task/scope.hpp"
#include "task/workqueue.hpp"

namespace co_wq::io {

struct loop_options {
    reactor_kind reactor = reactor_kind::automatic;
    const char* name = "loop";
    // How long a loop spins for events before it sleeps, in microseconds; 0: it sleeps at once.
    std::uint32_t busy_poll_us = 0;
    // How long the destructor waits for the kernel to end what is in flight.
    duration shutdown_limit = std::chrono::seconds(5);
    // For calls to the file system that the reactor's kernel interface does not have; started by the first of them.
    unsigned file_threads = 4;
    // With a rate above 0, completions are delayed, put out of order and cancelled at random (io/chaos.hpp).
    chaos_options chaos{};
};

class event_loop final : public workqueue {
public:
    // Throws std::runtime_error with the reason when the wanted reactor is not available.
    explicit event_loop(loop_options options = {});
    // With a reactor of the caller's, for tests and simulations.
    using reactor_factory = std::unique_ptr<io::reactor> (*)(void* context, op_slab& slots);
    event_loop(loop_options options, reactor_factory factory, void* context);
    ~event_loop();

    // The loop whose turn runs on this thread; a fault outside of one.
    static event_loop& current() noexcept;

    // Runs until the task has ended; its result, or its exception.
    template <class T>
    T run(task<T> main);
    // Runs turns until done() is true; asked before and after each batch.
    template <class Done>
    void run_until(Done&& done) {
        begin_run();
        while (!done()) {
            run_ready();
            if (done()) break;
            take_events();
        }
        end_run();
    }
    // Makes run_until's current turn come back soon, from any thread.
    void poke() noexcept { wake(); }

    // Cancels the task given to run and everything below it; run then returns when they have ended.
    void request_stop() noexcept {
        if (main_scope_) main_scope_->request_stop();
    }

    // Starts a task that the loop itself owns; an exception out of it goes to the handler of on_failure.
    template <class T>
    void spawn(task<T> work, const char* task_name = "task") {
        root_->spawn(std::move(work), task_name);
    }
    counting_scope& root() noexcept { return *root_; }

    io::reactor& reactor() noexcept { return *reactor_; }
    const std::string& reactor_reason() const noexcept { return reactor_reason_; }
    time_point now() const noexcept override { return reactor_->now(); }
    std::uint64_t turns() const noexcept { return turns_; }
    // When the current turn began: good enough for ages, and free.
    time_point turn_time() const noexcept { return turn_time_; }
    pipe_pool& pipes() noexcept { return pipes_; }
    // Takes a child that was killed and that nobody watches any more (process.hpp); it is reaped when the loop ends.
    void leave(std::unique_ptr<orphan> child) noexcept {
        child->next = std::move(orphans_);
        orphans_ = std::move(child);
    }
    // Null without chaos.
    const io::chaos* chaos() const noexcept { return chaos_.get(); }

    // The halves of a turn: timers and a batch of what is ready; then events, sleeping only if nothing is ready.
    void run_ready() noexcept;
    void take_events() noexcept;

private:
    void wake() noexcept override;
    void begin_run() noexcept { require_owner(); }
    void end_run() noexcept {}
    void spin_or_wait(time_point until) noexcept;
    void size_batch(duration last_turn) noexcept;
    void stir() noexcept;
    void start();
    void end_tasks() noexcept;
    void leak() noexcept;

    loop_options options_;
    std::string reactor_reason_;
    std::unique_ptr<io::reactor> reactor_;
    std::unique_ptr<timer_queue> timer_wheel_;
    std::unique_ptr<io::chaos> chaos_;
    std::unique_ptr<counting_scope> root_;
    counting_scope* main_scope_ = nullptr;
    time_point turn_time_{};
    pipe_pool pipes_;
    std::unique_ptr<orphan> orphans_;
    std::uint64_t turns_ = 0;
    // How many nodes a turn runs at most. Asking the system for events costs as much as running some hundred small
    // nodes, so the batch grows while a whole one is done in no time, and is small again after a long turn.
    static constexpr std::size_t batch_min = 256;
    static constexpr std::size_t batch_max = 4096;
    static constexpr duration turn_short = std::chrono::microseconds(25);
    static constexpr duration turn_long = std::chrono::microseconds(100);
    std::size_t batch_ = batch_min;
    std::size_t ran_ = 0;
};

namespace detail {
template <class T>
task<void> keep_result(task<T> work, std::optional<T>& out) {
    out.emplace(co_await std::move(work));
}
task<void> join_into(counting_scope& scope, std::exception_ptr& failure, bool& ended);
}  // namespace detail

template <class T>
T event_loop::run(task<T> main) {
    begin_run();
    counting_scope scope(*this);
    counting_scope waiter(*this);
    main_scope_ = &scope;
    struct forget_scope {
        counting_scope*& place;
        ~forget_scope() { place = nullptr; }
    } forget{main_scope_};
    std::exception_ptr failure;
    bool ended = false;
    if constexpr (std::is_void_v<T>) {
        scope.spawn(std::move(main), "main");
        waiter.spawn(detail::join_into(scope, failure, ended), "run");
        run_until([&] { return ended; });
        if (failure) std::rethrow_exception(failure);
    } else {
        std::optional<T> value;
        scope.spawn(detail::keep_result(std::move(main), value), "main");
        waiter.spawn(detail::join_into(scope, failure, ended), "run");
        run_until([&] { return ended; });
        if (failure) std::rethrow_exception(failure);
        return std::move(*value);
    }
}

}  // namespace co_wq::io
