// upstream_pool: connections to origins that wait for their next request.
//
// For:        keep-alive towards origins, one pool per loop.
// Guarantees: a connection that the origin closes, or on which it says something unasked, leaves the pool at once, so
//             none lingers half-closed; bounds per origin and in all; the oldest goes first. Without connections the
//             pool has no timer.
// Threads:    the loop's own. Lifetime: dies before its loop.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/tls/connection.hpp"
#include "proxy/options.hpp"
#include "sync/timer_queue.hpp"
#include "task/scope.hpp"

namespace co_wq::proxy {

class upstream_pool : private timer {
public:
    upstream_pool(io::event_loop& loop, const limits& limit) noexcept;
    ~upstream_pool();

    // The connection to this origin that was used last; a closed stream if there is none.
    net::tls::connection take(const std::string& origin);
    // Keeps a connection on which nothing is under way.
    void give_back(const std::string& origin, net::tls::connection stream);
    void clear() noexcept;

    std::size_t size() const noexcept { return size_; }

private:
    struct idle_connection;
    static void expired(timer& self) noexcept;
    static task<void> watch(idle_connection& one);
    void drop(idle_connection& one) noexcept;

    io::event_loop& loop_;
    const limits& limit_;
    std::unordered_map<std::string, std::vector<idle_connection*>> by_origin_;  // newest last
    intrusive_list<idle_connection> by_age_;                                    // oldest first
    intrusive_list<idle_connection> ended_;  // closed by the origin; freed when their watcher has ended
    std::size_t size_ = 0;
};

}  // namespace co_wq::proxy
