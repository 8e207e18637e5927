// Character classes and small list grammar of RFC 9110 section 5.6. No locale, no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace co_wq::http::detail {

enum char_class : std::uint8_t {
    token_char = 1,  // tchar
    digit_char = 2,
    hex_char = 4,
    host_char = 8,  // what we let a reg-name consist of
};

extern const std::array<std::uint8_t, 256> char_classes;

inline bool is(char_class wanted, char c) noexcept {
    return (char_classes[static_cast<unsigned char>(c)] & wanted) != 0;
}
inline char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool all_are(char_class wanted, std::string_view text) noexcept;
bool is_token(std::string_view text) noexcept;  // at least one character

// No control character but HTAB: neither NUL, CR, LF nor DEL.
bool is_field_text(std::string_view text) noexcept;
bool is_visible_ascii(std::string_view text) noexcept;  // 0x21 to 0x7e only

bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept;
std::string_view trim(std::string_view text) noexcept;  // OWS at both ends

// Takes the next member off a comma-separated list, trimmed, empty members skipped; "" at the end of the list.
// For lists of tokens: a comma inside a quoted string would split it.
std::string_view next_member(std::string_view& list) noexcept;

}  // namespace co_wq::http::detail
