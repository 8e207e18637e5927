#include "proxy/seeing/figures.hpp"

#include <algorithm>

namespace co_wq::proxy {

void span_histogram::add(duration span) noexcept {
    const double seconds = std::chrono::duration<double>(span).count();
    const auto* const found = std::lower_bound(bounds_s.begin(), bounds_s.end(), seconds);
    ++buckets_[static_cast<std::size_t>(found - bounds_s.begin())];
    if (span > duration::zero()) sum_ns_.add(static_cast<std::uint64_t>(span.count()));
}

refusal_reason refusal_reason_of(std::uint16_t status) noexcept {
    switch (status) {
        case 403: return refusal_reason::denied;
        case 405: return refusal_reason::method;
        case 407: return refusal_reason::authentication;
        case 408: return refusal_reason::timeout;
        case 413:
        case 414:
        case 431: return refusal_reason::too_large;
        case 429: return refusal_reason::rate;
        case 502: return refusal_reason::upstream_failed;
        case 503: return refusal_reason::overload;
        case 504: return refusal_reason::upstream_timeout;
        case 508: return refusal_reason::loop;
        case 400:
        case 417:
        case 501:
        case 505: return refusal_reason::bad_request;
        default: return refusal_reason::other;
    }
}

std::string_view name_of(refusal_reason reason) noexcept {
    constexpr std::string_view names[] = {"bad_request",     "denied",           "authentication", "method",
                                          "timeout",         "too_large",        "rate",           "loop",
                                          "upstream_failed", "upstream_timeout", "overload",       "other"};
    return names[static_cast<unsigned>(reason)];
}

connect_failure connect_failure_of(error what) noexcept {
    switch (what.code()) {
        case errc::name_not_found:
        case errc::name_no_data:
        case errc::name_no_service:
        case errc::name_server_failed:
        case errc::invalid_argument: return connect_failure::name;
        case errc::connection_refused:
        case errc::connection_reset:
        case errc::connection_aborted: return connect_failure::refused;
        case errc::host_unreachable:
        case errc::network_unreachable:
        case errc::network_down:
        case errc::address_not_available: return connect_failure::unreachable;
        case errc::timed_out: return connect_failure::timeout;
        case errc::permission_denied: return connect_failure::denied;
        case errc::too_many_files:
        case errc::no_buffers:
        case errc::out_of_memory:
        case errc::limit_exceeded: return connect_failure::resources;
        default: return connect_failure::other;
    }
}

std::string_view name_of(connect_failure reason) noexcept {
    constexpr std::string_view names[] = {"name", "refused", "unreachable", "timeout", "denied", "resources", "other"};
    return names[static_cast<unsigned>(reason)];
}

}  // namespace co_wq::proxy
