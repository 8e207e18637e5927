// connection: a TCP connection, with TLS on it or without. Models byte_stream.
//
// For:        programs whose peers may speak either, and which treat both alike: a proxy's clients and parents.
// Guarantees: each operation is that of the tcp_stream or of the tls::stream within, with its guarantees and errors;
//             without TLS nothing is allocated, copied or waited for besides.
// Requires:   as the stream within: one receive and one send at a time.
// Threads:    the loop's own. Lifetime: closes on destruction, as the stream within: TCP in good order, TLS without
//             close_notify, which close() says.
//
//   net::tls::connection client(std::move(accepted));            // plain so far
//   if (encrypted) {
//       auto secured = co_await net::tls::accept(client.take_tcp(), context);
//       if (!secured) co_return;
//       client = net::tls::connection(std::move(*secured));
//   }
//   co_await client.send_all(as_bytes("hello"));
#pragma once

#include <array>

#include "net/pump.hpp"
#include "net/tcp.hpp"
#include "net/tls/detail/either_awaiter.hpp"
#include "net/tls/stream.hpp"

namespace co_wq::net::tls {

class connection {
public:
    connection() noexcept = default;
    connection(tcp_stream plain) noexcept : tcp_(std::move(plain)) {}
    connection(stream secured) noexcept : tls_(std::move(secured)) {}
    connection(connection&&) noexcept = default;
    connection& operator=(connection&&) noexcept = default;

    bool is_open() const noexcept { return tls_.is_open() || tcp_.is_open(); }
    bool secured() const noexcept { return tls_.is_open(); }
    // The stream within: tcp() of one that is plain, tls() of one that is secured().
    tcp_stream& tcp() noexcept { return tcp_; }
    const stream& tls() const noexcept { return tls_; }
    // The plain stream, to put TLS on it.
    tcp_stream take_tcp() noexcept { return std::move(tcp_); }
    // The socket beneath TLS is nobody's but TLS's: whoever waited on it would stand where TLS has to.
    io::event_loop& loop() const noexcept { return secured() ? tls_.loop() : tcp_.loop(); }

    // An empty lease: the peer's end.
    [[nodiscard]] auto recv_lease(std::size_t size) const noexcept {
        return detail::either_awaiter<io::detail::recv_lease_awaiter, detail::recv_lease_awaiter>(
            secured(), [&] { return tcp_.recv_lease(size); }, [&] { return tls_.recv_lease(size); });
    }
    // 0: the peer's end.
    [[nodiscard]] auto recv(bytes into) const noexcept {
        return detail::either_awaiter<io::detail::recv_awaiter, detail::recv_awaiter>(
            secured(), [&] { return tcp_.recv(into); }, [&] { return tls_.recv(into); });
    }
    [[nodiscard]] auto send_all(const_bytes data) const noexcept {
        return detail::either_awaiter<io::detail::send_all_awaiter, detail::send_awaiter>(
            secured(), [&] { return tcp_.send_all(data); }, [&] { return tls_.send_all(data); });
    }
    // Three parts, which TLS puts into as few records as their sizes allow. They outlive the call.
    task<result<void>> send_parts(const std::array<const_bytes, 3>& parts) const;

    result<void> shutdown_send() const noexcept { return secured() ? tls_.shutdown_send() : tcp_.shutdown_send(); }
    // In good order.
    void close() noexcept {
        tls_.close();
        tcp_.close();
    }
    // So that the peer sees a reset.
    void reset() noexcept {
        tls_.reset();
        tcp_.reset();
    }

    result<io::socket_address> local_address() const noexcept {
        return secured() ? tls_.local_address() : tcp_.local_address();
    }
    result<io::socket_address> peer_address() const noexcept {
        return secured() ? tls_.peer_address() : tcp_.peer_address();
    }

private:
    tcp_stream tcp_;  // open, or
    stream tls_;  // this, or neither
};
static_assert(byte_stream<connection>);

// As net::pump, and spliced by it when both are plain. The end of a TLS stream is its close_notify, and passed on as
// one; a stream that was cut ends both sides with a reset.
task<pump_result> pump(connection& first, connection& second, pump_options options, pump_progress* progress = nullptr);

}  // namespace co_wq::net::tls
