// How the tests of signals wait for them, on every system.
#pragma once

#include <optional>

#include "io/reactors.hpp"
#include "io/signal.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {

inline task<result<signal_info>> next_of(const signal_set& set) {
    const result<signal_info> got = co_await set.next();
    co_return got;
}
inline task<errc> none_of(const signal_set& set) {
    auto waiting = next_of(set);
    const result<signal_info> got = co_await with_timeout(std::chrono::milliseconds(1), std::move(waiting));
    co_return got ? errc::other : got.error().code();
}

inline task<void> end_a_set_under_its_waiter(event_loop& here, int number) {
    std::optional<signal_set> set(std::in_place, here, std::initializer_list<int>{number});
    errc outcome = errc::other;
    auto waits = [](const signal_set& on, errc& into) -> task<void> {
        const result<signal_info> got = co_await on.next();
        if (!got) into = got.error().code();
    };
    counting_scope scope(here);
    scope.spawn(waits(*set, outcome));
    for (int i = 0; i < 5; ++i) co_await yield();
    set.reset();
    co_await scope.join();
    EXPECT_EQ(outcome, errc::closed);
}

}  // namespace co_wq::io::test
