// siphash_128: a keyed hash of 128 bits. Without the key nobody can make or predict a value.
//
// For:        remembering that a password was right without keeping it. Not for storing passwords.
// Threads:    any.
// Source:     Aumasson, Bernstein, "SipHash: a fast short-input PRF" (2012), SipHash-2-4, in the variant with 128 bits.
//
//   const siphash_key key = random_siphash_key();
//   const std::array<std::uint64_t, 2> tag = siphash_128(key, text);
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace co_wq::proxy::policy {

using siphash_key = std::array<std::uint64_t, 2>;

// From the system's random numbers.
siphash_key random_siphash_key();

std::array<std::uint64_t, 2> siphash_128(const siphash_key& key, std::string_view text) noexcept;

}  // namespace co_wq::proxy::policy
