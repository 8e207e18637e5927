// What DNS knows of a name besides addresses: records as they are, services, mail exchangers, texts; and how to ask.
//
// For:      resolver::query, services, mail_exchangers, texts, reverse, lookup.
// Threads:  plain values.
// Source:   RFC 1035 sections 3.2 and 3.3, RFC 2782 (SRV), RFC 3596 (AAAA), RFC 3597 (unknown types).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "net/dns/address_list.hpp"

namespace co_wq::net::dns {

// Any other number may be asked for as well, but for questions that are no lookups (0, OPT, transfers of zones).
enum class record_type : std::uint16_t {
    a = 1,
    ns = 2,
    cname = 5,
    soa = 6,
    ptr = 12,
    mx = 15,
    txt = 16,
    aaaa = 28,
    srv = 33,
    naptr = 35,
    ds = 43,
    tlsa = 52,
    svcb = 64,
    https = 65,
    any = 255,
    caa = 257,
};

// Names in answers are host names in lower case or, where a record may have any, text with "\." and "\065" for what
// would be mistaken; never with a dot at the end, but for the root, which is ".".
struct record {
    std::string name;  // whose record it is
    record_type type{};
    std::chrono::seconds ttl{};  // left when the record was returned
    // As on the wire (RFC 1035 section 3.3), but names in it are whole: compression is undone in the types of that
    // RFC and in SRV.
    std::string data;

    friend bool operator==(const record&, const record&) = default;
};

struct record_set {
    std::string canonical;  // whose records these are, once all aliases have been followed
    std::vector<std::string> aliases;  // the names on the way, from the one that was asked; empty: it is the canonical
    std::vector<record> records;  // at least one
    duration ttl{};  // how long all of this holds, at most; zero: of this machine, and looked up each time
};

struct addresses {
    address_list list;  // as of resolver::resolve
    std::string canonical;
    std::vector<std::string> aliases;
    duration ttl{};
};

// Where a service is to be had (RFC 2782), in the order in which to try.
struct service {
    std::uint16_t priority = 0;  // the lower first
    std::uint16_t weight = 0;  // the share among those of one priority
    std::uint16_t port = 0;
    std::string target;  // a host name without aliases
    address_list addresses;  // with the port; empty unless they were wanted, and where the target has none
};

struct mail_exchanger {
    std::uint16_t preference = 0;  // the lower first
    std::string host;
};

// One TXT record: strings of up to 255 arbitrary bytes.
struct text_record {
    std::vector<std::string> parts;
    std::string joined() const {
        std::string all;
        for (const std::string& one : parts) all += one;
        return all;
    }
};

struct query_options {
    // The waiting ends then with timed_out, or earlier when the surrounding deadline passes; what was asked is kept
    // for the others who wait for it and for the cache.
    duration timeout = duration::max();
    // Whether the search list applies to names without a dot at the end.
    bool search = false;
};

struct lookup_options {
    families wanted = families::any;
    duration timeout = duration::max();
    bool search = true;  // as far as the resolver's options have it
};

struct service_options {
    duration timeout = duration::max();
    bool search = false;
    bool addresses = false;  // of the targets as well
    families wanted = families::any;
};

}  // namespace co_wq::net::dns
