// The bytes of every body: a function of the offset, so that any piece of any body can be made and checked.
//
// Guarantees: its period is a prime, so that a piece that is shifted, repeated or exchanged for another one of a
//             buffer's size is not taken for the right one.
// Threads:    any.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace co_wq::probe {

// size bytes from this offset on, at least one unless size is 0, maybe fewer: at most 64 KiB.
const_bytes pattern(std::uint64_t offset, std::uint64_t size) noexcept;

// Whether these are the bytes from this offset on.
bool is_pattern(std::uint64_t offset, const_bytes data) noexcept;

}  // namespace co_wq::probe
