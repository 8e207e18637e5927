// limits: how much of everything there may be. docs/operations/limits.md says why each default is what it is.
//
// For:        the config file and the command line, which fill it; each loop has its own copy, so that a reload changes
// it
//             between two turns and nobody reads what is being written.
// Threads:    plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace CLI {
class App;
}

namespace co_wq::proxy {

// So many a second, and so many at once after a pause.
struct rate {
    static constexpr std::uint32_t most = 1'000'000;
    std::uint32_t per_second = 0;  // 0: no limit
    std::uint32_t burst = 0;  // at least 1 where there is a limit
    friend constexpr bool operator==(const rate&, const rate&) noexcept = default;
};

struct limits {
    // Connections of clients, of all loops. 0: as many as descriptors allow.
    std::uint32_t connections_max = 0;
    // Of one client: an IPv4 address, or the first 64 bits of an IPv6 one. 0: no limit. Nothing: half of all, and no
    // limit for this machine itself.
    std::optional<std::uint32_t> connections_per_client;
    // Of one user, with a request or a tunnel under way. 0: no limit.
    std::uint32_t connections_per_user = 0;
    rate requests_per_client;
    rate requests_per_user;
    // A second, in each direction. 0: no limit.
    std::uint64_t bytes_per_connection = 0;
    std::uint64_t bytes_per_client = 0;
    std::uint64_t bytes_per_user = 0;

    // A request body of more is answered 413. 0: no limit.
    std::uint64_t body_bytes_max = 0;
    std::uint32_t header_bytes_max = 32 * 1024;  // a request's whole head; more is answered 431
    std::uint32_t header_fields_max = 100;  // with its trailer; more is answered 431
    std::uint32_t uri_bytes_max = 16 * 1024;  // more is answered 414

    duration header_timeout = std::chrono::seconds(10);  // the whole head of a request
    duration keep_alive_timeout = std::chrono::seconds(60);  // between two requests of a connection
    duration connect_timeout = std::chrono::seconds(10);  // name and connection to the origin
    duration idle_timeout = std::chrono::seconds(300);  // no byte moves, in a body or a tunnel
    duration response_timeout = std::chrono::seconds(300);  // until the origin's answer begins
    duration request_timeout{};  // from a head to the end of its answer; zero: none
    duration tunnel_timeout{};  // a tunnel's whole life; zero: none
    // after SIGTERM, in which a kept connection may ask once more
    duration drain_idle_timeout = std::chrono::milliseconds(500);
    duration drain_timeout = std::chrono::seconds(10);  // after SIGTERM, until what is left is ended

    duration pool_idle_timeout = std::chrono::seconds(30);  // an unused connection to an origin
    std::uint32_t pool_per_host_max = 64;
    std::uint32_t pool_max = 512;  // per loop

    // Resident memory above which new work is refused. 0: none. Nothing: 85 % of what the system allows.
    std::optional<std::uint64_t> memory_bytes_max;
};

inline constexpr std::uint32_t header_bytes_least = 1024, header_bytes_most = 1024 * 1024;
inline constexpr std::uint32_t header_fields_most = 10'000;
inline constexpr std::uint32_t uri_bytes_least = 256, uri_bytes_most = 512 * 1024;
// What a request line holds besides its address: a method, the version, two blanks and the line's end.
inline constexpr std::uint32_t request_line_rest = 64;
inline constexpr std::uint64_t memory_bytes_least = 16 * 1024 * 1024;
inline constexpr std::uint64_t bytes_per_second_least = 1024, bytes_per_second_most = 16ull * 1024 * 1024 * 1024;

// "20", or "20:100" with a burst; "none". Errors in words, with an example.
std::expected<rate, std::string> parse_rate(std::string_view text);
// Bytes a second, from bytes_per_second_least on: plain, or with a unit as in the config file; "none".
std::expected<std::uint64_t, std::string> parse_byte_rate(std::string_view text);
// Bytes, from memory_bytes_least on: plain, or with a unit as in the config file; "none" is 0.
std::expected<std::uint64_t, std::string> parse_memory(std::string_view text);

// The command line's.
void define_limits(CLI::App& app, limits& out);

}  // namespace co_wq::proxy
