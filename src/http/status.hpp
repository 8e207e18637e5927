// Status codes we speak about and their usual phrases.
//
// Source: RFC 9110 section 15, RFC 6585 (429, 431).
#pragma once

#include <cstdint>
#include <string_view>

namespace co_wq::http {

// "Not Found" for 404; "Unknown" for a code the table does not have.
std::string_view phrase_of(std::uint16_t status) noexcept;

// Whether a response with this status can have a body at all (RFC 9112 section 6.3).
constexpr bool status_allows_body(std::uint16_t status) noexcept {
    return status >= 200 && status != 204 && status != 304;
}

}  // namespace co_wq::http
