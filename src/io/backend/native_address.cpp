#include "io/backend/native_address.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace co_wq::io {

int native_family(address_family family) noexcept {
    switch (family) {
        case address_family::local: return AF_UNIX;
        case address_family::ipv6: return AF_INET6;
        default: return AF_INET;
    }
}

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
    } else if (address.family() == address_family::local) {
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        const std::string_view name = bytes_of_local(address);
        static_assert(sizeof un.sun_path == 108);
        std::memcpy(un.sun_path, name.data(), name.size());
        std::memcpy(&out.storage, &un, sizeof un);
        // an abstract name ends where it ends; a path is closed by a zero byte
        const std::size_t closing = address.is_abstract() || name.empty() || name.size() == 108 ? 0 : 1;
        out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + closing);
    }
    return out;
}

socket_address from_native(const sockaddr_storage& storage, socklen_t length) noexcept {
    if (static_cast<std::size_t>(length) < sizeof storage.ss_family) return {};
    if (storage.ss_family == AF_UNIX) {
        const auto* path = reinterpret_cast<const char*>(&storage) + offsetof(sockaddr_un, sun_path);
        const std::size_t size = std::min<std::size_t>(length - offsetof(sockaddr_un, sun_path), 108);
        return local_from_bytes({path, size});
    }
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
    // inet_pton would stop at a zero byte, and whatever comes behind it
    const bool odd = host.empty() || host.size() >= sizeof text || host.find('\0') != host.npos;
    if (odd) return fail(errc::invalid_argument);
    std::memcpy(text, host.data(), host.size());
    text[host.size()] = '\0';
    std::array<std::uint8_t, 4> four;
    if (::inet_pton(AF_INET, text, four.data()) == 1) return ipv4(four, port);
    std::array<std::uint8_t, 16> sixteen;
    if (::inet_pton(AF_INET6, text, sixteen.data()) == 1) return ipv6(sixteen, port);
    return fail(errc::invalid_argument);
}

socket_address local_from_bytes(std::string_view bytes) noexcept {
    socket_address made;
    made.family_ = address_family::local;
    // a path ends at its zero byte, whatever length was told with it
    if (!bytes.empty() && bytes[0] != '\0') bytes = bytes.substr(0, bytes.find('\0'));
    made.path_length_ = static_cast<std::uint8_t>(bytes.size());
    std::memcpy(made.path_.data(), bytes.data(), bytes.size());
    return made;
}

std::string_view bytes_of_local(const socket_address& address) noexcept {
    return {address.path_.data(), address.path_length_};
}

result<socket_address> socket_address::local(std::string_view path) noexcept {
    if (path.empty() || path.size() > 107 || path.find('\0') != std::string_view::npos)
        return fail(errc::invalid_argument);
    return local_from_bytes(path);
}

result<socket_address> socket_address::local_abstract(std::string_view name) noexcept {
    if (name.empty() || name.size() > 107) return fail(errc::invalid_argument);
    std::array<char, 108> bytes{};
    std::memcpy(bytes.data() + 1, name.data(), name.size());
    return local_from_bytes({bytes.data(), name.size() + 1});
}

bool socket_address::is_loopback() const noexcept {
    if (family_ == address_family::local) return true;
    if (family_ == address_family::ipv4) return octets_[0] == 127;
    if (family_ != address_family::ipv6) return false;
    for (std::size_t i = 0; i < 15; ++i)
        if (octets_[i]) return false;
    return octets_[15] == 1;
}

bool socket_address::is_any() const noexcept {
    if (family_ == address_family::local) return path_length_ == 0;
    const std::size_t length = family_ == address_family::ipv4 ? 4 : 16;
    for (std::size_t i = 0; i < length; ++i)
        if (octets_[i]) return false;
    return true;
}

std::string socket_address::host() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (family_ == address_family::none) return "none";
    if (family_ == address_family::local) return (is_abstract() ? "@" : "") + std::string(path());
    ::inet_ntop(native_family(family_), octets_.data(), text, sizeof text);
    return text;
}

std::string socket_address::text() const {
    if (family_ == address_family::local) return "unix:" + host();
    const std::string name = family_ == address_family::ipv6 ? "[" + host() + "]" : host();
    return name + ":" + std::to_string(port_);
}

}  // namespace co_wq::io
