// What c-ares calls for its sockets: the loop's socket_calls, so that a simulated loop simulates names too.
//
// Threads:  the loop's own. Lifetime: the calls outlive the channel.
#pragma once

#include "io/reactor.hpp"

struct ares_channeldata;
struct sockaddr;

namespace co_wq::net::dns::detail {

// Before the first query.
void use_sockets_of(io::socket_calls& calls, ares_channeldata* channel) noexcept;

// None when it is of another family.
io::socket_address address_from(const sockaddr* native, std::size_t length) noexcept;

}  // namespace co_wq::net::dns::detail
