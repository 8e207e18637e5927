// dtls_flag, dtls_awaiter: how a task waits for something that a session's or a listener's own code brings about.
//
// Guarantees: waiting for a flag that is set does not suspend, but a cancelled scope is told first. Waking resumes
//             nobody itself. One task waits for a flag at a time; a second one is a fault.
// Threads:    the loop's own. Lifetime: flag and awaiter die in any order; a waiter whose flag dies goes on with
//             `closed`.
#pragma once

#include "base/result.hpp"
#include "io/socket_address.hpp"
#include "task/promise.hpp"
#include "task/workqueue.hpp"

namespace co_wq::net::tls::detail {

class dtls_awaiter;

class dtls_flag {
public:
    // what: "DTLS recv", for whoever looks at a waiting task. peer: outlives the flag; may be null.
    explicit dtls_flag(const char* what, const io::socket_address* peer = nullptr) noexcept
        : what_(what), peer_(peer) {}
    dtls_flag(const dtls_flag&) = delete;
    dtls_flag& operator=(const dtls_flag&) = delete;
    ~dtls_flag();

    void set() noexcept;
    void reset() noexcept { set_ = false; }
    bool is_set() const noexcept { return set_; }
    bool waited_for() const noexcept { return waiter_ != nullptr; }

    [[nodiscard]] dtls_awaiter wait() noexcept;

private:
    friend class dtls_awaiter;
    const char* what_;
    const io::socket_address* peer_;
    dtls_awaiter* waiter_ = nullptr;
    bool set_ = false;
};

class dtls_awaiter final : public awaiter_base, private worknode, private cancel_node {
public:
    explicit dtls_awaiter(dtls_flag& on) noexcept
        : awaiter_base(ops), worknode(&resume), cancel_node(&cancelled), on_(&on) {}
    ~dtls_awaiter() { leave_flag(); }

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        return suspend(waiting.promise());
    }
    // stopped, timed_out: the scope was cancelled first. closed: the flag is gone.
    result<void> await_resume() noexcept {
        exit();
        leave_flag();
        if (failed_) return fail(reason_);
        return {};
    }

private:
    friend class dtls_flag;
    bool suspend(promise_base& frame) noexcept;
    void wake() noexcept;
    void end(errc reason) noexcept;
    void leave_flag() noexcept {
        if (on_ && on_->waiter_ == this) on_->waiter_ = nullptr;
        on_ = nullptr;
    }
    static void resume(worknode& self) noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static std::size_t describe(const awaiter_base& self, char* out, std::size_t room) noexcept;
    static constexpr awaiter_ops ops{"DTLS", nullptr, nullptr, nullptr, &describe};

    dtls_flag* on_;
    errc reason_ = errc::stopped;
    bool failed_ = false;
};

inline dtls_awaiter dtls_flag::wait() noexcept { return dtls_awaiter(*this); }

}  // namespace co_wq::net::tls::detail
