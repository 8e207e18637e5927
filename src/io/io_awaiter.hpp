// io_awaiter: one operation on a descriptor, awaited in place; base of recv, send, accept, connect and poll.
//
// Guarantees: tried at once when it may succeed; otherwise parked in an op slot. Cancelling its scope ends it with
//             stopped or timed_out unless it has a result. Destroying the frame withdraws it: no bytes are lost.
// Errors:     by from_errno; `closed` when the owner releases the descriptor meanwhile.
#pragma once

#include "base/result.hpp"
#include "io/reactor.hpp"
#include "task/op_waiter.hpp"

namespace co_wq::io {

class event_loop;

// A descriptor and its loop: what a socket holds.
struct descriptor_ref {
    event_loop* loop = nullptr;
    descriptor* entry = nullptr;
};

class io_awaiter : public op_waiter {
public:
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        return suspend(waiting.promise());
    }

protected:
    io_awaiter(const awaiter_ops& ops, descriptor_ref where, op_kind kind, op_detail detail, void* data,
               std::size_t length) noexcept;
    ~io_awaiter();

    // The operation's number, or why it has none. Call once, in await_resume.
    result<std::uint32_t> take_result() noexcept {
        exit();
        if (result_ < 0) [[unlikely]]
            return failure();
        return static_cast<std::uint32_t>(result_);
    }
    event_loop& loop() const noexcept { return *where_.loop; }
    descriptor& entry() const noexcept { return *where_.entry; }
    static std::size_t describe(const awaiter_base& self, char* out, std::size_t room) noexcept;

private:
    bool suspend(promise_base& frame) noexcept;
    std::unexpected<error> failure() const noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;

    op_kind kind_;  // these three lie behind op_waiter's last member
    op_detail detail_;
    errc reason_ = errc::stopped;
    descriptor_ref where_;
};

}  // namespace co_wq::io
