// tls::stream, connect, accept: TLS 1.2 and 1.3 over TCP and local streams. Models byte_stream.
//
// For:        encrypted connections of clients and servers.
// Guarantees: connect returns a stream only when the server's chain and name were verified (client_context.hpp).
//             recv ends with 0 only when the peer has said that this is all (close_notify); a connection that ends
//             otherwise is `truncated`, and what was cut does not look whole. Receiving and sending go on side by side,
//             also while either has to answer the peer's key updates and alerts. A send needs nobody who receives. recv
//             and send_all borrow the caller's memory only while they are awaited; cancelling or destroying one that
//             waits loses no bytes received and leaves the stream in order. An idle stream holds no buffer. Whatever is
//             configured: no compression, no renegotiation, no early data; keys are renewed before they wear out.
// Ends:       shutdown_send says close_notify behind what was sent; receiving goes on. When the socket is full, or a
//             message of the peer's is here in part, it goes out by itself later; flush() waits for that. close() says
//             it too if it can without waiting and nothing was cut. A stream that is destroyed or reset says nothing:
//             its peer sees `truncated`.
// Requires:   one receive and one send at a time. Both sides of a handshake in time: below with_timeout or a deadline.
// Cost:       a handshake computes for about 1 ms on the loop (a signature and two key exchanges), a resumed one half
//             of that; each 16 KiB about 5 us. An open connection holds about 18 KiB, mostly OpenSSL's.
// Threads:    the loop's own. Lifetime: destroying or closing it ends what waits on it with `closed`.
// Errors:     errors.hpp: certificate_..., no_common_protocol, not_tls, alert_received; bad_message: a record that was
//             changed on its way, after which nothing comes and goes any more; unexpected_eof: the connection ended in
//             the handshake. As io::socket besides.
//
//   auto tcp = co_await net::dns::connect_host(names, {"example.net", 443});
//   auto stream = co_await with_timeout(10s, net::tls::connect(std::move(*tcp), context, "example.net"));
//   if (!stream) co_return fail(stream.error());           // net::tls::explain(stream.error())
//   co_await stream->send_all(as_bytes("hello"));
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/stream.hpp"
#include "net/tls/certificate.hpp"
#include "net/tls/client_context.hpp"
#include "net/tls/detail/awaiters.hpp"
#include "net/tls/server_context.hpp"
#include "task/task.hpp"

namespace co_wq::net::tls {

class stream {
public:
    stream() noexcept;
    stream(stream&& other) noexcept;
    stream& operator=(stream&& other) noexcept;
    ~stream();

    bool is_open() const noexcept { return session_ != nullptr; }
    io::event_loop& loop() const noexcept;

    // 0: the peer's end.
    [[nodiscard]] detail::recv_awaiter recv(bytes into) const noexcept { return {opened(), into}; }
    // An empty lease: the peer's end. Holds no memory while it waits. As many bytes as `size` says or a little more.
    [[nodiscard]] detail::recv_lease_awaiter recv_lease(std::size_t size) const noexcept { return {opened(), size}; }
    // Ends when the socket has taken everything.
    [[nodiscard]] detail::send_awaiter send_all(const_bytes data) const noexcept { return {opened(), data}; }
    // Waits until nothing is left that the socket has not taken.
    [[nodiscard]] detail::send_awaiter flush() const noexcept { return {opened(), {}}; }

    // No more bytes from us. A send that waits ends when what was taken of its bytes is out: with broken_pipe unless
    // that is all of them. connection_reset, broken_pipe: the connection is gone.
    result<void> shutdown_send() const noexcept;
    // In good order (see Ends).
    void close() noexcept;
    // Close that the peer sees as a reset.
    void reset() noexcept;

    // New keys for what we send, and for what we receive if peers_too; while a message of the peer's is here in part,
    // behind the rest of it. not_supported: TLS 1.2.
    result<void> update_keys(bool peers_too = false) const noexcept;
    // Keys are renewed after so many records; 2^23 unless set. TLS 1.3.
    void set_rekey_after(std::uint64_t records) const noexcept;

    // ---- what was agreed on
    version protocol() const noexcept;
    // "TLS_AES_256_GCM_SHA384" and the like.
    std::string_view cipher() const noexcept;
    // Empty: none.
    std::string_view alpn() const noexcept;
    // What the client asked for (SNI); empty: nothing.
    std::string_view server_name() const noexcept;
    // The handshake went on from an earlier connection.
    bool resumed() const noexcept;
    // What the peer has shown. none: nothing. Verified, unless the client's context says otherwise.
    std::optional<certificate> peer_certificate() const;
    // Key material bound to this connection (RFC 5705, RFC 8446 section 7.5). other: OpenSSL refuses.
    result<void> export_key(std::string_view label, const_bytes context, bytes into) const noexcept;

    result<io::socket_address> local_address() const noexcept;
    result<io::socket_address> peer_address() const noexcept;

    // For connect and accept.
    explicit stream(std::unique_ptr<detail::session> of) noexcept;

private:
    detail::session& opened() const noexcept;
    std::unique_ptr<detail::session> session_;
};
static_assert(byte_stream<stream>);

struct connect_options {
    connect_options() noexcept {}  // no aggregate: g++ 12 destroys those twice where they are given to a coroutine
    // Where sessions for this server are remembered, together with the host: the connection's port unless it is given.
    std::string session_key;
    // A server that chooses none of our application protocols is refused: no_common_protocol.
    bool alpn_required = false;
};

// host: a name or address, which the certificate must have.
task<result<stream>> connect(socket_stream transport, client_context context, std::string host,
                             connect_options options);
task<result<stream>> connect(socket_stream transport, client_context context, std::string host);

// received: what was read from the stream already, to see what the peer speaks, say.
task<result<stream>> accept(socket_stream transport, server_context context, std::vector<std::byte> received);
task<result<stream>> accept(socket_stream transport, server_context context);

}  // namespace co_wq::net::tls
