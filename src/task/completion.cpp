#include "task/completion.hpp"

#include "task/op_waiter.hpp"

namespace co_wq {
namespace detail {

constinit thread_local std::uint32_t hook_block::generations = 0;

// The drain (run) or the death of the queue (not run) reaches the block.
void hook_block::act(owned_node& self, bool run) noexcept {
    auto& me = static_cast<hook_block&>(self);
    // acquire and release: whoever frees the block comes after the other side's last access
    const state before = me.state_.exchange(run ? state::fired : state::dropped, std::memory_order_acq_rel);
    if (before == state::abandoned) return pool_delete(&me);
    if (before != state::armed) me.illegal("an operation is completed once");
    if (!run) return;
    resume_hook hook = std::move(me.hook_);  // firing may free the block
    std::move(hook).fire();
}

void hook_block::leave(bool resumed) noexcept {
    if (resumed) return pool_delete(this);
    switch (state_.exchange(state::abandoned, std::memory_order_acq_rel)) {
        case state::filled:
        case state::dropped: return pool_delete(this);
        case state::armed: return;  // the completer or the drain holds it
        case state::fired: illegal("a frame was destroyed while another thread resumes it");
        case state::abandoned: illegal("an operation is abandoned once");
    }
}

void hook_block::illegal(const char* what) const noexcept {
    raise_fault(fault_kind::internal, "legal transition of a callback operation", what,
                {.operation = "callback operation", .generation = generation_});
}

}  // namespace detail

completion::completion(op_slot& slot) noexcept
    : slot_(&slot), home_(&slot.slab().queue()), what_(name_of(slot.kind())) {}

completion completion::of(op_slot& slot) noexcept {
    const op_state now = slot.state();
    const fault_context facts{
        .operation = name_of(now), .queue = slot.slab().queue().name(), .generation = slot.tag().generation};
    if (now != op_state::armed && now != op_state::cancel_requested && now != op_state::orphaned)
        raise_fault(fault_kind::caller, "slot is armed", "a completion is made from an armed operation", facts);
    if (slot.kind() != op_kind::wait && slot.kind() != op_kind::remote)
        raise_fault(fault_kind::caller, "slot is a wait or remote work",
                    "what a reactor carries out, the reactor completes", facts);
    return completion(slot);
}

std::uint32_t completion::generation() const noexcept {
    return block_ ? block_->generation() : slot_ ? slot_->tag().generation : 0;
}

worknode& completion::consume(std::int32_t result, const char* queue, unsigned references) noexcept {
    if (block_) {
        block_->result_ = result;
        return *std::exchange(block_, nullptr);
    }
    if (!slot_)
        raise_fault(fault_kind::caller, "the completion was not consumed before", "an operation is completed once",
                    {.operation = what_, .queue = queue, .guard_references = references});
    slot_->result_ = result;
    return *std::exchange(slot_, nullptr);
}

void completion::lost() const noexcept {
    raise_fault(fault_kind::caller, "the completion was posted",
                "a started operation must be completed: its waiter "
                "would wait for ever",
                {.operation = what_, .queue = home_->name(), .generation = generation()});
}

}  // namespace co_wq
