// origin: co_probe's own server, so that a measurement needs nobody else.
//
// Paths:   /bytes/N     N bytes of the pattern (pattern.hpp), with their length
//          /chunked/N   the same in chunks of up to 16 KiB
//          /delay/MS    64 bytes after so many milliseconds
//          /echo        what is sent to it
//          GET and HEAD (bytes, chunked, delay), POST and PUT (all; bodies are read and, but for echo, dropped)
// Further: ports that echo, swallow (and then say how many bytes it were) and send without an end, for tunnels.
// Bad requests are answered as the http room says; a head takes 30 s at most and a connection idles for 5 minutes.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "io/runtime.hpp"
#include "net/tcp.hpp"
#include "net/tls/server_context.hpp"
#include "probe/options.hpp"

namespace co_wq::probe {

struct origin_path {
    std::uint64_t bytes = 0;
    std::uint64_t delay_ms = 0;
    bool chunked = false;
};

// Of /bytes/N, /chunked/N and /delay/MS. N up to 2^50, MS up to an hour.
std::optional<origin_path> parse_origin_path(std::string_view path) noexcept;

inline constexpr std::uint64_t delayed_bytes = 64;

// Runs it until SIGINT or SIGTERM; what listens where goes to standard output, a line each. The exit code.
int run_origin(const origin_options& chosen);

}  // namespace co_wq::probe
