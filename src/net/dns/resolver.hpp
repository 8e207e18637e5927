// resolver: from names to addresses, services, mail exchangers and texts, and from addresses to names, without blocking
// the loop.
//
// For:        every name that is connected to. One per event loop. Numeric hosts, names of this machine (localhost) and
//             those in the hosts file are answered at once; everything else through c-ares, whose sockets and timeouts
//             are served by the loop itself: there is no thread.
// Guarantees: answers are kept as long as their TTL says, refusals as long as their zone says (RFC 2308), both within
//             the bounds of the options. Equal questions in flight are asked once. A cached answer allocates nothing
//             but what is returned. A waiter that is cancelled, destroyed or out of time leaves nothing behind that
//             knows it; the query goes on for the others, and its answer is kept.
//             A and AAAA are asked in parallel. No address family is left out because this machine has no such
//             address: hosts files and machines with loopback only stay usable, and connect_host loses no time over
//             an unreachable family.
//             With a search list the first full name that has an address of either family is the host; both families
//             come from it.
// Not asked of any server: localhost and what is under it, .invalid, .onion, and .local as the options say.
// Requires:   of a simulated loop: that the time c-ares asks the system for is the loop's.
// Threads:    the loop's own.
// Lifetime:   dies before its loop. Who waits then ends with `closed`; a task that has not started yet must not start.
// Errors:     invalid_argument    not a host name (host_name.hpp), or a type that is no question; nothing was asked
//             name_not_found      no such name
//             name_no_data        the name has nothing of that type: no address of the wanted families, no service
//             name_no_service     its only service or mail exchanger is "." (RFC 2782, RFC 7505): it offers none
//             name_server_failed  servers refused, failed or sent nonsense
//             timed_out           no server answered in time, or a deadline passed
//             limit_exceeded      too many queries in flight
//             stopped, closed     the surrounding scope was cancelled; the resolver was destroyed
//             explain() says more for logs.
// Source:     RFC 1034 and 1035, RFC 2181, RFC 2308 (negative answers), RFC 2782 (services), RFC 3596 (IPv6), RFC 6761
//             and 7686 (special names), resolv.conf(5), hosts(5).
//
//   dns::resolver names(loop);
//   result<dns::address_list> found = co_await names.resolve("example.com", 443);
//   result<std::vector<dns::service>> where = co_await names.services("_imap._tcp.example.com", {.timeout = 5s});
#pragma once

#include <memory>
#include <string>

#include "io/event_loop.hpp"
#include "net/dns/address_list.hpp"
#include "net/dns/records.hpp"
#include "net/dns/resolver_options.hpp"
#include "task/task.hpp"

namespace co_wq::net::dns {

namespace detail {
class engine;
}

class resolver {
public:
    // Throws std::runtime_error when c-ares cannot start or options.servers is malformed. Reads the hosts file and the
    // system's configuration.
    explicit resolver(io::event_loop& loop, resolver_options options = {});
    ~resolver();

    // Families alternate in the list; it is never empty. An answer of one family is enough.
    task<result<address_list>> resolve(std::string host, std::uint16_t port, families wanted = families::any);
    // The same, with the host's canonical name, the aliases on the way and how long all this holds. Of a numeric host
    // the name is its text.
    task<result<addresses>> lookup(std::string host, std::uint16_t port, lookup_options options = {});

    // Records as they are; aliases are followed, but for cname and any. The hosts file is not asked. name: a host name,
    // or "." for the root.
    task<result<record_set>> query(std::string name, record_type type, query_options options = {});
    // In the order in which to try them, chosen anew each time; without those whose target is no host name.
    task<result<std::vector<service>>> services(std::string name, service_options options = {});
    task<result<std::vector<mail_exchanger>>> mail_exchangers(std::string name, query_options options = {});
    task<result<std::vector<text_record>>> texts(std::string name, query_options options = {});
    // Names of an address: those that the hosts file has, "localhost" for loopback addresses, or what servers say. They
    // are claims: who relies on one looks up its addresses. Names that are no host names are left out. The port does
    // not matter.
    task<result<std::vector<std::string>>> reverse(io::socket_address address, query_options options = {});

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
