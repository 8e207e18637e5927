// A workqueue with a thread of the model, and the task that a scenario runs on it.
#pragma once

#include "engine/model.hpp"
#include "task/scope.hpp"
#include "task/task.hpp"
#include "task/workqueue.hpp"

namespace model {

// Made once per scenario: its slab and its recorder are large.
class loop : public co_wq::workqueue {
public:
    explicit loop(const char* name) : workqueue(name) {
        slots().withdraw(slots().fill(co_wq::op_kind::wait, nullptr));  // so that no schedule has to grow the slab
    }
    ~loop() = default;

    void belongs_to(unsigned thread) {
        act_as(thread);
        adopt();
        act_as(outside);
        bell_.reset();
        before_ = slots().counters();
    }

    // As event_loop and bare_workqueue do it.
    template <class Done>
    void run_until(Done done) {
        while (!done()) {
            collect();
            if (run_batch(16) == 0 && !done() && incoming().try_sleep()) bell_.wait();
        }
    }
    void run_once() {
        collect();
        (void)run_batch(16);
    }
    void run_until_idle() {
        run_until([this] { return slots().live() == 0; });
    }

    // For end().
    void require_quiet() {
        require(slots().live() == 0, "a slot is in flight");
        require(!ready() && !incoming().maybe_filled(), "a node is left over");
        const co_wq::op_counters& now = slots().counters();
        const auto finals = now.finished - before_.finished;
        const auto fires = now.fired - before_.fired;
        require(now.started - before_.started == finals, "an armed operation has not exactly one final");
        require(fires <= finals, "a result was delivered twice");
        incoming().stay_awake();
    }

private:
    void wake() noexcept override { bell_.ring(); }

    doorbell bell_;
    co_wq::op_counters before_;
};

}  // namespace model
