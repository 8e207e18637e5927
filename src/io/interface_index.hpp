// interface_index: the number of a network interface by its name, as scopes of IPv6 addresses and groups have it.
//
// Errors:   not_found: this machine has no such interface. Threads: any.
// Source:   if_nametoindex(3).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace co_wq::io {

// At least 1.
result<std::uint32_t> interface_index(std::string_view name) noexcept;

}  // namespace co_wq::io
