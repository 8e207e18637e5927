// socket_address to and from the system's own form.
#pragma once

#include "io/backend/native_headers.hpp"
#include "io/socket_address.hpp"

namespace co_wq::io {

struct native_address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

int native_family(address_family family) noexcept;
native_address to_native(const socket_address& address) noexcept;
socket_address from_native(const sockaddr_storage& storage, socklen_t length) noexcept;
inline socket_address from_native(const native_address& native) noexcept {
    return from_native(native.storage, native.length);
}

}  // namespace co_wq::io
