#include "net/dns/detail/file_watch.hpp"

namespace co_wq::net::dns::detail {
namespace {
constexpr duration look_interval = std::chrono::seconds(1);
constexpr std::chrono::seconds unsettled = std::chrono::seconds(2);
}  // namespace

file_watch::state file_watch::look(time_point now) noexcept {
    if (path_.empty()) return state::gone;
    if (now < look_again_) return known_ ? state::same : state::gone;
    look_again_ = saturating_add(now, look_interval);
    std::error_code problem;
    const bool regular = std::filesystem::is_regular_file(path_, problem);
    const auto written = regular ? std::filesystem::last_write_time(path_, problem) : written_;
    const auto size = regular && !problem ? std::filesystem::file_size(path_, problem) : 0;
    if (!regular || problem) {
        known_ = false;
        return state::gone;
    }
    if (known_ && settled_ && written == written_ && size == size_) return state::same;
    const auto age = std::filesystem::file_time_type::clock::now() - written;
    settled_ = age >= unsettled || age <= -unsettled;
    known_ = true;
    written_ = written;
    size_ = size;
    return state::changed;
}

}  // namespace co_wq::net::dns::detail
