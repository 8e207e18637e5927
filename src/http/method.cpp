#include "http/method.hpp"

#include <array>
#include <cstddef>

namespace co_wq::http {

namespace {
constexpr std::array<std::string_view, 10> names{"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                                 "CONNECT", "OPTIONS", "TRACE", "PATCH", ""};
static_assert(names.size() == static_cast<std::size_t>(method::other) + 1);
}  // namespace

method method_from(std::string_view text) noexcept {
    for (std::size_t i = 0; i + 1 < names.size(); ++i)
        if (names[i] == text) return static_cast<method>(i);
    return method::other;
}

std::string_view name_of(method which) noexcept { return names[static_cast<std::size_t>(which)]; }

}  // namespace co_wq::http
