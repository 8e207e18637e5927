#include "io/backend/sim_clock.hpp"

#include <algorithm>

namespace co_wq::io {

void sim_clock::after(duration delay, action act, void* self, std::uint64_t first, std::uint64_t second) {
    events_.push_back({now_ + delay, order_++, act, self, first, second});
    std::push_heap(events_.begin(), events_.end(), &later);
}

void sim_clock::forget(const void* self) noexcept {
    std::erase_if(events_, [self](const event& one) { return one.self == self; });
    std::make_heap(events_.begin(), events_.end(), &later);
}

bool sim_clock::step(time_point limit) {
    if (events_.empty() || events_.front().at > limit) {
        if (limit != no_deadline) now_ = std::max(now_, limit);
        return false;
    }
    std::pop_heap(events_.begin(), events_.end(), &later);
    const event next = events_.back();
    events_.pop_back();
    now_ = std::max(now_, next.at);
    next.act(next.self, next.first, next.second);
    return true;
}

}  // namespace co_wq::io
