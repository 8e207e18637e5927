// socket_address: where a socket is bound or connects to: an IPv4 or IPv6 address and port, or a path.
//
// For:     every place that names an endpoint. A plain value, comparable.
// Errors:  parse gives invalid_argument for anything but a numeric address; names go through dns.
//
//   auto where = socket_address::parse("127.0.0.1", 18100);
//   where->text()   // "127.0.0.1:18100", "[::1]:80", "unix:/run/x", "unix:@abstract"
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace co_wq::io {

enum class address_family : std::uint8_t { none, ipv4, ipv6, local };

class socket_address {
public:
    socket_address() noexcept = default;

    // Numeric host (IPv6 without brackets; no zone).
    static result<socket_address> parse(std::string_view host, std::uint16_t port);
    static socket_address ipv4(std::array<std::uint8_t, 4> address, std::uint16_t port) noexcept;
    static socket_address ipv6(std::array<std::uint8_t, 16> address, std::uint16_t port,
                               std::uint32_t scope = 0) noexcept;
    // A path in the file system, or a name outside of it that ends with its socket (unix(7), Linux): 1 to 107 bytes, no
    // zero byte in a path. Errors: invalid_argument.
    static result<socket_address> local(std::string_view path) noexcept;
    static result<socket_address> local_abstract(std::string_view name) noexcept;
    static socket_address loopback(std::uint16_t port) noexcept { return ipv4({127, 0, 0, 1}, port); }

    address_family family() const noexcept { return family_; }
    std::uint16_t port() const noexcept { return port_; }
    void set_port(std::uint16_t port) noexcept { port_ = port; }
    // 4 or 16 bytes in network order are valid, by family.
    const std::array<std::uint8_t, 16>& octets() const noexcept { return octets_; }
    std::uint32_t scope() const noexcept { return scope_; }
    // Of a local address: the path, or the abstract name; empty for a socket without one.
    std::string_view path() const noexcept {
        return is_abstract() ? std::string_view(path_.data() + 1, path_length_ - 1u)
                             : std::string_view(path_.data(), path_length_);
    }
    bool is_abstract() const noexcept { return path_length_ > 0 && path_[0] == '\0'; }
    bool is_loopback() const noexcept;
    bool is_any() const noexcept;

    std::string host() const;  // "127.0.0.1", "::1"
    std::string text() const;  // with the port

    friend bool operator==(const socket_address&, const socket_address&) noexcept = default;

private:
    friend socket_address local_from_bytes(std::string_view bytes) noexcept;
    friend std::string_view bytes_of_local(const socket_address& address) noexcept;
    std::array<std::uint8_t, 16> octets_{};
    std::uint32_t scope_ = 0;
    std::uint16_t port_ = 0;
    address_family family_ = address_family::none;
    std::uint8_t path_length_ = 0;
    std::array<char, 108> path_{};  // an abstract name behind a zero byte
};

// For backends: the bytes of sun_path, as many as there are.
socket_address local_from_bytes(std::string_view bytes) noexcept;
std::string_view bytes_of_local(const socket_address& address) noexcept;

}  // namespace co_wq::io
