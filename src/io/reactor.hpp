// reactor: what a loop asks of the operating system; the door to the backends in io/backend.
//
// Completion-shaped: an operation is filled, armed, and ends in exactly one final (task/op_slot.hpp). Backends
// differ in who performs it. A readiness backend (epoll; io_uring's multishot poll) performs the call itself when
// the descriptor becomes ready, so the kernel never holds caller memory or the operation's name; a completion
// backend gives the kernel the operation's tag.
//
// Threads:    the loop's own, except wake.
// Lifetime:   the loop owns it; descriptors and slots must be gone when it dies.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "io/buffer.hpp"
#include "io/descriptor.hpp"
#include "io/layered_io.hpp"
#include "io/socket_address.hpp"
#include "task/op_slot.hpp"

namespace co_wq::io {

enum class file_call : std::uint8_t;
namespace detail {
class file_service;
}

// read_end: the peer has ended its direction. hang_up: it is gone altogether (reset, or both directions ended). Both
// wait in the reader's place.
enum class direction : std::uint8_t { read, write, read_end, hang_up };

// How an operation works; kept in op_slot::detail.
enum class op_detail : std::uint8_t {
    plain,         // recv into or send from one span; recv ends with what is there
    all,           // send: ends when everything is sent
    gather,        // send: io.data is an array of const_bytes, io.length their number; ends when all is sent
    lend,          // recv: into a pool block taken when bytes are there
    to_pipe,       // recv: splice into a pipe (io.data is a pipe_pair)
    from_pipe,     // send: splice out of a pipe
    datagrams,  // recv and send: io.data is an array of incoming or outgoing, io.length their number; ends with the
                // number of those that were moved
    files,         // recv and send: io.data is a detail::passing, bytes with open files
    layered,       // recv and send: io.data is a layered_io, which makes the attempt
};

// A pipe that holds bytes between two spliced sockets.
struct pipe_pair {
    native_handle read_end = no_handle;
    native_handle write_end = no_handle;
    std::uint32_t capacity = 0;
    std::uint32_t held = 0;  // bytes in it
};

// What can be set on a datagram socket; the value's meaning in net/udp.hpp.
enum class datagram_option : std::uint8_t {
    broadcast,
    multicast_hops,
    multicast_loop,
    multicast_interface,
    receive_segments,
    receive_buffer,
    send_buffer,
    never_fragment,
};

// Who is at the other end of a local socket, as it was when they connected (unix(7), SO_PEERCRED).
struct peer_credentials {
    std::int32_t process = 0;
    std::uint32_t user = 0, group = 0;
};

// Of a named pipe that somebody listens on (net/named_pipe.hpp says what they mean).
struct pipe_listening {
    std::string name{};
    std::string access{};
    std::uint32_t backlog = 4;
};

// The result of an attempt that cannot be served yet.
inline constexpr std::int32_t would_block = INT32_MIN;
// Of one that goes on when its turn comes again, without an event.
inline constexpr std::int32_t once_more = INT32_MIN + 1;
// Of a layered one that goes on when somebody calls reactor::retry, whatever the descriptor says.
inline constexpr std::int32_t until_retried = INT32_MIN + 2;

struct reactor_stats {
    std::uint64_t waits = 0;  // calls that may sleep
    std::uint64_t events = 0;  // events or completions taken
    std::uint64_t stale = 0;  // events for an earlier use of an entry
    std::uint64_t attempts = 0;  // system calls that moved, or tried to move, data
    std::uint64_t would_block = 0;
    std::uint64_t bad_memory = 0;  // attempts with memory that was not there (EFAULT): somebody's buffer died too early
};

// Calls that never wait. Overridden as a whole by the simulated network.
class socket_calls {
public:
    virtual ~socket_calls() = default;
    virtual result<native_handle> open_stream(address_family family) noexcept = 0;
    virtual result<native_handle> open_listener(const socket_address& where, int backlog, bool share_port) noexcept = 0;
    // Whether share_port is possible. Where it is not, several loops may listen by duplicates of one socket.
    virtual bool can_share_port() const noexcept { return true; }
    virtual result<native_handle> open_datagram(address_family family) noexcept = 0;
    // A local socket that keeps the bounds of messages, and their order.
    virtual result<native_handle> open_sequenced() noexcept = 0;
    virtual result<std::pair<native_handle, native_handle>> open_local_pair() noexcept = 0;
    // Of a local socket that is not bound yet: its path gets this mode, less the umask.
    virtual result<void> set_mode(native_handle handle, std::uint32_t mode) noexcept = 0;
    virtual result<void> listen(native_handle handle, int backlog) noexcept = 0;
    virtual result<peer_credentials> credentials(native_handle handle) noexcept = 0;
    virtual result<void> bind_datagram(native_handle handle, const socket_address& where,
                                       bool share_address) noexcept = 0;
    // The address that a stream is to connect from; its port is chosen then, and shared among peers where the system
    // can (Linux 4.2, IP_BIND_ADDRESS_NO_PORT): many connections do not use up the ports of one address.
    virtual result<void> bind_source(native_handle handle, const socket_address& from) noexcept = 0;
    virtual result<void> set_option(native_handle handle, datagram_option option, int value) noexcept = 0;
    // Joins or leaves a multicast group; interface_index 0: the system chooses.
    virtual result<void> change_group(native_handle handle, const socket_address& group, std::uint32_t interface_index,
                                      bool join) noexcept = 0;
    // For libraries that do their own reads and writes (c-ares): these never wait. Negative errno or the result;
    // would_block, and -EINPROGRESS for a stream whose connection is under way.
    virtual std::int32_t begin_connect(native_handle handle, const socket_address& where) noexcept = 0;
    virtual std::int32_t receive_now(native_handle handle, bytes into, socket_address* from) noexcept = 0;
    virtual std::int32_t send_now(native_handle handle, const_bytes data) noexcept = 0;
    virtual result<socket_address> local_address(native_handle handle) noexcept = 0;
    virtual result<socket_address> peer_address(native_handle handle) noexcept = 0;
    virtual result<void> shutdown_send(native_handle handle) noexcept = 0;
    virtual result<void> set_no_delay(native_handle handle, bool on) noexcept = 0;
    // The next close sends a reset instead of the rest of the stream.
    virtual result<void> set_reset_on_close(native_handle handle) noexcept = 0;
    // Of a listening socket that no other process has: who comes from now on is not answered, and tries again by
    // itself. Connections that are made or half made already are not touched. Without it nothing is lost but this care.
    virtual void ignore_newcomers(native_handle /*handle*/) noexcept {}
    virtual result<void> set_keep_alive(native_handle handle, int idle_s, int interval_s, int count) noexcept = 0;
    virtual void close(native_handle handle) noexcept = 0;
    // Whether there is something to wait for on this file. False: it is always ready (regular files, and what else
    // epoll refuses).
    virtual result<bool> has_readiness(native_handle /*handle*/) noexcept { return true; }
    // Negative errno or the result; would_block. `slot` describes the operation and is advanced by partial sends.
    virtual std::int32_t attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io,
                                 buffer_pool& pool) noexcept = 0;
    virtual bool can_splice() const noexcept { return false; }
    virtual result<pipe_pair> open_pipe(std::uint32_t capacity) noexcept = 0;
    virtual void close_pipe(pipe_pair& pipe) noexcept = 0;
};

class reactor {
public:
    reactor(op_slab& slots, socket_calls& calls) noexcept;
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    virtual ~reactor();

    // ---- the backend: what differs from system to system
    virtual const char* name() const noexcept = 0;
    // Makes sure that events for the entry arrive; called each time before an operation waits on it.
    virtual result<void> watch(descriptor& entry, direction way) noexcept = 0;
    // Starts an armed operation in the kernel. False: not this backend's kind; it is performed on readiness.
    virtual bool start(op_slot& slot) noexcept = 0;
    // Whether an attempt before waiting can succeed and is worth a call.
    virtual bool tries_first(op_kind, op_detail, const op_slot::io_payload&) const noexcept { return true; }
    // Asks the kernel to end an operation it started; the final still comes.
    virtual void request_cancel(op_slot& slot) noexcept = 0;
    // Whatever is done to the stream from now on must not overtake a send the kernel was to perform: it is performed,
    // as far as there is room.
    virtual void settle(op_slot& /*send*/) noexcept {}
    // Ends the kernel's interest in the entry; pins tell whether something is still held.
    virtual void forget(descriptor& entry) noexcept = 0;
    // Takes finals and events; sleeps until `until` unless something comes first (until in the past: never).
    virtual void wait(time_point until) noexcept = 0;
    // Ends a wait early. Any thread.
    virtual void wake() noexcept = 0;
    virtual time_point now() const noexcept { return steady_now(); }
    // Whether the kernel takes this call to the file system; else a thread makes it. start_file hands it over.
    virtual bool takes_file(file_call) const noexcept { return false; }
    virtual void start_file(op_slot&) noexcept {}
    // Named pipes, which Windows has. open: connects; the end belongs to this reactor and is to be added to it.
    virtual result<descriptor*> listen_on_pipe(const pipe_listening&) { return fail(errc::not_supported); }
    virtual result<native_handle> open_named_pipe(std::string_view) { return fail(errc::not_supported); }
    virtual result<std::uint32_t> pipe_peer_process(const descriptor&) noexcept { return fail(errc::not_supported); }
    // The loop ends: what was closed and is still under way has this long.
    virtual void hurry(duration) noexcept {}

    // ---- for awaiters and objects
    descriptor& add(native_handle handle, descriptor_kind kind, bool owned = true) {
        descriptor& made = table_.add(handle, kind, owned);
        if (kind == descriptor_kind::named_pipe) [[unlikely]]
            adopt_pipe(made);
        return made;
    }
    // Its owner lets go: what waits on it ends with `closed`, then the file is closed (as soon as the kernel has
    // ended its own operations on it).
    void release(descriptor& entry) noexcept;
    // Tries the operation now: result, negative errno, or would_block.
    std::int32_t attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io) noexcept;
    // Parks a filled slot on its entry until it can be served. The slot is armed on return and may be final.
    void submit(op_slot& slot) noexcept;
    // Tries an armed, parked slot again as soon as its turn comes.
    void retry(op_slot& slot) noexcept { post_ready(&slot); }
    // Sends or receives on in the background, for nobody, until work has a result; its result is dropped. For as long
    // the writer's or the reader's place is taken; if the descriptor cannot be watched, it is empty at once.
    void stand_by(descriptor& entry, layered_io& work, direction way) noexcept;
    // Ends that, so that somebody may wait there. Does nothing when somebody does.
    void stand_down(descriptor& entry, direction way) noexcept;
    // The scope was cancelled: ends with -ECANCELED unless it has a result.
    void cancel(op_slot& slot) noexcept;
    // Its waiter dies.
    void abandon(op_slot& slot) noexcept;
    // Ends our direction of a stream, behind a send that still waits, as far as there is room for it.
    result<void> shutdown_send(descriptor& entry) noexcept;

    // A listener takes no new connections: accept gives out those that have come already, then ends with `closed`.
    void stop_accepting(descriptor& entry) noexcept;

    socket_calls& calls() noexcept { return calls_; }
    // Calls to the file system; made by the first use.
    detail::file_service& files();
    // Threads for them, at most.
    void set_file_threads(unsigned threads) noexcept { file_threads_ = threads; }
    // No worker touches the loop from now on.
    void end_files() noexcept;
    buffer_pool& buffers() noexcept { return buffers_; }
    op_slab& slots() noexcept { return slots_; }
    descriptor_table& descriptors() noexcept { return table_; }
    const reactor_stats& stats() const noexcept { return stats_; }

protected:
    friend class detail::file_service;
    static constexpr unsigned event_read = 1, event_write = 2, event_end = 4;
    // Readiness for an entry: what waits on it is tried when it comes up in the queue.
    void on_ready(descriptor& entry, unsigned events) noexcept;
    void post_ready(op_slot* slot) noexcept;
    // The system has no events for the entry's file, because it never makes anybody wait (regular files): whoever
    // waits to read or write is tried again; who waits for an end waits for ever.
    void never_waits(descriptor& entry) noexcept;
    static bool waits_for_end(const op_slot* slot) noexcept {
        return slot && slot->kind() == op_kind::poll && slot->io.length > static_cast<std::uint32_t>(direction::write);
    }
    void finish_parked(descriptor& entry, op_slot& slot, std::int32_t result) noexcept;
    void unpin(descriptor& entry) noexcept;
    // An accepted connection that nobody takes: its peer learns that it was not served, as from a closed backlog.
    void refuse(native_handle accepted) noexcept {
        (void)calls_.set_reset_on_close(accepted);
        calls_.close(accepted);
    }
    // What the kernel delivered on its own for this entry and nobody took yet; would_block: nothing.
    virtual std::int32_t take_arrived(descriptor&, op_kind, op_detail, op_slot::io_payload&) noexcept {
        return would_block;
    }
    virtual void adopt_pipe(descriptor&) {}
    virtual result<void> end_sending(descriptor& entry) noexcept { return calls_.shutdown_send(entry.handle); }
    // The kernel accepts no more on its own.
    virtual void end_accepting(descriptor&) noexcept {}
    // What a backend keeps per entry beyond the common part.
    virtual void drop_extra(descriptor&) noexcept {}

    op_slab& slots_;
    socket_calls& calls_;
    descriptor_table table_;
    buffer_pool buffers_;
    reactor_stats stats_;

private:
    void wait_for(descriptor& entry, op_slot& slot) noexcept;
    static void leave_place(descriptor& entry, op_slot& slot) noexcept;
    static layered_io* layer_of(const op_slot& slot) noexcept;
    void finish_close(descriptor& entry) noexcept;
    static void serve_ready(void* self, op_slot& slot) noexcept;
    static void drop_result(void* self, op_slot& slot) noexcept;

    std::unique_ptr<detail::file_service> files_;
    unsigned file_threads_ = 4;
};

enum class reactor_kind : std::uint8_t { automatic, epoll, uring, sim, iocp };

// The real system's calls, for what is done before there is a loop.
socket_calls& system_calls() noexcept;

result<reactor_kind> reactor_kind_from(std::string_view name) noexcept;
const char* name_of(reactor_kind kind) noexcept;

// Makes the backend; for `automatic` the best this system allows, with the reason in `why`. An error when the
// wanted one is not available, `why` says what is missing.
result<std::unique_ptr<reactor>> make_reactor(reactor_kind kind, op_slab& slots, std::string& why);

}  // namespace co_wq::io
