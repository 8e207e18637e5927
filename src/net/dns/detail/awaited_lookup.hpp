// awaited_lookup: a search as something to co_await.
//
// For:        resolver. Asked first, awaited later (or never), so that two questions are in flight at once.
// Guarantees: as of search; a cancelled scope ends the waiting, not the question.
// Threads:    the loop's own.
#pragma once

#include "net/dns/detail/search.hpp"
#include "task/promise.hpp"

namespace co_wq::net::dns::detail {

class awaited_lookup : public search, public awaiter_base, private cancel_node {
public:
    awaited_lookup() noexcept : search(&answered), awaiter_base(ops), cancel_node(&cancelled) {}

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
    static void answered(search& self) noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static std::size_t describe(const awaiter_base& self, char* out, std::size_t room) noexcept;
    static constexpr awaiter_ops ops{"name lookup", nullptr, nullptr, nullptr, &describe};

    errc reason_ = errc::stopped;
    bool suspended_ = false;
};

}  // namespace co_wq::net::dns::detail
