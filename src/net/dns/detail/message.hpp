// message: reads what a name server sent, without I/O and without trust.
//
// For:        cares_channel. c-ares has matched the answer to its question by id, server and question; its own parsers
//             give no TTL of SRV, MX and PTR records and nothing of SOA, which negative caching needs.
// Guarantees: reads nothing outside of the packet. Compression points backwards only, so every name ends; a name has
//             at most 255 bytes, a chain of aliases at most alias_max steps, and no name twice. Work is linear in the
//             packet. Only records of the name that was asked for, or of the one its aliases lead to, are taken,
//             whatever else the answer holds. A TTL with its top bit set is 0.
// Errors:     bad_message. Records behind the answer section are read for a negative answer only, and what is wrong
//             there makes it an answer without SOA.
// Source:     RFC 1035 section 4, RFC 2181 sections 5.2, 8 and 11, RFC 2308 sections 2 and 5.
// Threads:    pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/dns/detail/answer.hpp"

namespace co_wq::net::dns::detail {

inline constexpr std::size_t alias_max = 16;

struct read_limits {
    std::size_t records_max = 64;   // more are left out
    std::size_t data_bytes_max = 16 * 1024;  // of all records together
};

enum class response_code : std::uint8_t { no_error = 0, format = 1, server_failure = 2, name_error = 3, refused = 5 };

struct message {
    response_code code{};
    // Records of the answer; alias_only() and without aliases: there are none.
    found content;
    // Without records: how long that may be remembered (RFC 2308 section 5); empty: the answer has no SOA record.
    std::optional<std::chrono::seconds> negative_ttl{};
    // Neither an answer nor a denial, but a hint whom else to ask.
    bool referral = false;
};

// name: what was asked, as text without a dot at the end.
result<message> read_message(std::string_view packet, std::string_view name, record_type type,
                             const read_limits& limits);

// The name in `data` at `at`, as wire bytes of a whole name; moves `at` behind it. False: it is none.
// `data` holds everything that compression may point at.
bool read_name(std::string_view data, std::size_t& at, std::string& wire);
// "a\.b.example" of wire bytes; "." for the root.
std::string text_of_name(std::string_view wire);

}  // namespace co_wq::net::dns::detail
