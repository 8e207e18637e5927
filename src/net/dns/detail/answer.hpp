// answer: what is known about one name and one family: its addresses (port 0), or why there are none.
//
// Shared and immutable: a waiter that is resumed later still has what woke it, whatever became of the cache.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "net/dns/address_list.hpp"

namespace co_wq::net::dns::detail {

using answer = result<address_list>;
using answer_ptr = std::shared_ptr<const answer>;

}  // namespace co_wq::net::dns::detail
