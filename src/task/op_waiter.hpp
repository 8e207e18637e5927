// op_waiter: base of every awaiter that waits on an op slot.
//
// Lifetime: when it dies while its operation is pending, it hands the slot back (abandon) and whoever may hold
//           the tag is asked to let go: that is the whole of "destroy while armed".
#pragma once

#include "task/op_slot.hpp"
#include "task/promise.hpp"

namespace co_wq {

class op_waiter : public awaiter_base, protected cancel_node {
public:
    op_slot* slot() const noexcept { return slot_; }

protected:
    op_waiter(const awaiter_ops& ops, cancel_node::function on_cancel) noexcept
        : awaiter_base(ops), cancel_node(on_cancel) {}
    ~op_waiter() = default;  // derived classes release their slot: only they know who holds it

    op_slot* slot_ = nullptr;
    op_slot::io_payload io_{};
    std::int32_t result_ = 0;  // last: derived classes have room for 4 bytes behind it

private:
    friend class op_slab;
    void take(op_slot& slot) noexcept {
        slot_ = nullptr;
        result_ = slot.result();
        io_ = slot.io;
        cancel_node::unlink();
    }
    void resume() noexcept {
        detail::running_frame = frame_;
        frame_->self().resume();
    }
};

}  // namespace co_wq
