// resolver: from host names to addresses, without blocking the loop.
//
// For:        every name that is connected to. One per event loop. Numeric hosts, names of this machine (localhost) and
//             those in the hosts file are answered at once; everything else through c-ares, whose sockets and timeouts
//             are served by the loop itself: there is no thread.
// Guarantees: answers are kept as long as their TTL says, within the bounds of the options. Equal questions in flight
//             are asked once. A cached answer allocates nothing but the list returned. A waiter that is cancelled or
//             destroyed leaves nothing behind that knows it; the query goes on and its answer is kept.
//             A and AAAA are asked in parallel. No address family is left out because this machine has no such
//             address: hosts files and machines with loopback only stay usable, and connect_host loses no time over
//             an unreachable family.
// Requires:   of a simulated loop: that the time c-ares asks the system for is the loop's.
// Threads:    the loop's own.
// Lifetime:   dies before its loop. Who waits then ends with `closed`; a task that has not started yet must not start.
// Errors:     invalid_argument    not a host name; nothing was asked (host_name.hpp)
//             name_not_found      no such name
//             name_no_data        the name has no address of the wanted families
//             name_server_failed  servers refused, failed or sent nonsense
//             timed_out           no server answered in time, or the surrounding deadline passed
//             limit_exceeded      too many queries in flight
//             stopped, closed     the surrounding scope was cancelled; the resolver was destroyed
//             explain() says more for logs.
// Source:     RFC 1034 and 1035, RFC 2308 (negative answers), RFC 6761 (special names).
//
//   dns::resolver names(loop);
//   result<dns::address_list> found = co_await names.resolve("example.com", 443);
#pragma once

#include <memory>
#include <string>

#include "io/event_loop.hpp"
#include "net/dns/address_list.hpp"
#include "net/dns/resolver_options.hpp"
#include "task/task.hpp"

namespace co_wq::net::dns {

namespace detail {
class engine;
}

class resolver {
public:
    // Throws std::runtime_error when c-ares cannot start or options.servers is malformed.
    explicit resolver(io::event_loop& loop, resolver_options options = {});
    ~resolver();

    // Families alternate in the list; it is never empty. An answer of one family is enough.
    task<result<address_list>> resolve(std::string host, std::uint16_t port, families wanted = families::any);

    // Forgets what is cached. Queries in flight go on.
    void flush() noexcept;
    // Reads the system's configuration (servers, search list, hosts file) again and flushes. Queries in flight end
    // under the old one. Throws as the constructor does, and then nothing has changed.
    void reload();

    resolver_counters counters() const noexcept;
    detail::engine& engine() noexcept { return *engine_; }

private:
    std::unique_ptr<detail::engine> engine_;
};

// "name server failed: DNS server returned general failure"; for errors of any other origin, their message.
std::string explain(error what);

}  // namespace co_wq::net::dns
