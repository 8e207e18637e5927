// Why a message is refused: the status that answers it and a sentence that says what was wrong.
//
// For:      the outcome of every check of protocol input; expected outcomes are values.
// Lifetime: reason is a text with static lifetime.
//
//   if (auto ok = parse_authority(text, 80, where); !ok) write_error_page(out, {.status = ok.error().status, ...});
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

namespace co_wq::http {

struct refusal {
    std::uint16_t status = 400;
    std::string_view reason;

    friend bool operator==(const refusal&, const refusal&) noexcept = default;
};

using checked = std::expected<void, refusal>;

inline std::unexpected<refusal> refuse(std::uint16_t status, std::string_view reason) noexcept {
    return std::unexpected(refusal{status, reason});
}
inline std::unexpected<refusal> refuse(std::string_view reason) noexcept { return refuse(400, reason); }

}  // namespace co_wq::http
