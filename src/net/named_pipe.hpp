// named_pipe_stream, named_pipe_listener: connections over a named pipe of Windows, between processes of one machine.
//
// For:        services and their clients on one machine, as local sockets elsewhere. Models byte_stream.
// Requires:   names as `\\.\pipe\name`: UTF-8, at most 256 units of UTF-16 in all, no slash behind the prefix, no dot
//             or space at the end.
// Guarantees: nobody of another user has the name while a listener does; a listener that has begun found it free
//             (FILE_FLAG_FIRST_PIPE_INSTANCE). Processes of the same user may add themselves, as they may do anything
//             to each other: a client that must know asks peer_process. Clients on other machines
//             are refused; a server learns who its client is and cannot act as him (SECURITY_IDENTIFICATION). recv and
//             send_all borrow the caller's memory only while they are awaited: the kernel is given blocks of the
//             loop's, which live until it has let go. Cancelling or destroying a waiting operation loses no bytes.
// Sending:    ends when the bytes are in a block of the loop's, of at most 64 KiB, which the kernel takes them from.
//             When the stream is closed the rest goes on its way for 2 s at most, also when the loop ends meanwhile
//             (then for half of its shutdown_limit at most); what has not gone by then is cut. Bytes that the kernel
//             has taken wait for the peer to read them, whoever is gone.
// Memory:     from a wait for bytes until some come, or the stream is closed, a block of 4 KiB, or of 64 KiB while
//             much comes; a block while bytes are written; none else.
// Ends:       shutdown_send sends an empty message, which is an end to streams of this library and to many others
//             (go-winio's, a C library's read). The pipe of somebody else that keeps no messages has no such thing:
//             not_supported; there close is the only end. There is no reset: a peer that died has ended, and reset is
//             close. An end behind unread bytes is told only if they are few (what is left of a block).
// Threads:    the loop's own. Lifetime: closes on destruction; what waits then ends with `closed`.
// Errors:     as io::socket. not_found: nobody listens. address_in_use: somebody has the name. permission_denied: not
//             for this user. invalid_argument: no such name, or text of rights. broken_pipe: nobody reads any more.
//             not_supported: no Windows, or a simulation.
// Source:     Microsoft's "Named Pipes", "CreateNamedPipe", "Named Pipe Security and Access Rights".
//
//   auto listener = net::named_pipe_listener::bind(loop, R"(\\.\pipe\example)");
//   auto stream = co_await listener->accept();
//   auto other = co_await with_timeout(1s, net::named_pipe_stream::connect(loop, R"(\\.\pipe\example)"));
#pragma once

#include <string>

#include "net/pump.hpp"
#include "net/stream.hpp"
#include "task/task.hpp"

namespace co_wq::net {

class named_pipe_stream : public socket_stream {
public:
    static constexpr io::descriptor_kind kind = io::descriptor_kind::named_pipe;
    using socket_stream::socket_stream;

    // Waits while all instances are taken, by trying again after pauses of 1 to 50 ms.
    static task<result<named_pipe_stream>> connect(io::event_loop& loop, std::string name);

    // The number of the process at the other end, as it was when it opened or made the pipe.
    result<std::uint32_t> peer_process() const noexcept {
        CO_WQ_REQUIRE(is_open(), "the pipe is open");
        return loop().reactor().pipe_peer_process(*socket().where().entry);
    }
    void reset() noexcept { close(); }
    // It has none.
    result<io::socket_address> local_address() const noexcept { return fail(errc::not_supported); }
    result<io::socket_address> peer_address() const noexcept { return fail(errc::not_supported); }
};
static_assert(byte_stream<named_pipe_stream>);

// As of two TCP streams. What is cut looks like an end at a pipe.
task<pump_result> pump(named_pipe_stream& first, named_pipe_stream& second, pump_options options,
                       pump_progress* progress = nullptr);
task<pump_result> pump(named_pipe_stream& first, tcp_stream& second, pump_options options,
                       pump_progress* progress = nullptr);

struct named_pipe_options {
    // So many may have connected, or may do so now, without being accepted; who comes then waits. 1 to 200.
    std::uint32_t backlog = 4;
    // Who may connect, in SDDL; empty: this user, administrators and the system, from no lower integrity level. Others
    // need 0x12019b, not GW, which would let them listen on the name, too: "D:P(A;;0x12019b;;;AU)(A;;GA;;;SY)".
    std::string access{};
};

class named_pipe_listener {
public:
    named_pipe_listener() noexcept = default;
    static result<named_pipe_listener> bind(io::event_loop& loop, std::string name, named_pipe_options options = {});

    // What the system has none left of (out_of_memory, no_buffers): nothing was taken; accept again later.
    [[nodiscard]] accept_awaiter<named_pipe_stream> accept() const noexcept {
        return accept_awaiter<named_pipe_stream>(socket_);
    }

    bool is_open() const noexcept { return socket_.is_open(); }
    // accept gives out who has connected already, then ends with `closed`.
    void stop() const noexcept { socket_.stop_accepting(); }
    // Who has connected and was not accepted finds the end.
    void close() noexcept { socket_.close(); }

private:
    explicit named_pipe_listener(io::socket socket) noexcept : socket_(std::move(socket)) {}
    io::socket socket_;
};

}  // namespace co_wq::net
