// The backend of Windows: one completion port for each loop.
//
// Sockets are polled (afd.hpp) and read, written, accepted and connected by us with calls that never wait, so the
// kernel never holds caller memory. Each poll is an op slot whose kernel memory is the OVERLAPPED; the slot is free
// again when its packet was taken, however it ended and whatever was asked of it meanwhile: that packet is its only
// death certificate. A socket stays open until all its polls have ended (descriptor::pins).
//
// Source: Windows 8 and later.
#pragma once

#include <memory>
#include <string>

#include "io/backend/completion_port.hpp"
#include "io/reactor.hpp"

namespace co_wq::io {

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

private:
    static std::uint32_t lane_of(const descriptor& entry) noexcept { return entry.index / 32; }
    static std::uint32_t events_wanted(const descriptor& entry, direction way) noexcept;
    void cancel_standing(op_tag& standing) noexcept;
    void on_packet(const packet& done) noexcept;
    void on_events(descriptor& entry, std::uint32_t status, std::uint32_t events, direction way) noexcept;

    std::unique_ptr<completion_port> port_;
};

}  // namespace co_wq::io
