#include <windows.h>

#include <limits>

#include "base/os/windows.hpp"

namespace co_wq::os {
namespace {

constexpr std::size_t longest = std::numeric_limits<int>::max();

}  // namespace

std::optional<std::wstring> to_wide(std::string_view text) {
    if (text.empty()) return std::wstring();
    if (text.size() > longest || text.find('\0') != text.npos) return std::nullopt;
    const int size = static_cast<int>(text.size());
    const int needed = ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), size, nullptr, 0);
    if (needed <= 0) return std::nullopt;
    std::wstring wide(static_cast<std::size_t>(needed), L'\0');
    if (::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), size, wide.data(), needed) != needed)
        return std::nullopt;
    return wide;
}

std::string from_wide(std::wstring_view text) {
    if (text.empty() || text.size() > longest) return {};
    const int size = static_cast<int>(text.size());
    const int needed = ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, nullptr, 0, nullptr, nullptr);
    if (needed <= 0) return {};
    std::string narrow(static_cast<std::size_t>(needed), '\0');
    const int made = ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, narrow.data(), needed, nullptr, nullptr);
    return made == needed ? narrow : std::string();
}

}  // namespace co_wq::os
