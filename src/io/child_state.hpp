// child_state: a child process as its loop knows it, from clone to waitid. Internal to process.
//
// Lifetime: owned by the process, by what waits for it, and by the task of the loop that reaps it.
// Threads:  the loop's own.
#pragma once

#include <memory>
#include <optional>

#include "io/process.hpp"
#include "sync/event.hpp"
#include "sync/timer_queue.hpp"

namespace co_wq::io::detail {

class child_state : private timer {
public:
    child_state(event_loop& loop, const command& what)
        : timer(&grace_is_over),
          loop_(loop),
          end_signal_(what.end_signal),
          grace_(what.grace),
          grouped_(what.belongs_to != command::group::inherit),
          last_rites_(std::make_unique<orphan>()) {}
    child_state(const child_state&) = delete;
    child_state& operator=(const child_state&) = delete;

    // It runs.
    void begin(int process, file_handle pidfd) noexcept {
        process_ = process;
        pidfd_ = std::move(pidfd);
    }
    // Holds the child for its loop; if that dies with it, the child is ended.
    class duty {
    public:
        explicit duty(std::shared_ptr<child_state> of) noexcept : of_(std::move(of)) {}
        duty(duty&&) noexcept = default;
        duty& operator=(duty&&) = delete;
        ~duty() {
            if (of_) of_->end_now();
        }
        child_state& child() const noexcept { return *of_; }

    private:
        std::shared_ptr<child_state> of_;
    };
    // Waits for its end on the loop, and reaps it.
    static task<void> watch(duty held);

    result<void> kill(int signal) const noexcept;
    result<void> kill_group(int signal) const noexcept;
    // Its owner has let go.
    void let_go(bool leave_alone) noexcept;

    int process() const noexcept { return process_; }
    bool over() const noexcept { return over_; }
    bool closed() const noexcept { return closed_; }
    const std::optional<exit_status>& status() const noexcept { return status_; }
    event& changed() noexcept { return changed_; }

private:
    bool reap() noexcept;
    void end_now() noexcept;
    void signal_all(int number) const noexcept;
    static void grace_is_over(timer& self) noexcept;

    event_loop& loop_;
    file_handle pidfd_;
    int process_ = 0;
    const int end_signal_;
    const duration grace_;
    const bool grouped_;
    bool over_ = false;      // reaped, by us or by somebody else; or its loop is gone
    bool closed_ = false;    // the owner has let go
    bool detached_ = false;  // ... and wants it to live
    std::optional<exit_status> status_;
    event changed_;  // it has ended, or its owner has let go
    std::unique_ptr<orphan> last_rites_;
};

}  // namespace co_wq::io::detail
