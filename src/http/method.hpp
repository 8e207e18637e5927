// Request methods. Those whose meaning we must know have a name; all others travel as text.
//
// Source: RFC 9110 section 9, RFC 5789 (PATCH). Methods are case-sensitive.
#pragma once

#include <cstdint>
#include <string_view>

namespace co_wq::http {

enum class method : std::uint8_t { get, head, post, put, delete_, connect, options, trace, patch, other };

// method::other for everything that is not exactly one of the names.
method method_from(std::string_view text) noexcept;

// "GET" ...; "" for method::other.
std::string_view name_of(method which) noexcept;

}  // namespace co_wq::http
