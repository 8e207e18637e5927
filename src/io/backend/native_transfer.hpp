// Bytes from file to file without a way through the program, as far as the system has one.
#pragma once

#include <cstdint>

#include "io/file_request.hpp"

namespace co_wq::io {

// One step of a transfer: how far it came in the source, holes included; 0: the source ends here; or a negative errno.
// What the system cannot move inside goes through the request's block. May block.
std::int64_t transfer_once(detail::file_request& request) noexcept;

}  // namespace co_wq::io
