// file_service: where a loop's calls to the file system go: to the kernel's ring where it has the call, else to
// threads.
//
// For:        the awaiters of io/file.hpp and its neighbours; a reactor has one from the first call on.
// Guarantees: nothing here waits for a disk on the loop's thread. A call that has not begun can be taken back at
//             once; one that has begun is asked to end and ends when the system says so, with what the system says:
//             bytes win. A descriptor that was opened for nobody is closed, a block returns to its pool. Threads:
//             `threads` per loop (loop_options::file_threads), started by the first call that needs one; none where
//             the ring has every call that is made. What waits for a thread, or for room at the kernel, waits in
//             order here, and not at them.
// Threads:    the loop's own, but for perform.
// Lifetime:   the reactor's. It dies when no call is under way; a loop that must leave one behind (a disk that does
//             not answer) leaks it with the reactor, and what the call comes to later is dropped.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>

#include "io/file_request.hpp"
#include "task/thread_pool.hpp"

namespace co_wq::io {

class reactor;

namespace detail {

class file_service {
public:
    explicit file_service(reactor& owner) noexcept;
    file_service(const file_service&) = delete;
    file_service& operator=(const file_service&) = delete;
    ~file_service();

    void set_threads(unsigned threads) noexcept { workers_.limit = threads > 0 ? threads : 1; }

    // ---- for awaiters
    // A file has place for some 65,000 calls at a time.
    bool has_room(const file_request& request) const noexcept;
    // What can be had without waiting, from the page cache. True: the request has its outcome.
    bool try_now(file_request& request) noexcept;
    // Arms a filled slot for the request. It may be final on return.
    void submit(op_slot& slot, file_request& request) noexcept;
    void cancel(op_slot& slot) noexcept;
    void abandon(op_slot& slot) noexcept;
    // Frees a request that nobody waits for; what it opened is closed.
    void dispose(file_request& request) noexcept;
    // Without a waiter. The descriptor is closed when the system has done it; the number is free only then.
    void close_later(native_handle handle) noexcept;
    void remove_later(std::string_view path) noexcept;

    // Blocks aligned to pages, good for direct access.
    buffer_pool& buffers() noexcept { return buffers_; }

    // ---- for the reactor
    // The kernel's word on a call.
    void completed(op_slot& slot, std::int32_t got) noexcept;
    // An entry's owner let go: what waits for the entry's file ends with `closed`, unless it has a result.
    void closing(descriptor& entry) noexcept;
    // No worker touches the loop from now on; what is still under way comes to nothing.
    void end() noexcept;

    // Calls that begin from now on wait until resume; for tests, which so see a call before it has begun.
    void pause() noexcept { paused_ = true; }
    void resume() noexcept;
    // Threads that were started.
    std::size_t threads() const noexcept { return pool_ ? pool_->size() : 0; }

private:
    friend class file_request;
    // A way to the system, and who waits for room on it.
    struct lane {
        intrusive_list<file_request> held;
        unsigned limit;
        unsigned busy = 0;
    };
    static constexpr unsigned kernel_calls_max = 1024;

    lane& lane_of(const file_request& request) noexcept;
    static bool goes_first(const file_request& request) noexcept;
    bool may_begin(const lane& way, const file_request& request) const noexcept;
    // What cannot begin ends at once.
    void begin(file_request& request) noexcept;
    void begin_next(lane& way) noexcept;
    bool hand_to_worker(file_request& request) noexcept;
    void ask_to_end(file_request& request) noexcept;
    void take_back(file_request& request) noexcept;
    // It leaves its way to the system, to the next one, and has its outcome.
    void finish(file_request& request) noexcept;
    void settle(file_request& request) noexcept;
    bool submit_alone(file_request& request) noexcept;
    void hold_files(const file_request& request) noexcept;
    void let_files_go(const file_request& request) noexcept;
    // On a worker's thread: makes the call and sends the request home.
    void perform(file_request& request) noexcept;
    void returned(file_request& request) noexcept;

    reactor& owner_;
    lane kernel_{{}, kernel_calls_max};
    lane workers_{{}, 4};
    bool paused_ = false;
    buffer_pool buffers_{4096};
    std::mutex lock_;
    workqueue* loop_;  // workers read it under lock_; null: it is gone
    std::unique_ptr<thread_pool> pool_;  // joined first
};

}  // namespace detail
}  // namespace co_wq::io
