// The system's calls for datagrams: attempts at receiving and sending, options, groups.
#pragma once

#include "io/reactor.hpp"

namespace co_wq::io {

// io.data is an array of incoming or outgoing, io.length their number. How many were moved, or negative errno.
std::int32_t receive_datagrams(descriptor& entry, op_slot::io_payload& io) noexcept;
std::int32_t send_datagrams(descriptor& entry, op_slot::io_payload& io) noexcept;

result<void> bind_native(native_handle handle, const socket_address& where, bool share_address) noexcept;
result<void> set_native_option(native_handle handle, datagram_option option, int value) noexcept;
result<void> change_native_group(native_handle handle, const socket_address& group, std::uint32_t interface_index,
                                 bool join) noexcept;

}  // namespace co_wq::io
