// The backend of Windows: one completion port for each loop.
//
// Sockets are polled (afd.hpp) and read, written, accepted and connected by us with calls that never wait, so the
// kernel never holds caller memory. Each poll is an op slot whose kernel memory is the OVERLAPPED; the slot is free
// again when its packet was taken, however it ended and whatever was asked of it meanwhile: that packet is its only
// death certificate. A socket stays open until all its polls have ended (descriptor::pins).
//
// Named pipes (reactor_iocp_pipes.cpp) are read and written by the kernel, with memory of the descriptor's own, and
// closed when it has let go of that. What a closed one still has to write it has some time for.
//
// Source: Windows 8 and later.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/backend/completion_port.hpp"
#include "io/reactor.hpp"

namespace co_wq::io {

struct pipe_end;
struct pipe_listener;

class reactor_iocp final : public reactor {
public:
    // Throws std::system_error.
    explicit reactor_iocp(op_slab& slots, std::unique_ptr<completion_port> port = make_completion_port());
    ~reactor_iocp() override;

    const char* name() const noexcept override { return "iocp"; }
    result<void> watch(descriptor& entry, direction way) noexcept override;
    bool start(op_slot&) noexcept override { return false; }
    void request_cancel(op_slot& slot) noexcept override;
    void forget(descriptor& entry) noexcept override;
    void wait(time_point until) noexcept override;
    void wake() noexcept override { port_->wake(); }
    void end_accepting(descriptor& entry) noexcept override;
    result<descriptor*> listen_on_pipe(const pipe_listening& how) override;
    result<native_handle> open_named_pipe(std::string_view name) override;
    result<std::uint32_t> pipe_peer_process(const descriptor& entry) noexcept override;
    void hurry(duration left) noexcept override;

private:
    // How long a closed pipe may take to write what send has accepted.
    static constexpr duration linger_limit = std::chrono::seconds(2);
    struct lingering {
        op_tag entry;
        time_point limit;
    };

    static std::uint32_t lane_of(const descriptor& entry) noexcept { return entry.index / 32; }
    static std::uint32_t events_wanted(const descriptor& entry, direction way) noexcept;
    void cancel_standing(op_tag& standing) noexcept;
    void on_packet(const packet& done) noexcept;
    void on_events(descriptor& entry, std::uint32_t status, std::uint32_t events, direction way) noexcept;

    // ---- named pipes
    std::int32_t take_arrived(descriptor& entry, op_kind kind, op_detail detail,
                              op_slot::io_payload& io) noexcept override;
    void drop_extra(descriptor& entry) noexcept override;
    void adopt_pipe(descriptor& entry) override;
    result<void> end_sending(descriptor& entry) noexcept override;
    op_slot& pipe_slot(descriptor& entry, op_kind kind, native_handle handle) noexcept;
    void drop_block(pipe_end& of, bool out) noexcept;
    std::int32_t receive(descriptor& entry, pipe_end& from, op_detail detail, op_slot::io_payload& io) noexcept;
    std::int32_t send(descriptor& entry, pipe_end& to, op_detail detail, op_slot::io_payload& io) noexcept;
    std::int32_t send_some(descriptor& entry, pipe_end& to, const const_bytes* parts, std::size_t count) noexcept;
    std::int32_t is_ready(descriptor& entry, pipe_end& end, direction way) noexcept;
    bool read_more(descriptor& entry, pipe_end& from) noexcept;
    void arrived(descriptor& entry, pipe_end& end, std::uint32_t moved) noexcept;
    void read_failed(descriptor& entry, pipe_end& end, std::uint32_t code) noexcept;
    std::int32_t write_out(descriptor& entry, pipe_end& to) noexcept;
    std::int32_t accept(descriptor& entry, pipe_listener& from) noexcept;
    void listen_more(descriptor& entry, pipe_listener& on) noexcept;
    bool listen_on(descriptor& entry, pipe_listener& on, native_handle instance) noexcept;
    result<void> watch_pipe(descriptor& entry, direction way) noexcept;
    void forget_pipe(descriptor& entry) noexcept;
    void on_pipe_packet(descriptor& entry, op_slot& slot, std::uint32_t status) noexcept;
    void on_read(descriptor& entry, pipe_end& end, std::uint32_t status, std::uint32_t moved) noexcept;
    void on_written(descriptor& entry, pipe_end& end, std::uint32_t status) noexcept;
    void on_connected(descriptor& entry, pipe_listener& on, op_tag which, std::uint32_t status) noexcept;
    time_point first_linger_limit() const noexcept;
    void end_lingering(time_point now_is) noexcept;

    std::unique_ptr<completion_port> port_;
    std::vector<lingering> lingering_;
};

}  // namespace co_wq::io
