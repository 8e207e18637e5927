// The simulated backend: a loop on an in-memory network under virtual time, decided by a seed.
//
// It is both kinds of kernel at once: some operations wait for readiness, others (accepts and
// connects, as the seed decides) are performed by the "kernel", which completes them late, answers a cancel late,
// or completes with a result although a cancel was accepted. Events may come twice, for nothing, or for an entry
// that is gone.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "io/backend/sim_network.hpp"

namespace co_wq::io {

class reactor_sim final : public reactor {
public:
    reactor_sim(op_slab& slots, const sim_options& options)
        : reactor_sim(slots, std::make_unique<sim_network>(options)) {}
    ~reactor_sim() override;

    const char* name() const noexcept override { return "sim"; }
    result<void> watch(descriptor& entry, direction way) noexcept override;
    bool start(op_slot& slot) noexcept override;
    bool tries_first(op_kind kind, op_detail detail, const op_slot::io_payload& io) const noexcept override;
    void request_cancel(op_slot& slot) noexcept override;
    void settle(op_slot& send) noexcept override;
    void forget(descriptor& entry) noexcept override;
    void wait(time_point until) noexcept override;
    void wake() noexcept override;
    time_point now() const noexcept override { return network_->now(); }

    sim_network& network() noexcept { return *network_; }

private:
    reactor_sim(op_slab& slots, std::unique_ptr<sim_network> network);
    void ready(native_handle handle, unsigned events);
    void try_to_complete(op_tag tag);
    std::int32_t try_to_send(descriptor& entry, op_slot& slot);
    void finish_held(op_slot& slot, std::int32_t result) noexcept;
    duration kernel_delay() noexcept;

    std::unique_ptr<sim_network> network_;
    std::map<native_handle, op_tag> watched_;    // which entry a handle's events go to
    std::map<native_handle, std::vector<op_tag>> held_;  // operations the "kernel" performs
    std::vector<op_tag> gone_;                   // entries that were forgotten: late events still name them
    std::mutex lock_;
    std::condition_variable changed_;
    bool woken_ = false;
};

}  // namespace co_wq::io
