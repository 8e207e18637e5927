// dtls_session, dtls_connect: messages over UDP that nobody else can read, forge or repeat (DTLS 1.2).
//
// For:        clients; and what a dtls_listener (net/tls/dtls_listener.hpp) accepts.
// Requires:   contexts made with .over = transport::datagrams.
// Guarantees: a message comes whole and at most once, with its bounds, or not at all: the way loses, delays and
//             reorders as UDP does. What is corrupt, forged, repeated or of another key is dropped and counted
//             (ignored). Lost handshake flights are sent again: after 1 s, 2 s, 4 s ... 60 s (RFC 6347 section
//             4.2.4.1), on the loop's time, so that nothing goes wrong when the clock is set. Flights keep to the
//             path's size and get smaller when it turns out to be less. Unless the context says otherwise the server's
//             chain and name are verified. Nothing waits, polls or runs a thread; an idle session holds no buffers.
//             A client that resumed a session and is destroyed before it heard from the server may leave it waiting:
//             the handshake there then times out.
// Limits:     one recv and one send wait at a time; a second one is a fault. A message has 1 to payload_max() bytes;
//             an empty one cannot be sent. There are no connection identifiers (RFC 9146): the peer's address has to
//             stay what it is. Unread messages are kept up to inbox_messages_max, then the newest are dropped
//             (overflowed).
// Goodbye:    recv tells that the peer has said goodbye (dtls_message::ended), after which send is broken_pipe. close
//             and the destructor say it, once, as far as there is room for it; it may be lost, and may overtake
//             messages, which then count for nothing. A peer that vanishes says nothing: bound your recv with a
//             deadline.
// Threads:    the loop's own.
// Lifetime:   movable; a session may be closed or destroyed at any time: what waits then ends with `closed`. Frames may
//             be destroyed at any time: a message that was not received yet stays. `into` and `data` are borrowed while
//             they are awaited. Dies before its loop.
// Errors:     connect: timed_out (the surrounding deadline, or 12 unanswered flights), a certificate_ error,
//             alert_received, no_common_protocol, bad_message, connection_refused (nobody is at the port; an
//             ICMP message says so, which others can forge), message_too_long (the way takes no handshake),
//             invalid_argument (options, or a context for streams), and what opening a socket can fail with.
//             send: message_too_long, and nothing was sent; broken_pipe. recv, send: alert_received, connection_reset
//             (of a server: the client began anew from the same address), connection_refused (told once; the session
//             goes on), closed.
// Source:     RFC 6347; RFC 9325; OpenSSL 3.0, SSL_write(3), DTLSv1_listen(3).
//
//   auto context = net::tls::client_context::make({.over = net::tls::transport::datagrams});
//   auto made = co_await with_timeout(10s, net::tls::dtls_connect(loop, where, *context, "example.net"));
//   if (!made) co_return log::warn("{}", net::tls::explain(made.error()));
//   (void)co_await made->send(as_bytes("hello"));
//   std::byte room[2048];
//   auto got = co_await with_timeout(1s, made->recv(room));
#pragma once

#include <memory>
#include <string>

#include "io/event_loop.hpp"
#include "io/socket_address.hpp"
#include "net/tls/certificate.hpp"
#include "net/tls/client_context.hpp"
#include "task/task.hpp"

namespace co_wq::net::tls {

namespace detail {
class dtls_association;
}

struct dtls_options {
    // What a packet may have, with its IP and UDP headers: 296 to 65,535. Most ways carry 1400, through tunnels, too.
    std::uint16_t path_bytes = 1400;
    // Refuse and shrink rather than let IP cut packets into pieces (IP_MTU_DISCOVER, ip(7)).
    bool never_fragment = true;
    // How long the first answer of a handshake is waited for; then twice as long, up to 60 s. At least 1 ms.
    duration first_wait = std::chrono::seconds(1);
    std::uint32_t inbox_messages_max = 256;
};

// One message that came.
struct dtls_message {
    std::uint32_t size = 0;  // bytes in the buffer
    std::uint32_t full_size = 0;  // bytes it had: more than size when the buffer was too small
    bool ended = false;  // none: the peer has said goodbye

    bool truncated() const noexcept { return full_size > size; }
};

struct dtls_counters {
    std::uint64_t received = 0;  // messages, read or not
    std::uint64_t ignored = 0;  // datagrams without effect: corrupt, forged, repeated, late
    std::uint64_t overflowed = 0;  // messages that found the inbox full
    std::uint32_t retransmissions = 0;  // of our flights
};

class dtls_session {
public:
    dtls_session() noexcept = default;
    dtls_session(dtls_session&&) noexcept = default;
    dtls_session& operator=(dtls_session&& other) noexcept;
    ~dtls_session() { close(); }

    // What does not fit in `into` is cut off and lost, and truncated() says so.
    [[nodiscard]] task<result<dtls_message>> recv(bytes into) const;
    [[nodiscard]] task<result<void>> send(const_bytes data) const;
    void close() noexcept;

    bool is_open() const noexcept { return association_ != nullptr; }
    // The longest message that the way takes, as far as is known; may shrink. 0: the session is over.
    std::size_t payload_max() const noexcept;
    const io::socket_address& peer_address() const noexcept;
    result<io::socket_address> local_address() const noexcept;
    // The application protocol (ALPN) that was agreed on; empty: none.
    std::string protocol() const;
    // "ECDHE-ECDSA-AES256-GCM-SHA384"
    std::string cipher() const;
    // What the peer has shown; not_found: nothing.
    result<certificate> peer_certificate() const;
    bool resumed() const noexcept;
    dtls_counters counters() const noexcept;

private:
    friend class dtls_listener;
    friend task<result<dtls_session>> dtls_connect(io::event_loop&, io::socket_address, client_context, std::string,
                                                   dtls_options);
    explicit dtls_session(std::shared_ptr<detail::dtls_association> of) noexcept : association_(std::move(of)) {}
    std::shared_ptr<detail::dtls_association> association_;
};

// host: whose certificate is expected, a name or an address.
[[nodiscard]] task<result<dtls_session>> dtls_connect(io::event_loop& loop, io::socket_address where,
                                                      client_context context, std::string host,
                                                      dtls_options options = {});

}  // namespace co_wq::net::tls
