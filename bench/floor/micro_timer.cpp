// The floor of timer_arm_cancel: a hashed wheel of one level with intrusive, doubly linked places. It cannot tell when
// the next timer is due nor fire in order, which a timer queue must; it only links and unlinks.
#include <array>
#include <memory>

#include "floor/arguments.hpp"

namespace {

using namespace co_wq::bench;

struct link {
    link* previous = nullptr;
    link* next = nullptr;
};

struct bare_timer : link {
    std::int64_t due = 0;
    void (*on_expiry)(bare_timer&) = nullptr;
};

class hashed_wheel {
public:
    hashed_wheel() noexcept {
        for (link& place : places_) place.previous = place.next = &place;
    }
    void arm(bare_timer& one, std::int64_t due) noexcept {
        one.due = due;
        link& place = places_[static_cast<std::size_t>(due >> tick_shift) % places_.size()];
        one.next = &place;
        one.previous = place.previous;
        place.previous->next = &one;
        place.previous = &one;
    }
    static void cancel(bare_timer& one) noexcept {
        one.previous->next = one.next;
        one.next->previous = one.previous;
        one.previous = one.next = nullptr;
    }
    bool empty() const noexcept {
        for (const link& place : places_)
            if (place.next != &place) return false;
        return true;
    }

private:
    static constexpr int tick_shift = 16;
    std::array<link, 512> places_;
};

}  // namespace

int main() {
    hashed_wheel wheel;
    deadline_generator deadlines;
    const std::int64_t start = cpu_ns();
    const auto timers = std::make_unique<bare_timer[]>(timer_count);
    const std::int64_t now = wall_ns();
    for (long i = 0; i < timer_count; ++i) wheel.arm(timers[i], now + deadlines.far_ns());
    require(!wheel.empty(), "timers are armed");
    for (long i = 0; i < timer_count; ++i) hashed_wheel::cancel(timers[i]);
    const std::int64_t taken = cpu_ns() - start;
    require(wheel.empty(), "all timers are cancelled");
    report("timer_arm_cancel", taken, timer_count);
}
