// sim_network: sockets in memory under virtual time, decided by a seed.
//
// For:        the simulated reactor. Streams are byte queues with latency, bounded send buffers, half-close and
//             reset; listeners have backlogs. The same seed and the same calls give the same run.
// Threads:    one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "io/reactor.hpp"

namespace co_wq::io {

struct sim_options {
    std::uint64_t seed = 1;
    duration latency_min = std::chrono::microseconds(20);
    duration latency_max = std::chrono::microseconds(500);
    std::uint32_t send_buffer_bytes = 64 * 1024;
    // Chances in 1/256 that a call is cut short, that an event comes twice or for nothing, that the kernel
    // performs an operation itself (completion-shaped), and that an accept or a socket fails with EMFILE.
    std::uint8_t short_io = 64;
    std::uint8_t spurious_events = 16;
    std::uint8_t kernel_performed = 128;
    std::uint8_t exhausted = 0;
};

// xorshift64*: small, fast, and the same everywhere.
class sim_random {
public:
    explicit sim_random(std::uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15ull + 1) {}
    std::uint64_t next() noexcept {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1Dull;
    }
    std::uint64_t below(std::uint64_t bound) noexcept { return bound ? (next() >> 11) % bound : 0; }
    bool chance(std::uint8_t in_256) noexcept { return (next() >> 56) < in_256; }

private:
    std::uint64_t state_;
};

class sim_network final : public socket_calls {
public:
    // ready: something changed on a socket that may let an operation proceed.
    using ready_function = std::function<void(native_handle, unsigned events)>;
    static constexpr unsigned event_read = 1, event_write = 2, event_end = 4;

    explicit sim_network(const sim_options& options) : options_(options), random_(options.seed) {}
    void set_ready(ready_function ready) { ready_ = std::move(ready); }

    time_point now() const noexcept { return now_; }
    sim_random& random() noexcept { return random_; }
    const sim_options& options() const noexcept { return options_; }

    // Runs act at a virtual time from now; events of one time run in the order they were asked for.
    void after(duration delay, std::function<void()> act);
    // Runs what is due next, if that is not later than limit; false: nothing was, and now is limit.
    bool step(time_point limit);
    bool has_events() const noexcept { return !events_.empty(); }

    // A peer outside of the loop, for tests: connects to a listener of the simulation.
    std::size_t open_sockets() const noexcept { return sockets_.size(); }

    result<native_handle> open_stream(address_family family) noexcept override;
    result<native_handle> open_listener(const socket_address& where, int backlog, bool share_port) noexcept override;
    result<socket_address> local_address(native_handle handle) noexcept override;
    result<socket_address> peer_address(native_handle handle) noexcept override;
    result<void> shutdown_send(native_handle handle) noexcept override;
    result<void> set_no_delay(native_handle, bool) noexcept override { return {}; }
    result<void> set_reset_on_close(native_handle handle) noexcept override;
    result<void> set_keep_alive(native_handle, int, int, int) noexcept override { return {}; }
    void close(native_handle handle) noexcept override;
    std::int32_t attempt(descriptor& entry, op_kind kind, op_detail detail, op_slot::io_payload& io,
                         buffer_pool& pool) noexcept override;
    result<pipe_pair> open_pipe(std::uint32_t) noexcept override { return fail(errc::not_supported); }
    void close_pipe(pipe_pair&) noexcept override {}

private:
    struct endpoint {
        socket_address local, remote;
        native_handle peer = no_handle;
        std::string arrived;               // readable bytes
        std::uint32_t in_flight = 0;       // sent by us, not yet read by the peer
        time_point last_arrival{};         // keeps what we send in order
        std::deque<native_handle> backlog;
        int backlog_max = 0;
        bool listening = false, connecting = false, connected = false;
        bool end_arrived = false, reset_arrived = false;
        bool send_closed = false, reset_on_close = false;
        std::int32_t connect_failure = 0;
        std::int32_t pending_error = 0;    // of a reset: told once
    };

    endpoint* find(native_handle handle) noexcept;
    native_handle make(socket_address local);
    void notify(native_handle handle, unsigned events) {
        if (ready_) ready_(handle, events);
    }
    duration latency() noexcept;
    void begin_connect(native_handle handle, const socket_address& where);
    void knock(native_handle handle, const socket_address& where, int tries);
    void deliver(native_handle from, std::string data, bool end, bool reset);
    static void take_reset(endpoint& one) noexcept;
    void reset_by_nobody(native_handle handle);
    std::int32_t receive(native_handle handle, descriptor& entry, std::byte* into, std::uint32_t room) noexcept;
    std::int32_t send(native_handle handle, descriptor& entry, const_bytes data) noexcept;
    std::int32_t accept(native_handle handle, descriptor& entry) noexcept;
    std::int32_t connect(native_handle handle, descriptor& entry, op_slot::io_payload& io) noexcept;

    sim_options options_;
    sim_random random_;
    ready_function ready_;
    time_point now_{std::chrono::seconds(1)};
    std::uint64_t order_ = 0;
    std::map<std::pair<time_point, std::uint64_t>, std::function<void()>> events_;
    std::map<native_handle, endpoint> sockets_;
    native_handle next_handle_ = 1000;
    std::uint16_t next_port_ = 40000;
};

}  // namespace co_wq::io
