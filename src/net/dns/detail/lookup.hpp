// lookup: one waiter's interest in an answer; awaited_lookup: the same as something to co_await.
//
// For:        the line between tasks, which may die at any time, and c-ares, whose callbacks cannot be taken back:
//             those find the name_record, and the record's list of lookups, from which a dying lookup unlinks itself.
// Guarantees: on_answer is called at most once, never from inside engine::ask, and must not run user code: it posts
//             or sets an event.
// Threads:    the loop's own. Lifetime: lookups and records die in any order.
#pragma once

#include "base/intrusive_list.hpp"
#include "net/dns/detail/answer.hpp"
#include "task/promise.hpp"
#include "task/workqueue.hpp"

namespace co_wq::net::dns::detail {

class lookup : public list_hook<lookup> {
public:
    using function = void (*)(lookup& self) noexcept;
    explicit lookup(function on_answer) noexcept : on_answer_(on_answer) {}

    bool done() const noexcept { return answer_ != nullptr; }
    // Once it is done.
    const answer& get() const noexcept { return *answer_; }
    // What was asked, for whoever looks at a waiting task.
    const char* name() const noexcept { return name_; }

    // For the engine: the answer was known.
    void set(answer_ptr known) noexcept { answer_ = std::move(known); }
    // For the engine: the answer has come.
    void deliver(answer_ptr come) noexcept {
        answer_ = std::move(come);
        on_answer_(*this);
    }
    void set_name(const char* name) noexcept { name_ = name; }

private:
    const function on_answer_;
    const char* name_ = "";
    answer_ptr answer_;
};

// Asked first, awaited later (or never), so that two questions are in flight at once.
class awaited_lookup : public lookup, public awaiter_base, private worknode, private cancel_node {
public:
    awaited_lookup() noexcept : lookup(&answered), awaiter_base(ops), worknode(&resume), cancel_node(&cancelled) {}

    bool await_ready() const noexcept { return done(); }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        return suspend(waiting.promise());
    }
    // An error: the scope was cancelled before the answer came.
    result<void> await_resume() noexcept {
        exit();
        if (!done()) return fail(reason_);
        return {};
    }

private:
    bool suspend(promise_base& frame) noexcept;
    static void answered(lookup& self) noexcept;
    static void resume(worknode& self) noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static std::size_t describe(const awaiter_base& self, char* out, std::size_t room) noexcept;
    static constexpr awaiter_ops ops{"name lookup", nullptr, nullptr, nullptr, &describe};

    errc reason_ = errc::stopped;
    bool suspended_ = false;
};

}  // namespace co_wq::net::dns::detail
