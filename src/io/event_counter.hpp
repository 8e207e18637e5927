// event_counter: a number that threads and processes add to, and a task takes.
//
// For:        waking a task from a foreign thread, a signal handler, another process or a device driver.
// Guarantees: what was added is taken once, by whoever takes first. A take that is cancelled or destroyed takes
// nothing.
//             add never blocks.
// Threads:    take, close and destruction: the loop's own. add: any, while the counter lives; adder() gives a handle of
//             its own to threads that may outlive it.
// Lifetime:   movable; a take that waits refers to the descriptor and ends with `closed` when the counter is closed.
// Errors:     limit_exceeded: the sum would pass 2^64 - 2; nothing is added. invalid_argument: 2^64 - 1 was to be
//             added. not_supported: the loop is simulated, or what was adopted is no counter.
// Source:     eventfd(2).
//
//   result<io::event_counter> ticks = io::event_counter::open(loop);
//   std::thread([to = *ticks->adder()] { (void)to.add(1); }).detach();
//   result<std::uint64_t> count = co_await ticks->take();
#pragma once

#include "io/pipe.hpp"

namespace co_wq::io {

namespace detail {

class counter_awaiter final : public io_awaiter {
public:
    explicit counter_awaiter(descriptor_ref where) noexcept
        : io_awaiter(ops, where, op_kind::recv, op_detail::plain, &count_, sizeof count_) {}
    result<std::uint64_t> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return count_;
    }

private:
    static constexpr awaiter_ops ops{"take from a counter", nullptr, nullptr, nullptr, &describe};
    std::uint64_t count_ = 0;
};

result<void> add_to_counter(native_handle handle, std::uint64_t count) noexcept;

}  // namespace detail

// The adding end; any thread, and it may outlive the counter and its loop: then nobody takes what it adds.
class event_adder {
public:
    event_adder() noexcept = default;
    explicit event_adder(file_handle file) noexcept : file_(std::move(file)) {}
    result<void> add(std::uint64_t count = 1) const noexcept { return detail::add_to_counter(file_.get(), count); }
    native_handle handle() const noexcept { return file_.get(); }

private:
    file_handle file_;
};

class event_counter {
public:
    // What a take takes.
    enum class mode : unsigned char {
        all,  // the whole sum
        semaphore,  // one
    };

    event_counter() noexcept = default;
    static result<event_counter> open(event_loop& loop, mode how = mode::all, std::uint32_t initial = 0);
    // One that another process made and passed on. It becomes non-blocking for everybody who shares it.
    static result<event_counter> adopt(event_loop& loop, file_handle file);

    bool is_open() const noexcept { return socket_.is_open(); }
    // To be passed to another process (passed_files.hpp) or a child (process.hpp).
    native_handle handle() const noexcept { return socket_.handle(); }
    result<void> add(std::uint64_t count = 1) const noexcept { return detail::add_to_counter(socket_.handle(), count); }
    result<event_adder> adder() const noexcept;
    // Waits until the number is not 0, takes it (or one), and says how much it took. One take may wait at a time.
    [[nodiscard]] detail::counter_awaiter take() const noexcept { return detail::counter_awaiter(socket_.where()); }
    void close() noexcept { socket_.close(); }

private:
    explicit event_counter(socket source) noexcept : socket_(std::move(source)) {}
    socket socket_;
};

}  // namespace co_wq::io
