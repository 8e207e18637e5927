#include "proxy/upstream/live_parent.hpp"

#include "base/log.hpp"

namespace co_wq::proxy::upstream {
namespace {

// RFC 4648 section 4.
std::string base64(std::string_view text) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += 3) {
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits = bits << 8 | (at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u);
        for (std::size_t i = 0; i < 4; ++i) out += at + i <= text.size() ? digits[bits >> (18 - 6 * i) & 63] : '=';
    }
    return out;
}

std::uint64_t next_number() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

live_parent::live_parent(policy::parent chosen) : chosen_(std::move(chosen)), number_(next_number()) {
    if (speaks_http() && !chosen_.user.empty())
        authorization_ = "Basic " + base64(chosen_.user + ':' + chosen_.password);
}

result<void> live_parent::prepare() {
    if (chosen_.kind != policy::parent_kind::https || tls_) return {};
    net::tls::client_options how;
    how.alpn = {"http/1.1"};
    if (!chosen_.ca_pem.empty()) {
        result<net::tls::trust> trusted = net::tls::trust::from_pem(chosen_.ca_pem);
        if (!trusted) return std::unexpected(trusted.error());
        how.trusted = std::move(*trusted);
    }
    result<net::tls::client_context> made = net::tls::client_context::make(std::move(how));
    if (!made) return std::unexpected(made.error());
    tls_ = std::move(*made);
    return {};
}

bool live_parent::may_retry(time_point now) const noexcept {
    const duration since(now.time_since_epoch().count() - last_failure_ns_.load(std::memory_order_relaxed));
    return since >= chosen_.check_interval;
}

void live_parent::succeeded() noexcept {
    // all loops come here: what does not change is not written
    if (bad_.load(std::memory_order_relaxed) != 0) bad_.store(0, std::memory_order_relaxed);
    if (up()) return;
    const std::uint32_t wanted = chosen_.check == policy::parent_check::none ? 1 : chosen_.rise;
    if (good_.fetch_add(1, std::memory_order_relaxed) + 1 < wanted) return;
    if (up_.exchange(true, std::memory_order_relaxed)) return;
    count_.changes.fetch_add(1, std::memory_order_relaxed);
    log::info("parent {} ({}) is up", chosen_.name, chosen_.text());
}

void live_parent::failed(std::string_view why, time_point now) noexcept {
    good_.store(0, std::memory_order_relaxed);
    last_failure_ns_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    if (bad_.fetch_add(1, std::memory_order_relaxed) + 1 < chosen_.fall) return;
    if (!up_.exchange(false, std::memory_order_relaxed)) return;
    count_.changes.fetch_add(1, std::memory_order_relaxed);
    log::warn("parent {} ({}) is down: {}", chosen_.name, chosen_.text(), why);
}

}  // namespace co_wq::proxy::upstream
