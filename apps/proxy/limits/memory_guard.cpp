#include "proxy/limits/memory_guard.hpp"

#include "base/log.hpp"
#include "base/pool.hpp"

namespace co_wq::proxy {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;

}  // namespace

std::uint64_t memory_guard::usual_ceiling() { return os::allowed_memory().value_or(0) / 20 * 17; }

std::uint64_t memory_guard::used_bytes() const noexcept {
    const std::uint64_t resident = gauge_.resident_bytes();
    const std::int64_t kept = kept_.load(std::memory_order_relaxed);
    const std::uint64_t unused = pool_shared_bytes() + static_cast<std::uint64_t>(kept < 0 ? 0 : kept);
    return resident > unused ? resident - unused : 0;
}

memory_guard::change memory_guard::look() noexcept {
    const std::uint64_t most = ceiling();
    const bool before = shedding();
    const std::uint64_t used = most == 0 ? 0 : used_bytes();
    const bool now = most != 0 && used > (before ? most / 10 * 9 : most);
    if (now == before || shedding_.exchange(now, std::memory_order_relaxed) == now) return change::none;
    if (now)
        log::warn("memory: {} MiB are in use, {} MiB are allowed: new requests are answered 503", used / mib,
                  most / mib);
    else
        log::warn("memory: {} MiB are in use, {} MiB are allowed: requests are served again", used / mib, most / mib);
    return now ? change::began : change::ended;
}

bool memory_watch::look_again(time_point now) {
    next_ = now + memory_guard::interval;
    if (guard_.ceiling() == 0 && !guard_.shedding()) return false;
    count_kept();
    return guard_.look() == memory_guard::change::began;
}

std::size_t memory_watch::trim(std::size_t size_class) noexcept {
    const std::size_t released = pool_trim(size_class);
    count_kept();
    return released;
}

void memory_watch::count_kept() noexcept {
    keep(guard_.ceiling() == 0 ? 0 : static_cast<std::int64_t>(pool_own_bytes()));
}

void memory_watch::keep(std::int64_t bytes) noexcept {
    guard_.kept_.fetch_add(bytes - kept_, std::memory_order_relaxed);
    kept_ = bytes;
}

}  // namespace co_wq::proxy
