// Limits of the process that the system sets.
#pragma once

#include <cstdint>

namespace co_wq::os {

// Raises the limit on open descriptors as far as the process may; returns what it is then. Windows: the limit on
// handles, 2^24, which nobody can change.
std::uint64_t raise_descriptor_limit() noexcept;

// A number that differs from process to process.
std::uint64_t process_salt() noexcept;

}  // namespace co_wq::os
