// The system's socket calls, for the backends that work on a real kernel.
#pragma once

#include "io/reactor.hpp"

namespace co_wq::io {

socket_calls& native_sockets() noexcept;

}  // namespace co_wq::io
