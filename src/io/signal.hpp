// signal_set: waits for process signals on a loop, and tells who sent them.
//
// Requires:   block_signals() (or blocked_signals) before any other thread is started, so that no thread takes the
//             signal in the old way.
// Guarantees: each signal is given once, to the set that reads it first. Of a standard signal one is kept while nobody
//             takes it, whoever sent more; real-time signals (signals::real_time) are queued, each with its value, in
//             order of sending, up to RLIMIT_SIGPENDING. A wait that is cancelled or destroyed takes none.
// Threads:    the loop's own. Lifetime: any; signals that arrive while nobody waits are kept by the system.
// Errors:     stopped or timed_out when the scope is cancelled; closed when the set is closed or destroyed.
// Windows:    interrupt is Ctrl+C, quit is Ctrl+Break, terminate is the end of the console window, of the session or of
//             the system, which leave the process some seconds. One of each is kept while nobody takes it. Signals are
//             blocked for the whole process. Once it has blocked a number, queue_signal of other processes of the same
//             user and of administrators reaches it, without a value (io/backend/signal_doors.hpp); others never come.
// Children:   io::process starts them with no signal blocked and none ignored.
// Source:     signal(7), signalfd(2), sigqueue(3); SetConsoleCtrlHandler.
//
//   io::block_signals({io::signals::interrupt, io::signals::terminate});
//   io::signal_set signals(loop, {io::signals::interrupt, io::signals::terminate});
//   result<io::signal_info> which = co_await signals.next();   // which->number, which->process
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "io/socket.hpp"

namespace co_wq::io {

// The system's numbers, for code that has no business with its headers (signal(7)).
namespace signals {
inline constexpr int hang_up = 1;
inline constexpr int interrupt = 2;
inline constexpr int quit = 3;
inline constexpr int abort = 6;
inline constexpr int kill = 9;
inline constexpr int segment = 11;
inline constexpr int broken_pipe = 13;
inline constexpr int terminate = 15;
extern const int user_1, user_2, child, go_on, stop, window_size;
// Queued signals: index 0 up to real_time_count - 1 (about 30); a lower one comes first.
int real_time(int index) noexcept;
int real_time_count() noexcept;
}  // namespace signals

// Keeps the default action of these signals from happening in this thread and all that it starts later.
void block_signals(std::initializer_list<int> numbers) noexcept;
// Writes to closed sockets give an error instead of ending the process.
void ignore_sigpipe() noexcept;

// block_signals for a while: the destructor puts this thread's mask back as it was. A signal that is pending then has
// its ordinary effect, unless take_pending() took it away.
class blocked_signals {
public:
    explicit blocked_signals(std::initializer_list<int> numbers) noexcept;
    blocked_signals(const blocked_signals&) = delete;
    blocked_signals& operator=(const blocked_signals&) = delete;
    ~blocked_signals();

    // Drops what is pending of the numbers; how many.
    int take_pending() noexcept;

private:
    // Sets of the system, as it has them.
    alignas(8) std::array<std::byte, 128> numbers_, before_;
    unsigned long thread_;
};

// Sends a signal to a process, with a value that signal_info shows. Errors: not_found (no such process),
// permission_denied, limit_exceeded (its queue is full), invalid_argument (no such signal); on Windows not_supported:
// it has not blocked this signal. Process numbers are used again: for children of ours io::process has kill.
result<void> queue_signal(int process, int number, int value) noexcept;

enum class signal_origin : unsigned char {
    kernel,  // the system itself: a terminal, a fault
    process,  // kill(2) by `process`, or raise
    queued,  // sigqueue(3) by `process`, with `value`
    child,  // SIGCHLD about `process`, `value` is its status
    timer,  // a POSIX timer or message queue, with `value`
};

struct signal_info {
    int number = 0;
    signal_origin origin = signal_origin::kernel;
    int process = 0;  // who sent it; 0: not known here, or the kernel
    std::uint32_t user = 0;  // whose process that was
    int value = 0;
    std::uint64_t pointer = 0;  // the same value, if the sender gave a pointer
    int code = 0;  // the system's si_code
};

namespace detail {

signal_info decode_signal(const std::array<std::byte, 128>& raw) noexcept;
// The set that reads them is about to be closed.
void end_signals(native_handle source) noexcept;

class signal_awaiter final : public io_awaiter {
public:
    explicit signal_awaiter(descriptor_ref where) noexcept
        : io_awaiter(ops, where, op_kind::recv, op_detail::plain, &raw_, sizeof raw_) {}
    result<signal_info> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return decode_signal(raw_);
    }

private:
    static constexpr awaiter_ops ops{"signal", nullptr, nullptr, nullptr, &describe};
    alignas(8) std::array<std::byte, 128> raw_{};
};

}  // namespace detail

class signal_set {
public:
    // Throws std::system_error when the system refuses, or the loop is a simulation (ENOTSUP).
    signal_set(event_loop& loop, std::initializer_list<int> numbers);
    signal_set(signal_set&&) noexcept = default;
    signal_set& operator=(signal_set&& other) noexcept {
        if (this != &other) {
            close();
            source_ = std::move(other.source_);
        }
        return *this;
    }
    ~signal_set() { close(); }

    // One task may wait at a time.
    [[nodiscard]] detail::signal_awaiter next() const noexcept { return detail::signal_awaiter(source_.where()); }
    bool is_open() const noexcept { return source_.is_open(); }
    void close() noexcept {
        if (source_.is_open()) detail::end_signals(source_.handle());
        source_.close();
    }

private:
    socket source_;
};

}  // namespace co_wq::io
