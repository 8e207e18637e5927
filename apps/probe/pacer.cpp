#include "probe/pacer.hpp"

#include <algorithm>
#include <cmath>

namespace co_wq::probe {

time_point pacer::due(std::uint64_t number) const noexcept {
    const double place = static_cast<double>(number * plan_.loops + plan_.index);
    return plan_.start + duration(static_cast<std::int64_t>(std::llround(place * 1e9 / plan_.rate)));
}

// How many of this loop's have come by then, the run's end left out.
std::uint64_t pacer::due_by(time_point now) const noexcept {
    if (!open()) return taken_;
    now = std::min(now, plan_.end - duration(1));
    if (now < plan_.start) return 0;
    const double passed_s = static_cast<double>((now - plan_.start).count()) / 1e9;
    const double places = (passed_s * plan_.rate - static_cast<double>(plan_.index)) / static_cast<double>(plan_.loops);
    std::uint64_t many = places < 0 ? 0 : static_cast<std::uint64_t>(places);
    while (many > 0 && due(many - 1) > now) --many;  // what rounding has put on the wrong side
    while (due(many) <= now) ++many;
    return many;
}

std::optional<time_point> pacer::take(time_point now) noexcept {
    if (now >= plan_.end) return std::nullopt;
    const time_point when = open() ? due(taken_) : now;
    if (when >= plan_.end) return std::nullopt;
    ++taken_;
    return when;
}

std::uint64_t pacer::backlog(time_point now) const noexcept {
    const std::uint64_t come = due_by(now);
    return come > taken_ ? come - taken_ : 0;
}

duration pacer::oldest(time_point now) const noexcept { return backlog(now) ? now - due(taken_) : duration::zero(); }

}  // namespace co_wq::probe
