#include "io/event_loop.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/log.hpp"
#include "io/file_request.hpp"

namespace co_wq::io {

event_loop::event_loop(loop_options options) : workqueue(options.name), options_(options) {
    auto made = make_reactor(options.reactor, slots(), reactor_reason_);
    if (!made)
        throw std::runtime_error(std::string("reactor ") + name_of(options.reactor) +
                                 " is not available: " + reactor_reason_);
    reactor_ = std::move(*made);
    start();
}

event_loop::event_loop(loop_options options, reactor_factory factory, void* context)
    : workqueue(options.name), options_(options), reactor_reason_("given"), reactor_(factory(context, slots())) {
    start();
}

void event_loop::start() {
    timer_wheel_ = std::make_unique<timer_queue>(reactor_->now());
    set_timers(timer_wheel_.get());
    reactor_->set_file_threads(options_.file_threads);
    if (options_.chaos.rate > 0) chaos_ = std::make_unique<io::chaos>(*this, options_.chaos);
    turn_time_ = reactor_->now();
    slots().recorder().set_time(turn_time_);
    root_ = std::make_unique<counting_scope>(*this, [](std::exception_ptr failure, const char* task_name) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& what) {
            log::error("task {} ended with an exception: {}", task_name, what.what());
        } catch (...) {
            log::error("task {} ended with an exception", task_name);
        }
        raise_fault(fault_kind::caller, "no exception leaves a task of the loop",
                    "spawn into a scope of your own to handle it");
    });
}

// Frames first, then descriptors, then what the kernel still holds.
event_loop::~event_loop() {
    require_owner();
    end_tasks();
    reactor_->descriptors().for_each([this](descriptor& entry) {
        if (!entry.closing) reactor_->release(entry);
    });
    const time_point limit = saturating_add(reactor_->now(), options_.shutdown_limit);
    reactor_->hurry(options_.shutdown_limit / 2);
    while (slots().live() > 0 || reactor_->descriptors().live() > 0) {
        if (reactor_->now() >= limit) {
            reap_orphans(std::move(orphans_), limit);
            leak();
            return;
        }
        reactor_->wait(saturating_add(reactor_->now(), std::chrono::milliseconds(10)));
        end_tasks();
    }
    if (orphans_) reap_orphans(std::move(orphans_), limit);
    pipes_.clear(reactor_->calls());
    reactor_->end_files();
    reactor_.reset();
}

// What still arrives runs, but whatever it starts ends here and now.
void event_loop::end_tasks() noexcept {
    root_->close();
    do {
        if (chaos_) chaos_->let_go();
        root_->destroy_all();
        evict_guests();
        collect();
        run_batch(256);
        evict_guests();
    } while (ready());
}

// The kernel did not end everything in time: what it may still touch is never freed.
void event_loop::leak() noexcept {
    slots().for_each_live([](op_slot& slot) {
        const bool file = slot.kind() == op_kind::file;
        log::error("loop shutdown: the kernel still holds a {}{} in state {}; its memory is leaked on purpose",
                   file ? "file " : "",
                   file ? name_of(static_cast<file_call>(slot.detail)) : co_wq::name_of(slot.kind()),
                   co_wq::name_of(slot.state()));
    });
    reactor_->end_files();
    slots().leak_on_purpose();
    (void)reactor_.release();
}

event_loop& event_loop::current() noexcept {
    workqueue* queue = workqueue::current();
    CO_WQ_REQUIRE(queue, "no loop runs on this thread");
    return static_cast<event_loop&>(*queue);
}

void event_loop::wake() noexcept { reactor_->wake(); }

void event_loop::spin_or_wait(time_point until) noexcept {
    if (options_.busy_poll_us > 0) {
        const time_point give_up = reactor_->now() + std::chrono::microseconds(options_.busy_poll_us);
        do {
            reactor_->wait(time_point{});
            collect();
            if (ready()) return;
        } while (reactor_->now() < give_up && reactor_->now() < until);
    }
    if (!incoming().try_sleep()) return;
    reactor_->wait(until);
    incoming().stay_awake();
}

void event_loop::size_batch(duration last_turn) noexcept {
    if (ran_ < batch_) return;  // what was ready fitted in, and the loop may have slept
    if (last_turn < turn_short) {
        batch_ = std::min(batch_ * 2, batch_max);
    } else if (last_turn > turn_long) {
        batch_ = batch_min;
    }
}

// Before the timers, so that what is due now runs now.
void event_loop::stir() noexcept {
    collect();
    sift([this](op_slot& slot) { return chaos_->take(slot); });
    chaos_->put_behind();
}

void event_loop::run_ready() noexcept {
    ++turns_;
    const time_point now_is = reactor_->now();
    size_batch(now_is - turn_time_);
    slots().recorder().set_time(now_is);
    turn_time_ = now_is;
    if (chaos_) [[unlikely]]
        stir();
    timer_wheel_->advance(now_is);
    collect();
    // under chaos what is posted meanwhile waits for the next turn, so that each completion is offered just once
    ran_ = run_batch(chaos_ ? depth() : batch_);
}

void event_loop::take_events() noexcept {
    if (ready()) return reactor_->wait(time_point{});
    spin_or_wait(timer_wheel_->next());
}

task<void> detail::join_into(counting_scope& scope, std::exception_ptr& failure, bool& ended) {
    try {
        co_await scope.join();
    } catch (...) {
        failure = std::current_exception();
    }
    ended = true;
}

}  // namespace co_wq::io
