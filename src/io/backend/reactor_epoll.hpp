// The epoll backend: readiness, edge-triggered, one registration per descriptor for its whole life; what changes in it
// is only whether room for a writer is told.
//
// What the kernel holds is the entry's tag in epoll_event.data; no memory, no operation. An operation is
// performed by us when the edge comes, so destroying a waiting one is clearing a pointer.
#pragma once

#include <vector>

#include "io/backend/wake_event.hpp"
#include "io/reactor.hpp"

namespace co_wq::io {

class reactor_epoll final : public reactor {
public:
    explicit reactor_epoll(op_slab& slots);
    ~reactor_epoll() override;

    const char* name() const noexcept override { return "epoll"; }
    result<void> watch(descriptor& entry, direction way) noexcept override;
    bool start(op_slot&) noexcept override { return false; }
    void request_cancel(op_slot&) noexcept override {}
    void forget(descriptor& entry) noexcept override;
    void wait(time_point until) noexcept override;
    void wake() noexcept override { wake_.signal(); }

private:
    static bool tells_room_rarely(const descriptor& entry) noexcept;
    result<void> change(descriptor& entry, bool room) noexcept;
    void drop_overtaken(const descriptor& by) noexcept;

    std::vector<op_tag> foreign_;  // registered files that others close
    int epoll_;
    wake_event wake_;
    bool precise_timeouts_ = true;
};

}  // namespace co_wq::io
