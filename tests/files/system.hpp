// What tests of files ask the system for, beside the library.
#pragma once

#include <cstddef>
#include <string>

#include "support/system.hpp"

namespace co_wq::io::test {

using co_wq::test::on_wine;

#ifdef _WIN32
inline constexpr bool has_permissions = false;  // but for one: to write
#else
inline constexpr bool has_permissions = true;
#endif

// Of files.
std::size_t open_descriptors();
// False: there are none (Wine), or they are not allowed.
bool link_to(const std::string& target, const std::string& path);
// It, or a link itself.
bool there(const std::string& path);
// While somebody has the old one open.
bool replace(const std::string& from, const std::string& to);

}  // namespace co_wq::io::test
