#include "io/backend/native_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace co_wq::io {

int native_family(address_family family) noexcept { return family == address_family::ipv6 ? AF_INET6 : AF_INET; }

native_address to_native(const socket_address& address) noexcept {
    native_address out;
    if (address.family() == address_family::ipv4) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(address.port());
        std::memcpy(&in.sin_addr, address.octets().data(), 4);
        std::memcpy(&out.storage, &in, sizeof in);
        out.length = sizeof in;
    } else if (address.family() == address_family::ipv6) {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(address.port());
        in.sin6_scope_id = address.scope();
        std::memcpy(&in.sin6_addr, address.octets().data(), 16);
        std::memcpy(&out.storage, &in, sizeof in);
        out.length = sizeof in;
    }
    return out;
}

socket_address from_native(const sockaddr_storage& storage) noexcept {
    if (storage.ss_family == AF_INET) {
        sockaddr_in in;
        std::memcpy(&in, &storage, sizeof in);
        std::array<std::uint8_t, 4> octets;
        std::memcpy(octets.data(), &in.sin_addr, 4);
        return socket_address::ipv4(octets, ntohs(in.sin_port));
    }
    if (storage.ss_family == AF_INET6) {
        sockaddr_in6 in;
        std::memcpy(&in, &storage, sizeof in);
        std::array<std::uint8_t, 16> octets;
        std::memcpy(octets.data(), &in.sin6_addr, 16);
        return socket_address::ipv6(octets, ntohs(in.sin6_port), in.sin6_scope_id);
    }
    return {};
}

socket_address socket_address::ipv4(std::array<std::uint8_t, 4> address, std::uint16_t port) noexcept {
    socket_address made;
    std::memcpy(made.octets_.data(), address.data(), 4);
    made.port_ = port;
    made.family_ = address_family::ipv4;
    return made;
}

socket_address socket_address::ipv6(std::array<std::uint8_t, 16> address, std::uint16_t port,
                                    std::uint32_t scope) noexcept {
    socket_address made;
    made.octets_ = address;
    made.port_ = port;
    made.scope_ = scope;
    made.family_ = address_family::ipv6;
    return made;
}

result<socket_address> socket_address::parse(std::string_view host, std::uint16_t port) {
    char text[INET6_ADDRSTRLEN + 1];
    if (host.empty() || host.size() >= sizeof text) return fail(errc::invalid_argument);
    std::memcpy(text, host.data(), host.size());
    text[host.size()] = '\0';
    std::array<std::uint8_t, 4> four;
    if (::inet_pton(AF_INET, text, four.data()) == 1) return ipv4(four, port);
    std::array<std::uint8_t, 16> sixteen;
    if (::inet_pton(AF_INET6, text, sixteen.data()) == 1) return ipv6(sixteen, port);
    return fail(errc::invalid_argument);
}

bool socket_address::is_loopback() const noexcept {
    if (family_ == address_family::ipv4) return octets_[0] == 127;
    if (family_ != address_family::ipv6) return false;
    for (std::size_t i = 0; i < 15; ++i)
        if (octets_[i]) return false;
    return octets_[15] == 1;
}

bool socket_address::is_any() const noexcept {
    const std::size_t length = family_ == address_family::ipv4 ? 4 : 16;
    for (std::size_t i = 0; i < length; ++i)
        if (octets_[i]) return false;
    return true;
}

std::string socket_address::host() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (family_ == address_family::none) return "none";
    ::inet_ntop(native_family(family_), octets_.data(), text, sizeof text);
    return text;
}

std::string socket_address::text() const {
    const std::string name = family_ == address_family::ipv6 ? "[" + host() + "]" : host();
    return name + ":" + std::to_string(port_);
}

}  // namespace co_wq::io
