// Byte spans and the two ways between them and text. Nothing here owns memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace co_wq {

using bytes = std::span<std::byte>;
using const_bytes = std::span<const std::byte>;

inline const_bytes as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(const_bytes data) noexcept {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace co_wq
