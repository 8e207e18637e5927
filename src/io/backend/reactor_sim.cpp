#include "io/backend/reactor_sim.hpp"

#include <algorithm>
#include <cerrno>

#include "io/backend/small_send.hpp"
#include "io/file_service.hpp"

namespace co_wq::io {

reactor_sim::reactor_sim(op_slab& slots, std::shared_ptr<sim_network> network)
    : reactor(slots, *network), network_(std::move(network)) {}

reactor_sim::~reactor_sim() {
    network_->clock().forget(this);
    if (host_) host_->ended(*this, slots_.counters());
}

duration reactor_sim::kernel_delay() noexcept { return duration(static_cast<std::int64_t>(random().below(200'000))); }

void reactor_sim::later(duration delay, sim_clock::action act, op_tag tag) {
    network_->clock().after(delay, act, this, tag.to_u64());
}

// ---- readiness

result<void> reactor_sim::watch(descriptor& entry, direction way) noexcept {
    const auto known =
        std::find_if(watched_.begin(), watched_.end(), [&](const watched& one) { return one.entry == entry.tag(); });
    const bool writing = way == direction::write;
    if (known != watched_.end() && (!writing || known->for_writing)) return {};
    if (known != watched_.end()) {
        known->for_writing = true;
    } else {
        if (entry.watched) return {};  // overtaken
        overtake(entry);
        entry.watched = true;
        watched_.push_back({entry.handle, entry.tag(), writing});
    }
    // registration reports what is ready already
    const unsigned already = network_->watch(entry.handle, this);
    if (already) events_.push_back({entry.tag(), writing ? already : already & ~event_write});
    return {};
}

void reactor_sim::forget(descriptor& entry) noexcept {
    if (!entry.watched) return;
    entry.watched = false;
    gone_.push_back(entry.tag());
    if (std::erase_if(watched_, [&](const watched& one) { return one.entry == entry.tag(); }) > 0)
        (void)network_->watch(entry.handle, nullptr);
}

// A file that others close may have had this number before, and not be forgotten yet: it hears nothing any more.
void reactor_sim::overtake(const descriptor& by) noexcept {
    std::erase_if(watched_, [&](const watched& one) { return one.handle == by.handle && one.entry != by.tag(); });
}

void reactor_sim::changed(native_handle handle, unsigned events) noexcept {
    for (const held& one : held_)
        if (one.handle == handle && !one.over) look_again(one.tag);
    const auto at =
        std::find_if(watched_.begin(), watched_.end(), [&](const watched& w) { return w.handle == handle; });
    if (at == watched_.end()) return;
    if (!at->for_writing && !(events & event_end)) events &= ~event_write;
    if ((events & event_write) && random().one_in(2)) at->for_writing = false;
    if (!events) return;
    events_.push_back({at->entry, events});
    if (!random().chance(network_->options().spurious_events)) return;
    const op_tag again = gone_.empty() || random().one_in(2) ? at->entry : gone_[random().below(gone_.size())];
    later(
        kernel_delay(),
        [](void* self, std::uint64_t tag, std::uint64_t) {
            static_cast<reactor_sim*>(self)->events_.push_back({op_tag::from_u64(tag), event_read | event_write});
        },
        again);
}

// ---- operations that the kernel performs

bool reactor_sim::tries_first(op_kind kind, op_detail detail, const op_slot::io_payload& io) const noexcept {
    if (kind == op_kind::connect) return false;
    return !small_send::fits(kind, detail, io) || !network_->random().chance(network_->options().kernel_performed);
}

bool reactor_sim::start(op_slot& slot) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    // as on the real kernels, receives are never handed over: what they took could be lost with their waiter
    const bool small = small_send::fits(slot.kind(), static_cast<op_detail>(slot.detail), slot.io);
    const bool may_hold = slot.kind() == op_kind::accept || slot.kind() == op_kind::connect || small;
    // a connect has to be begun in any case
    if (slot.kind() == op_kind::connect) (void)attempt(entry, slot.kind(), op_detail::plain, slot.io);
    if (!may_hold || !random().chance(network_->options().kernel_performed)) return false;
    if (small) small_send::put_into(slot.io, static_cast<op_detail>(slot.detail));
    slot.held_by_kernel = true;
    ++entry.pins;
    held_.push_back({slot.tag(), entry.handle, false});
    overtake(entry);
    (void)network_->watch(entry.handle, this);
    look_again(slot.tag());
    return true;
}

void reactor_sim::start_file(op_slot& slot) noexcept {
    held_.push_back({slot.tag(), no_handle, false});
    look_again(slot.tag());
}

reactor_sim::held* reactor_sim::find_held(op_tag tag) noexcept {
    const auto at = std::find_if(held_.begin(), held_.end(), [tag](const held& one) { return one.tag == tag; });
    return at == held_.end() || at->over ? nullptr : &*at;
}

void reactor_sim::look_again(op_tag tag) {
    later(
        kernel_delay(),
        [](void* self, std::uint64_t named, std::uint64_t) {
            static_cast<reactor_sim*>(self)->perform(op_tag::from_u64(named));
        },
        tag);
}

// The kernel looks whether it can perform an operation it holds.
void reactor_sim::perform(op_tag tag) {
    held* one = find_held(tag);
    if (!one) return;
    op_slot& slot = *slots_.find(tag);  // held: the slab keeps it
    if (slot.kind() == op_kind::file) {
        const std::int64_t got = network_->files().call(*static_cast<detail::file_request*>(slot.io.data));
        one->over = true;  // told once: what goes on after a part has the same name
        return completions_.push_back({tag, static_cast<std::int32_t>(got)});
    }
    descriptor& entry = table_.at(slot.io.descriptor);
    const std::int32_t got =
        slot.kind() == op_kind::send
            ? try_to_send(entry, slot)
            : calls_.attempt(entry, slot.kind(), static_cast<op_detail>(slot.detail), slot.io, buffers_);
    const bool stopped = got == would_block && slot.kind() == op_kind::accept && entry.stopped;
    if (got != would_block || stopped) complete(*one, stopped ? -EBADF : got);
}

void reactor_sim::end_accepting(descriptor& entry) noexcept {
    if (entry.reader && entry.reader->held_by_kernel) look_again(entry.reader->tag());
}

// A send that is not over goes on when there is room again.
std::int32_t reactor_sim::try_to_send(descriptor& entry, op_slot& slot) {
    small_send& message = small_send::of(slot.io);
    for (;;) {
        const const_bytes data = message.left();
        op_slot::io_payload rest{const_cast<std::byte*>(data.data()), static_cast<std::uint32_t>(data.size()),
                                 slot.io.descriptor};
        const std::int32_t got = calls_.attempt(entry, op_kind::send, op_detail::plain, rest, buffers_);
        if (got < 0) return got;
        message.advance(static_cast<std::size_t>(got));
        if (static_cast<op_detail>(slot.detail) == op_detail::plain || message.left().empty()) return got;
    }
}

// It is over for the kernel; the loop learns it when it takes the completion.
void reactor_sim::complete(held& one, std::int32_t result) {
    one.over = true;
    completions_.push_back({one.tag, result});
    if (random().chance(network_->options().spurious_events)) completions_.push_back({one.tag, result});
}

// The rest of a send whose waiter died is not sent: it would land among what comes after it.
void reactor_sim::settle(op_slot& send) noexcept {
    held* one = find_held(send.tag());
    if (!one) return;
    const std::int32_t got = try_to_send(table_.at(send.io.descriptor), send);
    if (got != would_block) return complete(*one, got);
    if (send.state() == op_state::orphaned) complete(*one, -ECANCELED);
}

// The answer comes late, and what arrives meanwhile wins.
void reactor_sim::request_cancel(op_slot& slot) noexcept {
    later(
        kernel_delay(),
        [](void* self, std::uint64_t tag, std::uint64_t) {
            static_cast<reactor_sim*>(self)->answer_cancel(op_tag::from_u64(tag));
        },
        slot.tag());
}

// Ended; or EALREADY: it is being performed, and ends when it likes, with whatever it ends with.
void reactor_sim::answer_cancel(op_tag tag) {
    const op_slot* slot = slots_.find(tag);
    // a call that has not begun in a worker is ended as often as not
    if (!slot || slot->kind() != op_kind::file || random().one_in(2)) perform(tag);
    held* one = find_held(tag);
    if (!one) return;
    if (!random().chance(network_->options().cancel_refused)) return complete(*one, -ECANCELED);
    network_->clock().note("ealready", static_cast<std::int64_t>(tag.to_u64()));
    later(
        kernel_delay() * 20,
        [](void* self, std::uint64_t named, std::uint64_t) {
            auto& me = *static_cast<reactor_sim*>(self);
            me.perform(op_tag::from_u64(named));
            constexpr std::int32_t restart = 512;  // ERESTARTSYS leaks out of io_uring's workers
            if (held* still = me.find_held(op_tag::from_u64(named)))
                me.complete(*still, me.random().one_in(2) ? -restart : -EINTR);
        },
        tag);
}

void reactor_sim::take_completion(completion one) noexcept {
    const auto at = std::find_if(held_.begin(), held_.end(), [&](const held& h) { return h.tag == one.tag; });
    op_slot* slot = slots_.find(one.tag);
    if (at == held_.end() || !slot) {
        ++stats_.stale;
        return;
    }
    held_.erase(at);
    ++stats_.events;
    if (slot->kind() == op_kind::file) return files().completed(*slot, one.result);
    finish_held(*slot, one.result);
}

void reactor_sim::finish_held(op_slot& slot, std::int32_t result) noexcept {
    descriptor& entry = table_.at(slot.io.descriptor);
    if (entry.reader == &slot) entry.reader = nullptr;
    if (entry.writer == &slot) entry.writer = nullptr;
    slot.held_by_kernel = false;
    if (slot.kind() == op_kind::send) {
        result = small_send::of(slot.io).result(static_cast<op_detail>(slot.detail), result);
        small_send::take_from(slot.io);
    }
    // a cancelled operation's failure is the cancellation, whatever number it carries
    if (result < 0 && slot.state() != op_state::armed) result = -ECANCELED;
    if (result == -ECANCELED && entry.closing) result = -EBADF;
    slots_.finish(slot, result);
    unpin(entry);
}

// ---- waiting

void reactor_sim::take_event(event one) noexcept {
    ++stats_.events;
    if (descriptor* entry = table_.find(one.entry)) {
        on_ready(*entry, one.events);
    } else {
        ++stats_.stale;
    }
}

// What came first is not always taken first, and something may be left for the next time.
void reactor_sim::take_news() noexcept {
    const std::uint8_t late = network_->options().delayed_events;
    std::vector<event> events = std::exchange(events_, {});
    std::vector<completion> completions = std::exchange(completions_, {});
    if (events.size() > 1 && random().chance(late)) std::swap(events.front(), events[random().below(events.size())]);
    if (completions.size() > 1 && random().chance(late))
        std::swap(completions.front(), completions[random().below(completions.size())]);
    const bool events_first = random().one_in(2);
    if (!events_first)
        for (completion one : completions) take_completion(one);
    for (event one : events) {
        if (events.size() > 1 && random().chance(late)) {
            events_.push_back(one);
        } else {
            take_event(one);
        }
    }
    if (events_first)
        for (completion one : completions) take_completion(one);
}

void reactor_sim::wait(time_point until) noexcept {
    ++stats_.waits;
    {
        const std::scoped_lock guard(lock_);
        if (std::exchange(woken_, false)) until = time_point{};
    }
    sim_clock& clock = network_->clock();
    if (host_) {
        host_->wait(*this, until);
    } else if (events_.empty() && completions_.empty()) {
        if (until == no_deadline && clock.next_event() == no_deadline) {
            // nothing can happen here any more: only another thread can go on
            std::unique_lock guard(lock_);
            changed_.wait(guard, [this] { return woken_; });
            woken_ = false;
            return;
        }
        // one event at a time: the loop takes its turn in between, as a kernel would let it
        clock.step(std::max(until, clock.now()));
    }
    take_news();
}

void reactor_sim::wake() noexcept {
    const std::scoped_lock guard(lock_);
    woken_ = true;
    changed_.notify_one();
}

}  // namespace co_wq::io
