// The system's calls for local sockets.
#pragma once

#include "io/reactor.hpp"

namespace co_wq::io {

// io.data is a detail::passing. Bytes moved, or negative errno; a send goes on until all is sent.
std::int32_t receive_files(descriptor& entry, op_slot::io_payload& io) noexcept;
std::int32_t send_files(descriptor& entry, op_slot::io_payload& io) noexcept;

result<peer_credentials> credentials_of_peer(native_handle handle) noexcept;

}  // namespace co_wq::io
