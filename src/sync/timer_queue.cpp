#include "sync/timer_queue.hpp"

namespace co_wq {

std::uint64_t timer_queue::next_event() noexcept {
    for (int level = 0; level < levels; ++level) {
        const auto row = static_cast<std::size_t>(level);
        const int shift = level * level_bits;
        const std::uint64_t here = (now_tick_ >> shift) & (places - 1);
        while (occupied_[row]) {
            // places behind the hand belong to the next round: rotate so that the hand's place comes first
            const std::uint64_t turned =
                here ? occupied_[row] >> here | occupied_[row] << (places - here) : occupied_[row];
            const auto ahead = static_cast<std::uint64_t>(std::countr_zero(turned));
            const std::uint64_t slot = (here + ahead) & (places - 1);
            if (wheel_[row][static_cast<std::size_t>(slot)].empty()) {
                occupied_[row] &= ~(std::uint64_t{1} << slot);
                continue;
            }
            const std::uint64_t unit = (now_tick_ >> shift) + ahead;
            return unit << shift;
        }
    }
    return ~std::uint64_t{0};
}

time_point timer_queue::next() noexcept {
    const std::uint64_t due = next_event();
    if (due >= std::uint64_t{1} << (63 - tick_shift)) return no_deadline;
    return time_point(duration(static_cast<std::int64_t>(due << tick_shift)));
}

// Level 0: fire what stands at this tick. Above: sort what stands in the unit that begins here further down.
std::size_t timer_queue::process(std::uint64_t at) noexcept {
    now_tick_ = at;
    const int begins = at == 0 ? levels - 1 : std::countr_zero(at) / level_bits;  // units that begin at this tick
    for (int level = begins < levels ? begins : levels - 1; level > 0; --level) {
        const int shift = level * level_bits;
        const auto row = static_cast<std::size_t>(level);
        const auto slot = static_cast<std::size_t>(at >> shift) & (places - 1);
        if (!(occupied_[row] >> slot & 1)) continue;
        occupied_[row] &= ~(std::uint64_t{1} << slot);
        intrusive_list<timer> moved;
        moved.splice_back(wheel_[row][slot]);
        while (timer* one = moved.pop_front()) place(*one);
    }
    const auto slot = static_cast<std::size_t>(at) & (places - 1);
    occupied_[0] &= ~(std::uint64_t{1} << slot);
    intrusive_list<timer> due;
    due.splice_back(wheel_[0][slot]);
    std::size_t fired = 0;
    while (timer* one = due.pop_front()) {
        ++fired;
        one->on_expiry_(*one);
    }
    return fired;
}

std::size_t timer_queue::advance(time_point now) noexcept {
    const std::uint64_t target = floor_tick(now);
    std::size_t fired = 0;
    while (now_tick_ < target) {
        const std::uint64_t due = next_event();
        if (due > target) {
            now_tick_ = target;
            break;
        }
        fired += process(due);
    }
    return fired;
}

}  // namespace co_wq
