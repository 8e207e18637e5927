// sim_network: sockets in memory under virtual time, decided by a seed.
//
// For:        the simulated reactor. Streams are byte queues with latency, bounded send buffers, half-close and
//             reset; listeners have backlogs; datagrams are lost, doubled and overtaken. Numbers of closed sockets are
//             used again, the lowest first, as by a kernel.
// Guarantees: the same seed and the same calls give the same run. It behaves as Linux does where tests/conformance
//             looks: bytes that arrived before a reset can still be read, the error comes once, then the end.
// Threads:    one. Lifetime: outlives the reactors on it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/backend/sim_clock.hpp"
#include "io/backend/sim_files.hpp"
#include "io/datagram.hpp"
#include "io/reactor.hpp"

namespace co_wq::io {

struct sim_options {
    std::uint64_t seed = 1;
    duration latency_min = std::chrono::microseconds(20);
    duration latency_max = std::chrono::microseconds(500);
    std::uint32_t send_buffer_bytes = 64 * 1024;
    // Chances in 1/256 that ...
    std::uint8_t short_io = 64;          // a call is cut short
    std::uint8_t spurious_events = 16;   // an event or completion comes twice, for nothing, or for a dead entry
    std::uint8_t delayed_events = 64;    // what is to be reported comes later, and in another order
    std::uint8_t kernel_performed = 128; // the kernel performs an operation itself (completion-shaped)
    std::uint8_t cancel_refused = 32;    // it answers a cancel with EALREADY: the operation ends when it likes
    std::uint8_t exhausted = 0;          // a socket, an accept or a pipe fails with EMFILE
    std::uint8_t no_buffers = 0;         // a send fails with ENOBUFS
    std::uint8_t resets = 0;             // a segment never arrives, and both ends see a reset
    std::uint8_t interrupted = 16;       // a call to the file system is interrupted, and has to be made again
    std::uint8_t datagram_faults = 0;    // a datagram is lost, or comes twice, or late
    std::uint8_t coincidences = 16;      // something happens on the very tick of a timer
    bool pipes = true;                   // splice is there
    std::size_t disk_pages = 16 * 1024;  // of 4 KiB
    std::uint32_t datagram_bytes_max = 65'507;  // longer datagrams are refused (EMSGSIZE); at first what IPv4 takes
    std::uint32_t way_bytes_max = 65'507;       // longer ones vanish on their way
};

// First in, first out, without an allocation while it is empty.
template <class T>
class sim_fifo {
public:
    bool empty() const noexcept { return first_ == items_.size(); }
    std::size_t size() const noexcept { return items_.size() - first_; }
    void push(T item) { items_.push_back(std::move(item)); }
    T pop() {
        T item = std::move(items_[first_++]);
        if (empty()) {
            items_.clear();
            first_ = 0;
        }
        return item;
    }

private:
    std::vector<T> items_;
    std::size_t first_ = 0;
};

// Who is told that something changed on a socket which may let an operation proceed.
class sim_watcher {
public:
    virtual void changed(native_handle handle, unsigned events) noexcept = 0;

protected:
    ~sim_watcher() = default;
};

class sim_network final : public socket_calls {
public:
    static constexpr unsigned event_read = 1, event_write = 2, event_end = 4;
    // A name server or the like, outside of all loops: gets each datagram sent to its address.
    using datagram_service = std::function<void(const socket_address& from, std::string_view datagram)>;

    explicit sim_network(const sim_options& options) : clock_(options.seed), options_(options) {}

    sim_clock& clock() noexcept { return clock_; }
    seeded_random& random() noexcept { return clock_.random(); }
    const sim_options& options() const noexcept { return options_; }
    sim_files& files() noexcept { return files_; }
    // From now on; the seed stays.
    void set_options(const sim_options& options) noexcept { options_ = options; }
    // Returns what is ready already.
    unsigned watch(native_handle handle, sim_watcher* watcher) noexcept;

    // Nothing answers at this port: connects and datagrams get lost.
    void silence(std::uint16_t port) { silent_ports_.push_back(port); }
    void serve_datagrams(const socket_address& where, datagram_service service);
    void send_datagram(const socket_address& from, const socket_address& to, std::string data);
    // Two connected streams.
    std::pair<native_handle, native_handle> open_pair();
    // The connection breaks: both ends see a reset.
    void break_connection(native_handle handle);

    // ---- what a test may ask about
    std::size_t open_sockets() const noexcept { return open_; }
    // Bytes that the stream with this local port has ever accepted for sending; also when it is closed.
    std::uint64_t accepted_bytes(std::uint16_t port) noexcept;
    // Those for it that its owner has not read, here or on their way.
    std::size_t unread_bytes(native_handle handle) noexcept;
    std::uint32_t room(native_handle handle) noexcept;  // for sending
    bool reset_seen(native_handle handle) noexcept;
    // A wait of this kind on this socket would be served now.
    bool would_serve(native_handle handle, op_kind kind, direction way) noexcept;

    result<native_handle> open_stream(address_family family) noexcept override;
    result<native_handle> open_listener(const socket_address& where, int backlog, bool share_port) noexcept override;
    result<native_handle> open_datagram(address_family family) noexcept override;
    result<native_handle> open_sequenced() noexcept override { return fail(errc::not_supported); }
    result<std::pair<native_handle, native_handle>> open_local_pair() noexcept override {
        return fail(errc::not_supported);
    }
    result<void> set_mode(native_handle, std::uint32_t) noexcept override { return fail(errc::not_supported); }
    result<void> listen(native_handle, int) noexcept override { return fail(errc::not_supported); }
    result<peer_credentials> credentials(native_handle) noexcept override { return fail(errc::not_supported); }
    result<void> bind_datagram(native_handle handle, const socket_address& where, bool share) noexcept override;
    result<void> bind_source(native_handle handle, const socket_address& from) noexcept override;
    result<void> set_option(native_handle, datagram_option option, int) noexcept override {
        if (option == datagram_option::receive_segments) return fail(errc::not_supported);
        return {};
    }
    result<void> change_group(native_handle, const socket_address&, std::uint32_t, bool) noexcept override {
        return fail(errc::not_supported);
    }
    std::int32_t begin_connect(native_handle handle, const socket_address& where) noexcept override;
    std::int32_t receive_now(native_handle handle, bytes into, socket_address* from) noexcept override;
    std::int32_t send_now(native_handle handle, const_bytes data) noexcept override;
    result<socket_address> local_address(native_handle handle) noexcept override;
    result<socket_address> peer_address(native_handle handle) noexcept override;
    result<void> shutdown_send(native_handle handle) noexcept override;
    result<void> set_no_delay(native_handle, bool) noexcept override { return {}; }
    result<void> set_reset_on_close(native_handle handle) noexcept override;
    result<void> set_keep_alive(native_handle, int, int, int) noexcept override { return {}; }
    void close(native_handle handle) noexcept override;
    result<bool> has_readiness(native_handle handle) noexcept override {
        if (!find(handle)) return fail(errc::closed);
        return true;
    }
    std::int32_t attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io,
                         buffer_pool& pool) noexcept override;
    bool can_splice() const noexcept override { return options_.pipes; }
    result<pipe_pair> open_pipe(std::uint32_t capacity) noexcept override;
    void close_pipe(pipe_pair& pipe) noexcept override;

private:
    enum class kind : std::uint8_t { none, stream, listener, datagram, pipe };
    // A piece of a stream on its way to its reader.
    struct segment {
        std::uint32_t bytes;
        bool end, reset;
    };
    struct datagram {
        socket_address from, to;
        std::string data;
    };
    struct endpoint {
        kind what = kind::none;
        native_handle number = no_handle;
        std::uint32_t serial = 0;      // counts the uses of the number
        std::uint32_t peer_serial = 0;
        native_handle peer = no_handle;
        sim_watcher* watcher = nullptr;
        socket_address local, remote;
        std::string arrived;           // readable from `taken` on
        std::size_t taken = 0;
        sim_fifo<segment> coming;      // to us, in order
        std::string coming_bytes;
        sim_fifo<datagram> datagrams;
        sim_fifo<native_handle> backlog;
        std::uint64_t accepted = 0;    // bytes taken for sending
        std::uint32_t in_flight = 0;   // of those, not read by the peer yet
        time_point last_arrival{};     // keeps what we send in order
        int backlog_max = 0;
        int knocks = 0;                // that nobody answered
        std::int32_t failure = 0;      // reported once
        bool connecting = false, connected = false, never_accepted = false;
        bool end_arrived = false, reset_arrived = false;
        bool send_closed = false, reset_on_close = false;
        bool cut = false;              // nothing gets through any more, and a reset comes

        std::size_t unread() const noexcept { return arrived.size() - taken; }
    };

    endpoint* find(native_handle handle) noexcept;
    endpoint* find(std::uint64_t handle, std::uint64_t serial) noexcept;
    endpoint* peer_of(endpoint& one) noexcept;
    native_handle make(kind what, const socket_address& local);
    endpoint* listener_at(const socket_address& where) noexcept;
    bool silent(std::uint16_t port) const noexcept;
    void notify(endpoint& one, unsigned events) noexcept;
    duration latency() noexcept;
    void later(duration delay, endpoint& one, sim_clock::action act);

    void knock(endpoint& client);
    time_point answer(endpoint& client, std::int32_t failure);
    void travel(endpoint& sender, std::string_view data, bool end, bool reset);
    void arrive(endpoint& receiver) noexcept;
    void take_reset(endpoint& one) noexcept;
    void answer_with_reset(endpoint& sender);
    void freed_room(endpoint& reader, std::size_t count);
    void deliver_datagram(std::uint64_t letter);
    std::int32_t receive_datagrams(descriptor& entry, endpoint& one, op_slot::io_payload& io) noexcept;
    std::int32_t send_datagrams(endpoint& one, op_slot::io_payload& io) noexcept;
    std::int32_t send_datagram_of(endpoint& one, const outgoing& given);

    std::int32_t receive(descriptor& entry, endpoint& one, std::byte* into, std::uint32_t room) noexcept;
    std::int32_t receive_lent(descriptor& entry, endpoint& one, op_slot::io_payload& io, buffer_pool& pool) noexcept;
    std::int32_t receive_to_pipe(descriptor& entry, endpoint& one, op_slot::io_payload& io) noexcept;
    std::int32_t send(descriptor& entry, endpoint& one, const_bytes data) noexcept;
    std::int32_t send_whole(descriptor& entry, endpoint& one, op_detail detail, op_slot::io_payload& io) noexcept;
    std::int32_t send_from_pipe(descriptor& entry, endpoint& one, op_slot::io_payload& io) noexcept;
    std::int32_t accept(descriptor& entry, endpoint& one) noexcept;
    std::int32_t connect(descriptor& entry, endpoint& one, op_slot::io_payload& io) noexcept;
    bool ready(const endpoint& one, direction way) const noexcept;

    static constexpr native_handle first_number = 100;

    sim_clock clock_;
    sim_options options_;
    sim_files files_{clock_, options_};
    std::deque<endpoint> sockets_;  // by number; a deque, because references must stay good
    std::size_t open_ = 0;
    std::map<std::uint16_t, datagram_service> services_;
    std::map<std::uint64_t, datagram> letters_;  // on their way
    std::uint64_t letters_sent_ = 0;
    std::vector<std::uint16_t> silent_ports_;
    std::vector<std::pair<std::uint16_t, std::uint64_t>> closed_;  // ports, and what they accepted
    std::uint16_t next_port_ = 40000;
};

}  // namespace co_wq::io
