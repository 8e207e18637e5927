// file_awaiter: one call to the file system, awaited in place; base of those of io/file.hpp and its neighbours.
//
// Guarantees: cancelling its scope takes back a call that has not begun; one that has begun ends when the system says
//             so, with a result if it has one. Destroying the frame leaves everything the call works on behind, with
//             the loop, until then; what it opens is closed.
// Errors:     by from_errno. `closed` when the file's owner lets go of it meanwhile; `stopped` or `timed_out` when its
//             scope was cancelled first.
#pragma once

#include "base/result.hpp"
#include "io/file_request.hpp"
#include "task/op_waiter.hpp"

namespace co_wq::io {

class event_loop;

namespace detail {

class file_awaiter : public op_waiter {
public:
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return suspend(waiting.promise());
    }

protected:
    file_awaiter(const awaiter_ops& ops, event_loop& loop, file_request& request) noexcept;
    ~file_awaiter();

    // A count or a descriptor, or why there is none. In await_resume.
    result<std::uint32_t> take_result() noexcept;
    // Why the call did not do all of it.
    result<void> ending() const noexcept;
    file_request& request() const noexcept { return *request_; }
    event_loop& loop() const noexcept { return loop_; }
    static std::size_t describe(const awaiter_base& self, char* out, std::size_t room) noexcept;

private:
    bool suspend(promise_base& frame);
    error reason_of(std::int32_t failure) const noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;

    event_loop& loop_;
    file_request* request_;  // ours while slot_ is null
    errc reason_ = errc::stopped;
};

// A call that is done or not.
class file_call_awaiter final : public file_awaiter {
public:
    file_call_awaiter(event_loop& loop, file_request& request) noexcept : file_awaiter(ops, loop, request) {}
    result<void> await_resume() noexcept {
        const result<std::uint32_t> got = take_result();
        if (!got) return std::unexpected(got.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"file call", nullptr, nullptr, nullptr, &describe};
};

class file_status_awaiter final : public file_awaiter {
public:
    file_status_awaiter(event_loop& loop, file_request& request) noexcept : file_awaiter(ops, loop, request) {}
    result<file_status> await_resume() noexcept;

private:
    static constexpr awaiter_ops ops{"file status", nullptr, nullptr, nullptr, &describe};
};

}  // namespace detail
}  // namespace co_wq::io
