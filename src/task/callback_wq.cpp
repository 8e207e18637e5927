#include "task/callback_wq.hpp"

namespace co_wq::detail {

constinit thread_local const serial_state* serial_state::current_ = nullptr;

serial_state::serial_state(executor& runs_on, const char* name) noexcept
    : executor_(runs_on), name_(name), drain_(*this) {
    static_cast<void>(inbox_.try_sleep());  // empty: succeeds
}

// Only a queue whose executor died with the drain still scheduled has nodes left.
serial_state::~serial_state() {
    while (pending_) discard(inbox::pop(pending_));
    for (worknode* left = inbox_.take_all(); left;) discard(inbox::pop(left));
}

void serial_state::drain_node::act(owned_node& self, bool run) noexcept {
    serial_state& state = static_cast<drain_node&>(self).owner;
    if (run) return state.drain();
    state.release();  // the word stays busy: nothing is ever scheduled on the dead executor
}

void serial_state::run(worknode& node) noexcept {
    CO_WQ_TRACE_CALLBACK_WQ("fire", name_, &node);
    if (node.runs(nullptr)) [[unlikely]]
        raise_fault(fault_kind::no_callable, "node.run != nullptr",
                    "a queued node lost its callable: its memory was overwritten while the queue held it",
                    {.operation = "drain", .queue = name_, .guard_references = references()});
    running_frame = nullptr;
    node.run();
}

// Runs with a reference of its own. Afterwards the node drain_ may already be queued again, or the state be gone.
void serial_state::drain() noexcept {
    CO_WQ_TRACE_CALLBACK_WQ("drain", name_, &drain_);
    const serial_state* const outer = std::exchange(current_, this);
    bool left = true;
    for (int budget = batch; budget > 0;) {
        if (!pending_) pending_ = inbox_.take_all();
        for (; pending_ && budget > 0; --budget) run(inbox::pop(pending_));
        if (!pending_ && inbox_.try_sleep()) {
            left = false;
            break;
        }
    }
    running_frame = nullptr;
    current_ = outer;
    if (left) return executor_.execute(drain_);
    release();
}

void serial_state::wrong_context(const char* operation, unsigned generation) const noexcept {
    raise_fault(fault_kind::wrong_context, "the operation's queue is the executor of the callback_wq",
                "a coroutine is resumed on its own queue only: use run() to work in a callback_wq of another",
                {.operation = operation, .queue = name_, .generation = generation, .guard_references = references()});
}

}  // namespace co_wq::detail
