#include "io/chaos.hpp"

#include <charconv>

#include "io/event_loop.hpp"

namespace co_wq::io {
namespace {

void post_all(event_loop& loop, run_list& nodes) noexcept {
    while (!nodes.empty()) loop.post(nodes.pop_front());
}

}  // namespace

result<chaos_options> chaos_from(std::string_view text) noexcept {
    chaos_options out;
    const char* const end = text.data() + text.size();
    const auto [colon, no_seed] = std::from_chars(text.data(), end, out.seed);
    if (no_seed != std::errc{} || colon == end || *colon != ':') return fail(errc::invalid_argument);
    const auto [rest, no_rate] = std::from_chars(colon + 1, end, out.rate, std::chars_format::fixed);
    const bool in_range = out.rate > 0 && out.rate <= 1;  // false for "nan", too
    if (no_rate != std::errc{} || rest != end || !in_range) return fail(errc::invalid_argument);
    return out;
}

chaos::chaos(event_loop& loop, chaos_options options) noexcept
    : loop_(loop), random_(options.seed), rate_(options.rate) {
    for (lane& one : lanes_) one.loop = &loop;
}

// Of ten completions that are touched, six are held for a while, three go behind what else is ready, and with one an
// operation is cancelled.
bool chaos::take(op_slot& slot) noexcept {
    if (random_.fraction() >= rate_) return false;
    const std::uint64_t dice = random_.below(10);
    if (dice < 6) {
        hold(slot);
    } else if (dice < 9) {
        ++count_.behind;
        behind_.push_back(slot);
    } else {
        return cancel(slot);
    }
    return true;
}

// Those of one lane come together, whenever the first was to come; lanes overtake each other.
void chaos::hold(op_slot& slot) noexcept {
    ++count_.held;
    lane& chosen = lanes_[random_.below(lanes_.size())];
    chosen.held.push_back(slot);
    if (chosen.armed()) return;
    const duration delay = delay_min * (1 << random_.below(delay_doublings + 1));
    loop_.timers()->arm(chosen, loop_.turn_time() + delay);
}

// The operation itself while it has no result yet, else any other. True: the operation is back in its queue.
bool chaos::cancel(op_slot& slot) noexcept {
    op_slot* victim = slot.state() == op_state::armed ? &slot : loop_.slots().pick(random_.next());
    if (!victim || victim->state() != op_state::armed || !victim->waiter()) return false;
    const op_kind kind = victim->kind();
    if (kind != op_kind::recv && kind != op_kind::send && kind != op_kind::connect) return false;
    const descriptor_kind on = loop_.reactor().descriptors().at(victim->io.descriptor).kind;
    if (on != descriptor_kind::stream && on != descriptor_kind::local_stream) return false;
    ++count_.cancelled;
    loop_.reactor().cancel(*victim);
    return slot.queued();
}

void chaos::lane::due(timer& self) noexcept {
    auto& me = static_cast<lane&>(self);
    post_all(*me.loop, me.held);
}

void chaos::put_behind() noexcept { post_all(loop_, behind_); }

void chaos::let_go() noexcept {
    for (lane& one : lanes_) {
        one.cancel();
        post_all(loop_, one.held);
    }
}

}  // namespace co_wq::io
