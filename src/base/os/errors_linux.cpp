#include <cerrno>

#include "base/os/errors.hpp"

namespace co_wq::os {

error error_of_system(std::uint32_t code) noexcept { return {errc::other, static_cast<int>(code)}; }

void set_socket_error(int code) noexcept { errno = code; }

}  // namespace co_wq::os
