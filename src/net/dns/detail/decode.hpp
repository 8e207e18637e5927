// decode: from records to services, mail exchangers, texts and names, and the order in which to try them.
//
// Guarantees: pure functions; the order of equals comes from the given random numbers only. What is not what its type
//             says, and targets that are no host names, are left out.
// Source:     RFC 2782 (order of services), RFC 5321 section 5.1 and RFC 7505 (mail), RFC 1035 sections 3.3 and 3.5,
//             RFC 3596 section 2.5 (names of addresses).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "net/dns/records.hpp"

namespace co_wq::net::dns::detail {

// Errors: name_no_service: the only target is "."; name_server_failed: nothing of it makes sense.
result<std::vector<service>> services_of(std::span<const record> records, seeded_random& random);
result<std::vector<mail_exchanger>> exchangers_of(std::span<const record> records, seeded_random& random);
result<std::vector<text_record>> texts_of(std::span<const record> records);
result<std::vector<std::string>> pointers_of(std::span<const record> records);

// By priority; within one, each by its share of the weights.
void put_in_order(std::vector<service>& list, seeded_random& random);

// "1.2.0.192.in-addr.arpa"; of IPv4 within IPv6 ("::ffff:192.0.2.1") the name of the IPv4 address.
std::string name_of_address(const io::socket_address& address);
// The IPv4 address within an IPv6 one; any other as it is. Without port.
io::socket_address without_mapping(const io::socket_address& address);

}  // namespace co_wq::net::dns::detail
