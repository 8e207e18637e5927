// resolver_options, resolver_counters: the limits of a resolver, and its figures.
//
// Threads:  plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace co_wq::net::dns {

// The system's own, as the defaults below name them: /etc/resolv.conf and /etc/hosts. Windows: "adapters:", what its
// network adapters and policies say (servers and search list), and the hosts file in its own folder.
std::string system_configuration();
std::string system_hosts_file();

// What is left empty is as the system's configuration says (resolv.conf(5)), and by the given default otherwise.
struct resolver_options {
    // "192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53"; empty: the system's, or 127.0.0.1. With servers of one's own, what
    // the system says about how to ask its servers (timeout, attempts, rotate, use-vc, edns0) does not apply.
    std::string servers{};
    // The system's configuration, or a file in the form of resolv.conf(5); empty: none. Read again when it changes
    // (looked at once a second at most, when something is asked), unless it says no-reload; the cache is then emptied.
    std::string resolv_conf = system_configuration();
    // Whether LOCALDOMAIN and RES_OPTIONS count, too.
    bool environment = true;

    // Whether names without a dot at the end are tried under the domains of a search list.
    bool search = true;
    std::optional<std::vector<std::string>> search_domains{};
    std::optional<unsigned> ndots{};  // names with fewer dots are tried under the domains first; else 1
    // Whether a name without any dot is asked for as it is as well, which tells the servers of the root; else true.
    std::optional<bool> tld_query{};
    // Names under .local belong to multicast DNS and are not asked of servers, but name_not_found, unless a domain of
    // the search list is under .local (RFC 6762 section 22.1), or this says so.
    std::optional<bool> ask_local{};
    // Names that need no query; empty: none. Read again when it changes (looked at once a second at most).
    std::string hosts_file = system_hosts_file();

    // How long one server may take at first; doubles in every further round over all servers.
    std::optional<duration> query_timeout{};  // 2 s
    std::optional<int> tries{};  // rounds over all servers: 3
    std::optional<bool> rotate{};  // the first server asked is another one each time: no
    std::optional<bool> use_tcp{};  // from the start, and not only for answers that were cut: no
    // Larger datagrams (RFC 6891): no. Turned off by the first server that does not understand.
    std::optional<bool> edns{};
    std::uint16_t edns_bytes = 1232;

    // Bounds on how long an answer is kept, whatever its TTL says. ttl_min defends against rebinding and against
    // servers that ask for a query per connection; ttl_max against answers that outlive their truth.
    duration ttl_min = std::chrono::seconds(1);
    duration ttl_max = std::chrono::hours(1);
    // Bounds on how long "no such name" and "no such data" are kept, whatever the zone says (its SOA record, RFC 2308
    // section 5); and how long when the answer has none.
    duration negative_ttl_min = std::chrono::seconds(1);
    duration negative_ttl_max = std::chrono::minutes(10);
    duration negative_ttl = std::chrono::seconds(5);
    // How long it is kept that no server answered usefully (RFC 2308 section 7); 5 minutes at most.
    duration failure_ttl = std::chrono::seconds(3);
    // How long past its TTL an answer is given instead of such a failure (RFC 8767); zero: never.
    duration stale_max = duration::zero();

    std::size_t entries_max = 4096;  // answers kept, one per name and type; about 300 bytes each and the name
    std::size_t cache_bytes_max = 16 * 1024 * 1024;  // of answers, by estimate
    std::size_t queries_max = 1024;  // in flight; more end with limit_exceeded
    std::size_t addresses_max = 16;  // per name and family; more are dropped
    std::size_t records_max = 64;  // per name and any other type; more are dropped
    std::size_t record_bytes_max = 16 * 1024;  // the data of those together

    // Of the choice among equal services (RFC 2782); 0: another one each time.
    std::uint64_t seed = 0;
};

// hits + misses: questions, each for one full name and one type; misses = joined + refused + queries.
struct resolver_counters {
    std::uint64_t local = 0;  // answered by what needs no question: hosts file, names of special use
    std::uint64_t hits = 0;  // answered from the cache
    std::uint64_t negative_hits = 0;  // of those: with an error
    std::uint64_t misses = 0;  // not in the cache: asked, joined or refused
    std::uint64_t joined = 0;  // waited for a query that was in flight already
    std::uint64_t queries = 0;  // given to c-ares
    std::uint64_t positive = 0;  // replies with records
    std::uint64_t negative = 0;  // replies: no such name, or no such data
    std::uint64_t not_found = 0;  // of those: no such name
    std::uint64_t failures = 0;  // no usable reply
    std::uint64_t malformed = 0;  // of those: what came made no sense
    std::uint64_t timeouts = 0;  // servers that did not reply in time, each try
    std::uint64_t stale = 0;  // failures for which an older answer stood in
    std::uint64_t evictions = 0;  // answers dropped for want of room
    std::uint64_t refused = 0;  // more than queries_max
    std::uint64_t reloads = 0;  // changes of the system's configuration that were taken over
    std::uint64_t entries = 0;  // answers kept now, expired ones included
    std::uint64_t bytes = 0;  // of those, by estimate
    std::uint64_t in_flight = 0;  // queries now
};

}  // namespace co_wq::net::dns
