// live_parent: a parent as it is now: up or down, and what goes through it.
//
// For:        whoever dials through it, on every loop; its health check, on the first one; metrics.
// Guarantees: `fall` failures in a row, of checks and of connections to it together, take it down; `rise` successes in
// a row take
//             it up again. Whoever changes it writes the line in the log. One that is not checked is tried again
//             check_interval after its last failure.
// Threads:    any; all that changes is atomic.
// Lifetime:   shared: a new configuration with the same parent goes on with it, and so does who goes through it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "net/tls/client_context.hpp"
#include "proxy/policy/ways.hpp"

namespace co_wq::proxy::upstream {

class live_parent {
public:
    // What it has to send as Proxy-Authorization is made here.
    explicit live_parent(policy::parent chosen);
    live_parent(const live_parent&) = delete;
    live_parent& operator=(const live_parent&) = delete;

    // Of a parent over https, before it is dialled. not_found: the system has no trust store.
    result<void> prepare();

    const policy::parent& chosen() const noexcept { return chosen_; }
    const std::string& name() const noexcept { return chosen_.name; }
    // No other parent of this process has had it.
    std::uint64_t number() const noexcept { return number_; }
    bool speaks_http() const noexcept { return chosen_.kind != policy::parent_kind::socks5; }
    // "Basic ..."; empty: no credentials.
    std::string_view authorization() const noexcept { return authorization_; }
    const std::optional<net::tls::client_context>& tls() const noexcept { return tls_; }

    // Whether it may be tried at this time.
    bool is_up(time_point now) const noexcept {
        return up_.load(std::memory_order_relaxed) || (chosen_.check == policy::parent_check::none && may_retry(now));
    }
    bool up() const noexcept { return up_.load(std::memory_order_relaxed); }
    void succeeded() noexcept;
    void failed(std::string_view why, time_point now) noexcept;

    // What is under way through it, on all loops.
    std::uint32_t connections() const noexcept { return connections_.load(std::memory_order_relaxed); }
    struct counters {
        std::atomic<std::uint64_t> connects{0}, failures{0}, checks_failed{0}, changes{0};
    };
    counters& count() noexcept { return count_; }
    const counters& count() const noexcept { return count_; }

private:
    friend class hold;
    bool may_retry(time_point now) const noexcept;

    const policy::parent chosen_;
    const std::uint64_t number_;
    std::string authorization_;
    std::optional<net::tls::client_context> tls_;
    std::atomic<bool> up_{true};
    std::atomic<std::uint32_t> bad_{0}, good_{0};  // in a row
    std::atomic<std::int64_t> last_failure_ns_{0};
    std::atomic<std::uint32_t> connections_{0};
    counters count_;
};

// One thing that goes through a parent: a tunnel, or a request.
class hold {
public:
    hold() noexcept = default;
    explicit hold(std::shared_ptr<live_parent> of) noexcept : of_(std::move(of)) {
        if (of_) of_->connections_.fetch_add(1, std::memory_order_relaxed);
    }
    hold(hold&& other) noexcept = default;
    hold& operator=(hold&& other) noexcept {
        if (this != &other) {
            release();
            of_ = std::move(other.of_);
        }
        return *this;
    }
    ~hold() { release(); }
    live_parent* get() const noexcept { return of_.get(); }

private:
    void release() noexcept {
        if (of_) of_->connections_.fetch_sub(1, std::memory_order_relaxed);
        of_.reset();
    }
    std::shared_ptr<live_parent> of_;
};

}  // namespace co_wq::proxy::upstream
