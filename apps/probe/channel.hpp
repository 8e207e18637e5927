// channel: a connection with or without TLS, and the bytes of it that were read and not used.
//
// Threads: one loop's own. Lifetime: as its streams; closing it ends what waits on it with `closed`.
#pragma once

#include "net/tcp.hpp"
#include "net/tls/stream.hpp"

namespace co_wq::probe {

class channel {
public:
    static constexpr std::size_t block_bytes = 64 * 1024;

    bool is_open() const noexcept { return plain.is_open() || secure.is_open(); }
    // More bytes into an empty input. 0: the end.
    task<result<std::size_t>> fill();
    task<result<void>> send(const_bytes data);
    result<void> shutdown_send() noexcept { return secure.is_open() ? secure.shutdown_send() : plain.shutdown_send(); }
    void close() noexcept;
    void reset() noexcept;

    net::tcp_stream plain;
    net::tls::stream secure;  // over what was plain
    io::lease input;
};

}  // namespace co_wq::probe
