#include "probe/outcome.hpp"

#include "net/dns/resolver.hpp"
#include "net/tls/errors.hpp"

namespace co_wq::probe {

const char* name_of(ending how) noexcept {
    static constexpr std::array<const char*, endings> names{
        "answered",         "name not found", "connection refused", "unreachable",
        "no local port",    "no descriptor",  "refused by proxy",   "TLS",
        "connection reset", "cut off",        "timed out",          "bad answer",
        "wrong status",     "wrong length",   "wrong content",      "other",
        "stopped"};
    return names[static_cast<std::size_t>(how)];
}

const char* name_of(stage where) noexcept {
    static constexpr std::array<const char*, 5> names{"looking up the name", "connecting", "opening the tunnel",
                                                      "in the TLS handshake", "waiting for the answer"};
    return names[static_cast<std::size_t>(where)];
}

ending ending_of(error why, stage where) noexcept {
    switch (why.code()) {
        case errc::stopped: return ending::stopped;
        case errc::timed_out: return ending::timed_out;
        case errc::connection_refused: return ending::refused;
        case errc::connection_reset:
        case errc::broken_pipe:
        case errc::connection_aborted: return ending::reset;
        case errc::unexpected_eof:
        case errc::truncated: return ending::cut_off;
        case errc::host_unreachable:
        case errc::network_unreachable:
        case errc::network_down: return ending::unreachable;
        case errc::address_not_available:
        case errc::address_in_use: return ending::ports;
        case errc::too_many_files: return ending::descriptors;
        case errc::name_not_found:
        case errc::name_no_data:
        case errc::name_no_service:
        case errc::name_server_failed: return ending::name;
        case errc::not_tls:
        case errc::alert_received:
        case errc::no_common_protocol: return ending::tls;
        default: break;
    }
    if (why.code() >= errc::certificate_expired && why.code() <= errc::key_exposed) return ending::tls;
    return where == stage::tls ? ending::tls : ending::other;
}

outcome failed(error why, stage where) {
    outcome made;
    made.how = ending_of(why, where);
    const std::string said = made.how == ending::name  ? net::dns::explain(why)
                             : made.how == ending::tls ? net::tls::explain(why)
                                                       : why.message();
    made.detail = said + ", " + name_of(where);
    return made;
}

outcome failed(ending how, std::string detail) {
    outcome made;
    made.how = how;
    made.detail = std::move(detail);
    return made;
}

void failures::add(ending how, const std::string& detail) {
    const auto at = static_cast<std::size_t>(how);
    if (counts_[at]++ == 0) examples_[at] = detail;
}

void failures::merge(const failures& other) {
    for (std::size_t i = 0; i < endings; ++i) {
        counts_[i] += other.counts_[i];
        if (examples_[i].empty()) examples_[i] = other.examples_[i];
    }
}

std::uint64_t failures::total() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t each : counts_) sum += each;
    return sum - of(ending::stopped) - of(ending::answered);
}

}  // namespace co_wq::probe
