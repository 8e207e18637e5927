#include "task/workqueue.hpp"

#include "task/transfer.hpp"

namespace co_wq {

constinit thread_local workqueue* workqueue::current_ = nullptr;
constinit thread_local unsigned detail::transfers_in_a_row = 0;

void detail::post_to_queue(workqueue& queue, worknode& node) noexcept { queue.post(node); }

workqueue::workqueue(const char* name) noexcept : name_(name), owner_(detail::this_thread_mark()), slots_(*this) {}

workqueue::~workqueue() {
    adopt();
    discard_queued();
}

void workqueue::execute(worknode& node) noexcept {
    if (on_owner()) return post(node);
    if (inbox_.push(node)) wake();
}

void workqueue::collect() noexcept {
    if (!inbox_.maybe_filled()) return;
    worknode* list = inbox_.take_all();
    while (list) post(inbox::pop(list));
}

void workqueue::discard_queued() noexcept {
    evict_guests();
    do {
        collect();
        while (ready()) {
            detail::discard(ready_.pop_front());
        }
    } while (inbox_.maybe_filled());
}

void detail::discard(worknode& node) noexcept {
    if (auto* owned = owned_node::from(node)) return owned->drop();
    op_slab::discard(node);
}

std::size_t workqueue::run_batch(std::size_t most) noexcept {
    workqueue* const outer = std::exchange(current_, this);
    promise_base* const outer_frame = detail::running_frame;
    std::size_t ran = 0;
    for (; ran < most && ready(); ++ran) {
        worknode& node = ready_.pop_front();
        if constexpr (detail::bounded_transfer) detail::transfers_in_a_row = 0;
        // may be gone: a fault must not walk from there (a test and a store, because stores bound how fast nodes run)
        if (detail::running_frame) detail::running_frame = nullptr;
        node.run();
    }
    executed_ += ran;
    detail::running_frame = outer_frame;
    current_ = outer;
    return ran;
}

void workqueue::double_post() const noexcept {
    raise_fault(fault_kind::internal, "!node.queued()", "a node was posted while it still waits in a queue",
                {.queue = name_});
}

}  // namespace co_wq
