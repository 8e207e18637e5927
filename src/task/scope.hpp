// counting_scope: where tasks are spawned, joined and, if need be, ended together.
//
// For:        running children concurrently with the code that owns the scope.
// Guarantees: join() returns when all children have ended; a child's exception cancels its siblings and is
//             rethrown by join() (cancel_siblings), or goes to a handler and touches nobody else (isolate).
//             Destroying a scope destroys its remaining children where they stand.
// Threads:    the owner of the queue.
// Lifetime:   the scope must outlive its queue's use of it; children never outlive the scope.
//
//   counting_scope scope(queue);
//   scope.spawn(serve(std::move(connection)), "serve");
//   co_await scope.join();
#pragma once

#include <exception>
#include <functional>

#include "base/intrusive_list.hpp"
#include "task/task.hpp"
#include "task/workqueue.hpp"

namespace co_wq {

class counting_scope;

namespace detail {

// The root of a tree of tasks: what is spawned, under which name, in which environment.
class spawned : public awaiter_base, public list_hook<spawned> {
public:
    // failure: reads the exception of a child that failed.
    spawned(counting_scope& scope, promise_base& child, const char* name,
            std::exception_ptr (*failure)(promise_base&)) noexcept;

    promise_base* child() const noexcept { return child_; }
    const task_env& env() const noexcept { return env_; }
    void destroy() noexcept;

private:
    friend class co_wq::counting_scope;

    static promise_base* take_child(awaiter_base& self) noexcept {
        return std::exchange(static_cast<spawned&>(self).child_, nullptr);
    }
    static std::coroutine_handle<> child_done(awaiter_base& self, promise_base& child) noexcept;
    static promise_base* child_at(const awaiter_base& self, std::size_t index) noexcept {
        return index == 0 ? static_cast<const spawned&>(self).child_ : nullptr;
    }
    static constexpr awaiter_ops ops{"spawned", &take_child, &child_done, &child_at, nullptr};

    struct start_node : worknode {
        explicit start_node(spawned& record) noexcept
            : worknode([](worknode& self) noexcept {
                  promise_base* child = static_cast<start_node&>(self).owner.child_;
                  running_frame = child;
                  child->self().resume();
              }),
              owner(record) {}
        spawned& owner;
    };

    counting_scope& scope_;
    promise_base* child_;
    std::exception_ptr (*failure_)(promise_base&);
    task_env env_;
    start_node start_;
};

}  // namespace detail

class counting_scope {
public:
    enum class on_failure : unsigned char { cancel_siblings, isolate };
    // For isolate: gets the exception of a child. May be empty: the exception is then reported as a fault.
    using failure_handler = std::function<void(std::exception_ptr, const char* name)>;

    explicit counting_scope(workqueue& queue, cancel_scope* parent = nullptr) noexcept
        : queue_(queue), cancel_(parent) {}
    counting_scope(workqueue& queue, failure_handler handler, cancel_scope* parent = nullptr)
        : queue_(queue), cancel_(parent), policy_(on_failure::isolate), handler_(std::move(handler)) {}
    ~counting_scope() { destroy_all(); }

    // Starts the task from the queue, later. name must outlive the task (a literal).
    template <class T>
    void spawn(task<T> work, const char* name = "task");

    // No child may be spawned any more; spawn then destroys its task unstarted.
    void close() noexcept { closed_ = true; }
    void request_stop(errc reason = errc::stopped) noexcept { cancel_.cancel(reason); }
    // Destroys all children where they stand. Not from inside a child.
    void destroy_all() noexcept;

    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    cancel_scope& cancellation() noexcept { return cancel_; }
    workqueue& queue() noexcept { return queue_; }

    class join_awaiter;
    // Ends when the last child has ended; rethrows the first failure. One joiner at a time. Not cancellable
    // itself: cancel the scope.
    join_awaiter join() noexcept;

    // Calls visit(const detail::spawned&) for each child.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (detail::spawned* child = children_.first(); child; child = children_.after(*child)) visit(*child);
    }

private:
    friend class detail::spawned;
    void ended(detail::spawned& child, std::exception_ptr failure) noexcept;

    workqueue& queue_;
    cancel_scope cancel_;
    intrusive_list<detail::spawned> children_;
    std::size_t count_ = 0;
    on_failure policy_ = on_failure::cancel_siblings;
    bool closed_ = false;
    failure_handler handler_;
    std::exception_ptr first_failure_;
    join_awaiter* joiner_ = nullptr;
};

class counting_scope::join_awaiter : public awaiter_base, private worknode {
public:
    explicit join_awaiter(counting_scope& scope) noexcept
        : awaiter_base(ops),
          worknode([](worknode& self) noexcept {
              auto& me = static_cast<join_awaiter&>(self);
              detail::running_frame = me.frame_;
              me.frame_->self().resume();
          }),
          scope_(scope) {}
    ~join_awaiter() {
        if (scope_.joiner_ == this) scope_.joiner_ = nullptr;
    }
    bool await_ready() const noexcept { return scope_.empty(); }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        CO_WQ_REQUIRE(!scope_.joiner_, "a scope is joined by one task at a time");
        enter(waiting.promise());
        scope_.joiner_ = this;
    }
    void await_resume() {
        exit();
        scope_.joiner_ = nullptr;
        if (scope_.first_failure_) std::rethrow_exception(std::exchange(scope_.first_failure_, nullptr));
    }

private:
    friend class counting_scope;
    // Children of a joined scope are torn down by the same walk as everything else the frame awaits.
    static promise_base* take_child(awaiter_base& self) noexcept;
    static promise_base* child_at(const awaiter_base& self, std::size_t index) noexcept;
    static constexpr awaiter_ops ops{"scope join", &take_child, nullptr, &child_at, nullptr};
    void wake() noexcept {
        if (!queued()) scope_.queue_.post(*this);
    }

    counting_scope& scope_;
};

inline counting_scope::join_awaiter counting_scope::join() noexcept { return join_awaiter(*this); }

template <class T>
void counting_scope::spawn(task<T> work, const char* name) {
    queue_.require_owner();
    if (closed_) return;  // work is destroyed unstarted
    auto* child = pool_new<detail::spawned>(
        *this, std::move(work).release(), name,
        +[](promise_base& ended) { return static_cast<detail::promise<T>&>(ended).exception(); });
    children_.push_back(*child);
    ++count_;
    queue_.post(child->start_);
}

}  // namespace co_wq
