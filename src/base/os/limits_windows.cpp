// clang-format off: it must come first
#include <windows.h>
// clang-format on
#include <bcrypt.h>

#include "base/os/limits.hpp"

namespace co_wq::os {

// "Kernel Objects" in Microsoft's documentation: the limit of handles for a process.
std::uint64_t raise_descriptor_limit() noexcept { return std::uint64_t{1} << 24; }

std::uint64_t process_salt() noexcept {
    std::uint64_t salt = 0;
    auto* const bytes = reinterpret_cast<unsigned char*>(&salt);
    if (::BCryptGenRandom(nullptr, bytes, sizeof salt, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0)
        salt = ::GetCurrentProcessId();
    return salt;
}

}  // namespace co_wq::os
