#include "probe/pattern.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace co_wq::probe {
namespace {

constexpr std::size_t period = 65'521;  // the largest prime below 2^16
constexpr std::size_t piece_max = 64 * 1024;

const std::array<std::byte, period + piece_max>& table() noexcept {
    static const auto made = [] {
        std::array<std::byte, period + piece_max> bytes;
        std::uint32_t state = 0x2545F491;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            if (i >= period) {
                bytes[i] = bytes[i - period];
                continue;
            }
            state = state * 1'664'525u + 1'013'904'223u;
            bytes[i] = static_cast<std::byte>(state >> 24);
        }
        return bytes;
    }();
    return made;
}

}  // namespace

const_bytes pattern(std::uint64_t offset, std::uint64_t size) noexcept {
    const std::size_t length = static_cast<std::size_t>(std::min<std::uint64_t>(size, piece_max));
    return const_bytes(table()).subspan(static_cast<std::size_t>(offset % period), length);
}

bool is_pattern(std::uint64_t offset, const_bytes data) noexcept {
    while (!data.empty()) {
        const const_bytes right = pattern(offset, data.size());
        if (std::memcmp(right.data(), data.data(), right.size()) != 0) return false;
        offset += right.size();
        data = data.subspan(right.size());
    }
    return true;
}

}  // namespace co_wq::probe
