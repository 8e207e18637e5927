// Host names as text: what may be asked for, in one spelling.
//
// For:        whoever takes a name from outside, before it becomes a key, a query or a log line.
// Guarantees: no allocation beyond the string given. Letters become lower case; a dot at the end stays, because it says
//             that the name is complete and no search list applies.
// Errors:     invalid_argument: empty, longer than 253 characters, an empty label or one longer than 63, a character
//             other than letters, digits, '-', '_' and '.', or a last label that is a number ("10.1", "0x7f000001"):
//             no such top-level domain exists, and other programs read it as an address.
// Threads:    any.
// Source:     RFC 1035 section 2.3.4 (lengths), RFC 2181 section 11 (underscores), RFC 6761 (special names), and the
//             WHATWG URL standard, section 3.5 (hosts that end in a number).
//
//   std::string name = "Example.COM";
//   if (result<void> good = normalize_host_name(name); !good) …      // name is now "example.com"
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace co_wq::net::dns {

inline constexpr std::size_t host_name_max = 253;  // without the dot at the end
inline constexpr std::size_t host_label_max = 63;

result<void> normalize_host_name(std::string& name) noexcept;

// The following take a normalized name.

// "localhost" and everything under it: this machine, whatever a server says (RFC 6761 section 6.3).
bool is_localhost_name(std::string_view name) noexcept;
// "invalid" and everything under it: never exists (RFC 6761 section 6.4).
bool is_invalid_name(std::string_view name) noexcept;

// "onion" and everything under it: not to be asked of any server (RFC 7686).
bool is_onion_name(std::string_view name) noexcept;

}  // namespace co_wq::net::dns
