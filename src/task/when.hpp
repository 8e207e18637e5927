// when_all, when_any: several tasks at once, in the frame that awaits them.
//
// when_all:   starts all, waits for all. The first exception cancels the others, which are still joined, and is
//             rethrown. Results come in order; void becomes std::monostate.
// when_all_in: the same under a cancel scope that the caller holds, as with_scope has it for one task; a failing child
//             cancels that scope. It outlives the await.
// when_any:   starts all; the first to end decides. The others are cancelled and joined before it returns, so no
//             loser runs on. A loser's result is dropped, its exception too.
// Threads:    children run on the awaiting task's queue.
// Lifetime:   children are destroyed with the awaiter. Children are started in order, in the call.
//
//   auto [a, b] = co_await when_all(fetch(x), fetch(y));
//   auto first = co_await when_any(read(stream), wait_for(quit));   // first.index(), std::get<0>(first)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "task/task.hpp"
#include "task/workqueue.hpp"

namespace co_wq {
namespace detail {

template <class T>
using or_monostate = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
or_monostate<T> take_result(promise_base& child) {
    auto& typed = static_cast<promise<T>&>(child);
    if constexpr (std::is_void_v<T>) {
        typed.take();
        return {};
    } else {
        return typed.take();
    }
}

// The part of a fan-out that does not depend on types: children run in the given cancel scope.
class fan_out : public awaiter_base {
public:
    enum class mode : unsigned char { all, any };

protected:
    fan_out(cancel_scope& scope, std::span<promise_base*> children, mode how) noexcept
        : awaiter_base(ops),
          children_(children.data()),
          count_(static_cast<std::uint32_t>(children.size())),
          mode_(how),
          cancel_(scope) {
        CO_WQ_REQUIRE(children.size() < none, "a fan-out has fewer than 2^32 children");
    }
    ~fan_out();

    // True: suspended. False: everything has ended already.
    bool start(promise_base& parent);

    std::uint32_t winner() const noexcept { return winner_; }
    void leave() noexcept { exit(); }
    void destroy_children() noexcept;
    static constexpr std::uint32_t none = ~std::uint32_t{0};

private:
    static promise_base* take_child(awaiter_base& self) noexcept;
    static std::coroutine_handle<> child_done(awaiter_base& self, promise_base& child) noexcept;
    static promise_base* child_at(const awaiter_base& self, std::size_t index) noexcept;
    static constexpr awaiter_ops ops{"when_all or when_any", &take_child, &child_done, &child_at, nullptr};

    std::span<promise_base*> children() const noexcept { return {children_, count_}; }

    promise_base** children_;  // a frame holds us for as long as they run: no word is wasted
    std::uint32_t count_;
    std::uint32_t running_ = 0;
    std::uint32_t winner_ = none;  // the first that ended (any) or threw (all)
    mode mode_;
    bool starting_ = false;
    task_env env_;
    cancel_scope& cancel_;
};

template <class... Ts>
class when_all_in_awaiter : public fan_out {
public:
    ~when_all_in_awaiter() { destroy_children(); }
    explicit when_all_in_awaiter(cancel_scope& scope, task<Ts>&&... tasks) noexcept
        : fan_out(scope, slots_, mode::all), slots_{&std::move(tasks).release()...} {}
    bool await_ready() const noexcept { return sizeof...(Ts) == 0; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return start(waiting.promise());
    }
    std::tuple<or_monostate<Ts>...> await_resume() {
        leave();
        return collect(std::index_sequence_for<Ts...>{});
    }

private:
    template <std::size_t... Is>
    std::tuple<or_monostate<Ts>...> collect(std::index_sequence<Is...>) {
        if (winner() != none) (void)((Is == winner() ? (void)take_result<Ts>(*slots_[Is]) : void()), ...);
        return {take_result<Ts>(*slots_[Is])...};
    }
    std::array<promise_base*, sizeof...(Ts)> slots_;
};

// The scope of a fan-out that is given none: a base, so that it outlives the children.
struct own_scope {
    cancel_scope own;
};

template <class... Ts>
class when_all_awaiter : own_scope, public when_all_in_awaiter<Ts...> {
public:
    explicit when_all_awaiter(task<Ts>&&... tasks) noexcept : when_all_in_awaiter<Ts...>(own, std::move(tasks)...) {}
};

template <class T>
class when_all_range_awaiter : own_scope, public fan_out {
public:
    ~when_all_range_awaiter() { destroy_children(); }
    explicit when_all_range_awaiter(std::vector<task<T>>&& tasks) : when_all_range_awaiter(release(tasks)) {}
    bool await_ready() const noexcept { return slots_.empty(); }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return start(waiting.promise());
    }
    std::vector<or_monostate<T>> await_resume() {
        leave();
        if (winner() != none) take_result<T>(*slots_[winner()]);
        std::vector<or_monostate<T>> results;
        results.reserve(slots_.size());
        for (promise_base* child : slots_) results.push_back(take_result<T>(*child));
        return results;
    }

private:
    explicit when_all_range_awaiter(std::vector<promise_base*>&& slots)
        : fan_out(own, slots, mode::all), slots_(std::move(slots)) {}
    static std::vector<promise_base*> release(std::vector<task<T>>& tasks) {
        std::vector<promise_base*> slots;
        slots.reserve(tasks.size());
        for (auto& one : tasks) slots.push_back(&std::move(one).release());
        return slots;
    }
    std::vector<promise_base*> slots_;
};

template <class... Ts>
class when_any_awaiter : own_scope, public fan_out {
public:
    ~when_any_awaiter() { destroy_children(); }
    explicit when_any_awaiter(task<Ts>&&... tasks) noexcept
        : fan_out(own, slots_, mode::any), slots_{&std::move(tasks).release()...} {}
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return start(waiting.promise());
    }
    std::variant<or_monostate<Ts>...> await_resume() {
        leave();
        return pick(std::index_sequence_for<Ts...>{});
    }

private:
    template <std::size_t... Is>
    std::variant<or_monostate<Ts>...> pick(std::index_sequence<Is...>) {
        std::optional<std::variant<or_monostate<Ts>...>> result;
        ((Is == winner() ? (void)result.emplace(std::in_place_index<Is>, take_result<Ts>(*slots_[Is])) : void()), ...);
        return std::move(*result);
    }
    std::array<promise_base*, sizeof...(Ts)> slots_;
};

}  // namespace detail

template <class... Ts>
[[nodiscard]] detail::when_all_awaiter<Ts...> when_all(task<Ts>... tasks) noexcept {
    return detail::when_all_awaiter<Ts...>(std::move(tasks)...);
}
template <class... Ts>
[[nodiscard]] detail::when_all_in_awaiter<Ts...> when_all_in(cancel_scope& scope, task<Ts>... tasks) noexcept {
    return detail::when_all_in_awaiter<Ts...>(scope, std::move(tasks)...);
}
template <class T>
[[nodiscard]] detail::when_all_range_awaiter<T> when_all(std::vector<task<T>> tasks) {
    return detail::when_all_range_awaiter<T>(std::move(tasks));
}
template <class... Ts>
    requires(sizeof...(Ts) > 0)
[[nodiscard]] detail::when_any_awaiter<Ts...> when_any(task<Ts>... tasks) noexcept {
    return detail::when_any_awaiter<Ts...>(std::move(tasks)...);
}

}  // namespace co_wq
