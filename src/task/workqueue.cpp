#include "task/workqueue.hpp"

#include "task/transfer.hpp"

namespace co_wq {

constinit thread_local char workqueue::thread_mark_ = 0;
constinit thread_local workqueue* workqueue::current_ = nullptr;
constinit thread_local unsigned detail::transfers_in_a_row = 0;

void detail::post_to_queue(workqueue& queue, worknode& node) noexcept { queue.post(node); }

workqueue::workqueue(const char* name) noexcept : name_(name), owner_(&thread_mark_), slots_(*this) {}

workqueue::~workqueue() {
    adopt();
    discard_queued();
    ready_.prev_ = ready_.next_ = nullptr;
}

std::size_t workqueue::depth() const noexcept {
    std::size_t count = 0;
    for (const worknode* node = ready_.next_; node != &ready_; node = node->next_) ++count;
    return count;
}

void workqueue::execute(worknode& node) noexcept {
    if (on_owner()) return post(node);
    if (inbox_.push(node)) wake();
}

void workqueue::collect() noexcept {
    if (!inbox_.maybe_filled()) return;
    worknode* list = inbox_.take_all();
    while (list) post(inbox<>::pop(list));
}

void workqueue::discard_queued() noexcept {
    do {
        collect();
        while (ready()) {
            worknode& node = *ready_.next_;
            unlink(node);
            detail::discard(node);
        }
    } while (inbox_.maybe_filled());
}

void detail::discard(worknode& node) noexcept {
    if (auto* owned = owned_node::from(node)) return owned->drop();
    op_slab::discard(node);
}

std::size_t workqueue::run_batch(std::size_t most) noexcept {
    workqueue* const outer = std::exchange(current_, this);
    std::size_t ran = 0;
    while (ran < most && ready_.next_ != &ready_) {
        worknode& node = *ready_.next_;
        unlink(node);
        ++ran;
        budget_ = sync_budget;
        detail::transfers_in_a_row = 0;
        detail::running_frame = nullptr;  // the last node's frame may be gone: a fault must not walk from there
        node.run_(node);
    }
    executed_ += ran;
    detail::running_frame = nullptr;
    current_ = outer;
    return ran;
}

void workqueue::double_post() const noexcept {
    raise_fault(fault_kind::internal, "!node.queued()", "a node was posted while it still waits in a queue",
                {.queue = name_});
}

}  // namespace co_wq
