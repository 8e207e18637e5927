// Times and sizes as text: a whole number and its unit, always both. And the word that somebody may have meant.
//
// Guarantees: nothing wraps: what is too large is an error.
// Errors:     in words, with an example of what to write.
// Threads:    any.
//
//   parse_time("10s"); parse_time("1500 ms"); parse_size("16 MiB");
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "proxy/policy/settings.hpp"

namespace co_wq::proxy::config {

// ms, s, min, h or d.
std::expected<duration, std::string> parse_time(std::string_view text);
// B, KiB, MiB or GiB.
std::expected<std::uint64_t, std::string> parse_size(std::string_view text);
// "443" or "8000-8999", 1 to 65535.
std::expected<policy::port_range, std::string> parse_ports(std::string_view text);

// Of a name server, "192.0.2.1", "192.0.2.1:5353" or "[2001:db8::1]:53"; "" if it is one.
std::string wrong_with_name_server(std::string_view text);

// The known word that is nearest to this one; nothing: none is near.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace co_wq::proxy::config
