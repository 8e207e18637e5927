// Rows of what waits for tasks.
#include <optional>

#include "rows.hpp"
#include "sync/event.hpp"
#include "sync/with_scope.hpp"
#include "task/scope.hpp"
#include "task/when.hpp"
#include "task/with_stop.hpp"

namespace co_wq::contract {
namespace {

using namespace std::chrono_literals;

constexpr const char* own_child = "its child is the awaiter's own";

// Awaits a child that waits for an event.
class parent : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        if (at == cell::ready) go_.set();
        co_return;
    }
    task<void> complete() override {
        go_.set();
        co_return;
    }
    task<void> fail() override {
        fails_ = true;
        go_.set();
        co_return;
    }

protected:
    task<std::string> child() { return child_of(go_, fails_); }
    static task<std::string> child_of(event& go, const bool& fails) {
        const result<void> came = co_await go.wait();
        if (fails) throw std::runtime_error("boom");
        co_return text_of(came);
    }
    event go_;
    bool fails_ = false;
};

constexpr plan parent_plan{.complete = at_once("ok"),
                           .ready = at_once("ok"),
                           .error = ends("threw boom"),
                           .cancel = stopped,
                           .completing = ends("ok"),
                           .timeout = timed_out,
                           .owner_closed = none(own_child),
                           .owner_destroyed = none(own_child),
                           .frame_destroyed = gone(),
                           .scope_cancelled = stopped,
                           .runtime_stopping = stopped,
                           .runtime_destroyed = gone()};

class plain_child : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        std::string got = co_await child();
        co_return got;
    }
};

// ---- a cancel scope of its own

class under_token : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        std::string got = co_await with_stop(source_.get_token(), child());
        co_return got;
    }

protected:
    inplace_stop_source source_;
};

// Its own token ends the wait.
class ended_by_token : public under_token {
public:
    using under_token::under_token;
    task<void> set_up() override {
        if (at == cell::ready) source_.request_stop();
        co_return;
    }
    task<void> complete() override {
        source_.request_stop();
        co_return;
    }
};

class under_scope : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        here_.emplace();
        std::string got = co_await with_scope(*here_, child());
        co_return got;
    }

protected:
    std::optional<cancel_scope> here_;  // of the latest wait: once cancelled it stays so
};

class ended_by_scope : public under_scope {
public:
    using under_scope::under_scope;
    task<void> set_up() override { co_return; }
    task<std::string> wait() override {
        here_.emplace();
        if (at == cell::ready) here_->cancel();
        std::string got = co_await with_scope(*here_, child());
        co_return got;
    }
    task<void> complete() override {
        here_->cancel();
        co_return;
    }
    bool keeps() const override { return false; }
};

constexpr plan ended_plan{.complete = ends("stopped"),
                          .ready = ends("stopped"),
                          .error = ends("threw boom"),
                          .cancel = stopped,
                          .completing = stopped,
                          .timeout = timed_out,
                          .owner_closed = none(own_child),
                          .owner_destroyed = none(own_child),
                          .frame_destroyed = gone(),
                          .scope_cancelled = stopped,
                          .runtime_stopping = stopped,
                          .runtime_destroyed = gone()};

// ---- deadlines

class under_deadline : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        std::string got = co_await with_deadline(loop.now() + 1h, child());
        co_return got;
    }
};

class under_timeout : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        std::string got = co_await with_timeout(1h, child());
        co_return got;
    }
};

// Its own limit ends the wait.
class ended_by_limit : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        duration limit = 1h;
        if (again_ || at == cell::complete || at == cell::completing) limit = 300us;
        if (at == cell::ready) limit = 0s;
        again_ = true;
        std::string got = co_await with_timeout(limit, child());
        co_return got;
    }
    task<void> set_up() override { co_return; }
    task<void> complete() override { co_return; }
    bool holds() const override { return at != cell::complete && at != cell::completing; }

private:
    bool again_ = false;
};

class shielded : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        std::string got = co_await shield(child());
        co_return got;
    }
};

// ---- several at once

class both : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        auto [one, other] = co_await when_all(child(), child());
        co_return one == other ? one : one + " and " + other;
    }
};

class both_in_a_scope : public under_scope {
public:
    using under_scope::under_scope;
    task<std::string> wait() override {
        here_.emplace();
        auto [one, other] = co_await when_all_in(*here_, child(), child());
        co_return one == other ? one : one + " and " + other;
    }
};

class both_ended_by_scope : public ended_by_scope {
public:
    using ended_by_scope::ended_by_scope;
    task<std::string> wait() override {
        here_.emplace();
        if (at == cell::ready) here_->cancel();
        auto [one, other] = co_await when_all_in(*here_, child(), child());
        co_return one == other ? one : one + " and " + other;
    }
};

class both_of_many : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        std::vector<task<std::string>> children;
        for (int i = 0; i < 3; ++i) children.push_back(child());
        const std::vector<std::string> got = co_await when_all(std::move(children));
        co_return got[0] == got[1] && got[1] == got[2] ? got[0] : "they differ";
    }
};

class either : public parent {
public:
    using parent::parent;
    task<std::string> wait() override {
        const auto first = co_await when_any(child(), child_of(never_, fails_));
        co_return first.index() == 0 ? std::get<0>(first) : "the other one: " + std::get<1>(first);
    }

private:
    event never_;
};

// ---- join

class joining : public parent {
public:
    explicit joining(const setting& where) : parent(where), children_(where.loop) {}
    task<void> set_up() override {
        if (at != cell::ready) children_.spawn(child(), "child");
        co_return;
    }
    task<std::string> wait() override {
        co_await children_.join();
        co_return "ok";
    }
    void close_owner() override { children_.close(); }
    void destroy_owner() override { children_.destroy_all(); }

private:
    counting_scope children_;
};

constexpr plan join_plan{.complete = ends("ok"),
                         .ready = at_once("ok"),
                         .error = ends("threw boom"),
                         .cancel = outlasts("ok"),
                         .completing = ends("ok"),
                         .timeout = outlasts("ok"),
                         .owner_closed = outlasts("ok"),
                         .owner_destroyed = ends("ok"),  // its children are: the scope itself outlives who joins it
                         .frame_destroyed = gone(),
                         .scope_cancelled = outlasts("ok"),
                         .runtime_stopping = outlasts("ok"),
                         .runtime_destroyed = gone()};

// ---- yield

class yielding : public subject {
public:
    using subject::subject;
    task<std::string> wait() override {
        co_await yield();
        co_return "ok";
    }
    task<void> complete() override { co_return; }
    bool holds() const override { return false; }
    int turns_to_wait() const override { return 1; }
};

constexpr plan yield_plan{.complete = ends("ok"),
                          .ready = none("it always gives way"),
                          .error = none("giving way cannot fail"),
                          .cancel = ends("ok"),
                          .completing = ends("ok"),
                          .timeout = ends("ok"),
                          .owner_closed = none("it waits on nothing"),
                          .owner_destroyed = none("it waits on nothing"),
                          .frame_destroyed = gone(),
                          .scope_cancelled = ends("ok"),
                          .runtime_stopping = ends("ok"),
                          .runtime_destroyed = gone()};

consteval plan shield_plan() {
    plan all = parent_plan;
    all.cancel = all.timeout = all.scope_cancelled = all.runtime_stopping = outlasts("ok");
    return all;
}

consteval plan limit_plan() {
    plan all = ended_plan;
    all.complete = all.ready = ends("timed out");
    all.completing = ends("timed out|stopped");
    return all;
}

}  // namespace

std::vector<variant> task_awaiter_rows() { return {{"task", &make<plain_child>, parent_plan}}; }
std::vector<variant> stop_awaiter_rows() {
    return {{"with_stop", &make<under_token>, parent_plan},
            {"with_stop, by its token", &make<ended_by_token>, ended_plan}};
}
std::vector<variant> scope_awaiter_rows() {
    return {{"with_scope", &make<under_scope>, parent_plan},
            {"with_scope, by its scope", &make<ended_by_scope>, ended_plan}};
}
std::vector<variant> deadline_awaiter_rows() {
    return {{"with_deadline", &make<under_deadline>, parent_plan},
            {"with_timeout", &make<under_timeout>, parent_plan},
            {"with_timeout, by its limit", &make<ended_by_limit>, limit_plan()},
            {"shield", &make<shielded>, shield_plan()}};
}
std::vector<variant> when_all_in_awaiter_rows() {
    return {{"when_all", &make<both>, parent_plan},
            {"when_all_in", &make<both_in_a_scope>, parent_plan},
            {"when_all_in, by its scope", &make<both_ended_by_scope>, ended_plan}};
}
std::vector<variant> when_all_range_awaiter_rows() { return {{"when_all of many", &make<both_of_many>, parent_plan}}; }
std::vector<variant> when_any_awaiter_rows() { return {{"when_any", &make<either>, parent_plan}}; }
std::vector<variant> counting_scope_join_awaiter_rows() { return {{"scope join", &make<joining>, join_plan}}; }
std::vector<variant> yield_awaiter_rows() { return {{"yield", &make<yielding>, yield_plan}}; }

}  // namespace co_wq::contract
