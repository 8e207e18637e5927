#include "task/op_slot.hpp"

#include <cstdio>
#include <memory>
#include <new>

#include "task/op_waiter.hpp"
#include "task/workqueue.hpp"

namespace co_wq {

const char* name_of(op_state state) noexcept {
    static constexpr const char* names[] = {"free",     "filled", "armed",  "cancel_requested",
                                            "orphaned", "final",  "posted", "fired"};
    return names[static_cast<unsigned>(state)];
}

const char* name_of(op_kind kind) noexcept {
    static constexpr const char* names[] = {"none",           "wait", "remote", "accept",           "connect",
                                            "recv",           "send", "poll",   "multishot_accept", "multishot_recv",
                                            "multishot_poll", "wake", "file"};
    return names[static_cast<unsigned>(kind)];
}

std::vector<flight_record> flight_recorder::snapshot() const {
    std::vector<flight_record> copy;
    const std::uint64_t end = next_;
    const std::uint64_t begin = end > capacity ? end - capacity : 0;
    copy.reserve(static_cast<std::size_t>(end - begin));
    for (std::uint64_t i = begin; i < end; ++i) copy.push_back(ring_[i & (capacity - 1)]);
    return copy;
}

op_slot::op_slot(std::uint32_t index) noexcept : worknode(&op_slab::run), io{}, index_(index) {}

op_slab& op_slot::slab() const noexcept {
    const auto page = reinterpret_cast<std::uintptr_t>(this) & ~std::uintptr_t{4095};
    return *reinterpret_cast<op_slab::chunk*>(page)->slab;
}

op_slab::~op_slab() {
    if (leaked_) return;
    CO_WQ_ASSERT(live_ == 0, "a slab dies only when no operation is in flight");
    for (chunk* page : chunks_) {
        for (std::uint32_t place = 1; place < chunk_slots; ++place) page->slot(place).~op_slot();
        page->~chunk();
    }
    for (std::size_t first = 0; first < chunks_.size(); first += chunks_at_once)
        std::allocator<chunk>().deallocate(chunks_[first], chunks_at_once);
}

void op_slab::grow() {
    const bool more = chunks_.size() % chunks_at_once == 0;
    if (chunks_.size() == chunks_.capacity()) chunks_.reserve(2 * chunks_.size() + chunks_at_once);
    void* const memory = more ? std::allocator<chunk>().allocate(chunks_at_once) : chunks_.back() + 1;
    auto* page = ::new (memory) chunk;
    page->slab = this;
    const auto base = static_cast<std::uint32_t>(chunks_.size()) * chunk_slots;
    chunks_.push_back(page);
    for (std::uint32_t place = chunk_slots; place-- > 1;) {
        auto* slot = ::new (static_cast<void*>(&page->slot(place))) op_slot(base + place);
        slot->links.next = free_;
        free_ = slot;
    }
}

op_slot& op_slab::fill(op_kind kind, op_waiter* waiter) {
    if (!free_) [[unlikely]]
        grow();
    op_slot& slot = *free_;
    free_ = slot.links.next;
    ++live_;
    slot.kind_ = kind;
    slot.waiter_ = waiter;
    slot.result_ = 0;
    slot.io = {};
    slot.detail = 0;
    slot.held_by_kernel = false;
    slot.state_ = op_state::filled;
    return slot;
}

void op_slab::arm(op_slot& slot) noexcept {
    if (slot.state_ != op_state::filled) illegal(slot, "only a filled operation can be armed");
    ++counters_.started;
    move_to(slot, op_state::armed);
}

bool op_slab::request_cancel(op_slot& slot) noexcept {
    if (slot.state_ != op_state::armed) return false;
    ++counters_.cancelled;
    move_to(slot, op_state::cancel_requested);
    return true;
}

void op_slab::finish(op_slot& slot, std::int32_t result) noexcept {
    const op_state before = slot.state_;
    if (before != op_state::armed && before != op_state::cancel_requested && before != op_state::orphaned)
        illegal(slot, "a final comes once, and only to an armed operation");
    ++counters_.finished;
    if (before != op_state::armed && result >= 0) ++counters_.late;
    slot.result_ = result;
    move_to(slot, op_state::final);
    if (!slot.waiter_) {
        ++counters_.dropped;
        if (drop_) drop_(context_, slot);
        release(slot);
        return;
    }
    move_to(slot, op_state::posted);
    if (!slot.queued()) queue_.post(slot);  // it may have been posted as ready before
}

void op_slab::deliver(op_slot& slot, std::int32_t result) noexcept {
    if (slot.state_ != op_state::armed || !slot.waiter_) illegal(slot, "only a waited-for, armed operation is served");
    ++counters_.finished;
    slot.result_ = result;
    move_to(slot, op_state::final);
    fire(slot);
}

void op_slab::retire(op_slot& slot, std::int32_t result) noexcept {
    const op_state before = slot.state_;
    if (before != op_state::armed && before != op_state::cancel_requested && before != op_state::orphaned)
        illegal(slot, "a final comes once, and only to an armed operation");
    ++counters_.finished;
    slot.result_ = result;
    move_to(slot, op_state::final);
    release(slot);
}

bool op_slab::abandon(op_slot& slot) noexcept {
    slot.waiter_ = nullptr;
    switch (slot.state_) {
        case op_state::filled: release(slot); return false;
        case op_state::armed:
        case op_state::cancel_requested:
            ++counters_.orphaned;
            move_to(slot, op_state::orphaned);
            return true;
        case op_state::posted: return false;  // the node stays where it is and is drained as a no-op
        default: illegal(slot, "an operation that ended cannot be abandoned");
    }
}

void op_slab::withdraw(op_slot& slot) noexcept {
    if (slot.state_ == op_state::filled) return release(slot);
    if (slot.state_ != op_state::armed && slot.state_ != op_state::cancel_requested)
        illegal(slot, "only an operation that nothing outside holds can be withdrawn");
    ++counters_.finished;
    release(slot);
}

void op_slab::signal(op_slot& slot, std::int32_t result) noexcept {
    slot.result_ = result;
    slot.slab().queue_.execute(slot);
}

op_slot* op_slab::find(op_tag tag) noexcept {
    const std::uint32_t page = tag.index / chunk_slots;
    const std::uint32_t place = tag.index % chunk_slots;
    if (page < chunks_.size() && place != 0) {
        op_slot& slot = chunks_[page]->slot(place);
        if (slot.generation_ == tag.generation && slot.state_ != op_state::free) return &slot;
    }
    ++counters_.stale;
    return nullptr;
}

op_slot* op_slab::pick(std::uint64_t number) noexcept {
    if (chunks_.empty()) return nullptr;
    constexpr std::uint64_t in_chunk = chunk_slots - 1;
    number %= chunks_.size() * in_chunk;
    op_slot& slot = chunks_[number / in_chunk]->slot(static_cast<std::uint32_t>(number % in_chunk + 1));
    return slot.state_ == op_state::free ? nullptr : &slot;
}

void op_slab::discard(worknode& node) noexcept {
    if (const op_slot* slot = slot_of(node); slot && !slot->waiter_) run(node);
}

// A slot comes up in its queue: posted by finish, or armed and signalled by another thread.
void op_slab::run(worknode& node) noexcept {
    auto& slot = static_cast<op_slot&>(node);
    op_slab& slab = slot.slab();
    switch (slot.state_) {
        case op_state::armed:
            if (slot.kind_ != op_kind::wait && slot.kind_ != op_kind::remote) return slab.serve_(slab.context_, slot);
            [[fallthrough]];
        case op_state::cancel_requested:
        case op_state::orphaned:
            ++slab.counters_.finished;
            if (slot.state_ != op_state::armed && slot.result_ >= 0) ++slab.counters_.late;
            slab.move_to(slot, op_state::final);
            [[fallthrough]];
        case op_state::posted:
            if (slot.waiter_) return slab.fire(slot);
            ++slab.counters_.dropped;
            if (slab.drop_) slab.drop_(slab.context_, slot);
            return slab.release(slot);
        default: slab.illegal(slot, "only a posted or signalled operation comes up in its queue");
    }
}

void op_slab::fire(op_slot& slot) noexcept {
    op_waiter& waiter = *slot.waiter_;
    ++counters_.fired;
    move_to(slot, op_state::fired);
    waiter.take(slot);
    release(slot);
    waiter.resume();
}

void op_slab::release(op_slot& slot) noexcept {
    slot.leave();
    slot.state_ = op_state::free;
    slot.waiter_ = nullptr;
    if (++slot.generation_ == 0) slot.generation_ = 1;
    slot.links.next = free_;
    free_ = &slot;
    --live_;
}

void op_slab::illegal(const op_slot& slot, const char* what) const noexcept {
    char text[96];
    std::snprintf(text, sizeof text, "%s #%u in state %s", name_of(slot.kind_), slot.index_, name_of(slot.state_));
    raise_fault(fault_kind::internal, "legal transition of an operation", what,
                {.operation = text, .queue = queue_.name(), .generation = slot.generation_});
}

}  // namespace co_wq
