// resolver_options, resolver_counters: the limits of a resolver, and its figures.
//
// Threads:  plain values.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"

namespace co_wq::net::dns {

struct resolver_options {
    // "192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53"; empty: what the system is configured to ask.
    std::string servers{};
    // Whether short names are tried under the system's search list.
    bool search = true;
    // Names that need no query; empty: none. Read again when it changes (looked at once a second at most).
    std::string hosts_file = "/etc/hosts";

    // How long one server may take at first; doubles in every further round over all servers.
    duration query_timeout = std::chrono::seconds(2);
    int tries = 3;

    // Bounds on how long an answer is kept, whatever its TTL says. ttl_min defends against rebinding and against
    // servers that ask for a query per connection; ttl_max against answers that outlive their truth.
    duration ttl_min = std::chrono::seconds(1);
    duration ttl_max = std::chrono::hours(1);
    duration negative_ttl = std::chrono::seconds(5);  // no such name, no address
    duration failure_ttl = std::chrono::seconds(1);   // no server answered usefully

    std::size_t entries_max = 4096;   // answers kept, one per name and family; about 200 bytes each and the name
    std::size_t queries_max = 1024;   // in flight; more end with limit_exceeded
    std::size_t addresses_max = 16;   // per name and family; more are dropped
};

struct resolver_counters {
    std::uint64_t hits = 0;        // answered from the cache
    std::uint64_t misses = 0;      // not in the cache: asked, joined or refused
    std::uint64_t joined = 0;      // waited for a query that was in flight already
    std::uint64_t queries = 0;     // given to c-ares
    std::uint64_t positive = 0;    // replies with addresses
    std::uint64_t negative = 0;    // replies: no such name, or none with this family
    std::uint64_t failures = 0;    // no usable reply
    std::uint64_t timeouts = 0;    // servers that did not reply in time, each try
    std::uint64_t evictions = 0;   // answers dropped for want of room
    std::uint64_t refused = 0;     // more than queries_max
    std::uint64_t entries = 0;     // answers kept now, expired ones included
    std::uint64_t in_flight = 0;   // queries now
};

}  // namespace co_wq::net::dns
