// dtls_listener: a server's one UDP socket, with a session for each client that has proved its address.
//
// For:        servers of DTLS 1.2.
// Requires:   a context made with .over = transport::datagrams.
// Guarantees: first hellos are answered with a cookie and nothing is kept of them (RFC 6347 section 4.2.1); the answer
//             is shorter than the question, so that nobody can drown others with our help. Handshakes go on whether or
//             not somebody accepts; a slow or failed one keeps nobody waiting. Everything is bounded: sessions_max,
//             half_open_max, backlog_max, handshake_limit. A client that comes again from the same address, because it
//             was restarted, gets a new session once its cookie is good, and the old one ends with connection_reset
//             (section 4.2.8). A closed session whose last flight may be lost answers for linger longer.
// Threads:    the loop's own.
// Lifetime:   movable; may be closed or destroyed at any time: a waiting accept ends with `closed`, handshakes and what
//             nobody has accepted end, accepted sessions go on, and the port is free when the last of them is closed.
//             Dies before its loop.
// Errors:     bind: address_in_use and the like; invalid_argument: options, or a context for streams.
//             accept: closed, stopped, timed_out. Why a handshake failed: counters().last_failure.
// Source:     RFC 6347; DTLSv1_listen(3).
//
//   auto here = net::tls::dtls_listener::bind(loop, where, *context);
//   for (;;) {
//       auto came = co_await here->accept();
//       if (!came) co_return;
//       scope.spawn(serve(std::move(*came)), "serve");
//   }
#pragma once

#include "net/tls/dtls.hpp"
#include "net/tls/server_context.hpp"

namespace co_wq::net::tls {

namespace detail {
class dtls_server;
}

struct dtls_listener_options : dtls_options {
    std::uint32_t sessions_max = 10'000;  // all of them; hellos beyond are not answered, and come again
    std::uint32_t half_open_max = 1'000;  // of those, in their handshake
    std::uint32_t backlog_max = 128;  // of those, not accepted yet
    duration handshake_limit = std::chrono::seconds(30);
    duration linger = std::chrono::seconds(10);
    bool share_port = false;  // SO_REUSEPORT: a listener on each loop; the system spreads clients
};

struct dtls_listener_counters {
    std::uint64_t datagrams = 0;
    std::uint64_t stray = 0;  // of nobody we know, and no hello; or broken
    std::uint64_t truncated = 0;  // longer than any we take
    std::uint64_t cookies = 0;  // hellos that were answered with one
    std::uint64_t bad_cookies = 0;  // of those, hellos that had one which was not good
    std::uint64_t refused = 0;  // good cookies beyond a limit
    std::uint64_t opened = 0;  // handshakes that succeeded
    std::uint64_t failed = 0;  // ... and not
    std::uint64_t replaced = 0;  // sessions whose client began anew
    std::uint64_t unsent = 0;  // datagrams that found no room
    std::uint32_t sessions = 0, half_open = 0, waiting = 0, lingering = 0;  // now
    error last_failure = errc::closed;
};

class dtls_listener {
public:
    dtls_listener() noexcept = default;
    dtls_listener(dtls_listener&&) noexcept = default;
    dtls_listener& operator=(dtls_listener&& other) noexcept;
    ~dtls_listener() { close(); }

    static result<dtls_listener> bind(io::event_loop& loop, const io::socket_address& where, server_context context,
                                      dtls_listener_options options = {});

    // The next session whose handshake is over. One accept waits at a time; a second one is a fault.
    [[nodiscard]] task<result<dtls_session>> accept() const;
    void close() noexcept;

    bool is_open() const noexcept { return server_ != nullptr; }
    result<io::socket_address> local_address() const noexcept;
    dtls_listener_counters counters() const noexcept;

private:
    explicit dtls_listener(std::shared_ptr<detail::dtls_server> of) noexcept : server_(std::move(of)) {}
    std::shared_ptr<detail::dtls_server> server_;
};

}  // namespace co_wq::net::tls
