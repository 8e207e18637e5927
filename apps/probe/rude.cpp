#include "probe/rude.hpp"

#include <algorithm>

#include "probe/pattern.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"

namespace co_wq::probe {
namespace {

using namespace std::chrono_literals;
constexpr duration between_deeds = 10ms;
constexpr duration between_slow_bytes = 100ms;
constexpr std::uint64_t announced_bytes = 1024 * 1024;

}  // namespace

namespace {

// What fits into one piece: a rude client sends or breaks it off in its own ways.
load_options with_small_body(const load_options& chosen) {
    load_options made = chosen;
    made.body_bytes = std::min<std::uint64_t>(made.body_bytes, small_body_bytes);
    return made;
}

}  // namespace

rude_client::rude_client(load_loop& owner, unsigned index)
    : owner_(owner),
      request_(with_small_body(owner.chosen), owner.chosen.fault == fault_kind::early_data),
      index_(index),
      turn_(index) {}

task<void> rude_client::run() {
    const result<void> waited = co_await sleep_until(owner_.when.rude);
    if (!waited) co_return;
    for (;;) {
        ++owner_.count.rude_deeds;
        // slow ones are to last; all others are bounded as good ones are
        if (owner_.chosen.fault == fault_kind::slow) {
            co_await misbehave();
        } else {
            co_await with_timeout(owner_.chosen.timeout, misbehave());
        }
        channel_.reset();
        const result<void> rested = co_await sleep_for(between_deeds);
        if (!rested) co_return;
    }
}

task<void> rude_client::misbehave() {
    switch (owner_.chosen.fault) {
        case fault_kind::rst:
        case fault_kind::abort_at: co_await break_off(next_phase()); break;
        case fault_kind::half_close: co_await half_close(); break;
        case fault_kind::early_data: co_await send_early(); break;
        case fault_kind::slow:
            if (index_ % 2 == 0) {
                co_await send_slowly();
            } else {
                co_await read_nothing();
            }
            break;
        case fault_kind::none: break;
    }
}

phase rude_client::next_phase() noexcept {
    if (owner_.chosen.fault == fault_kind::abort_at) return owner_.chosen.abort_phase;
    for (;;) {
        const phase where = static_cast<phase>(turn_++ % phases);
        if (owner_.chosen.way.tunnelled() || (where != phase::half_tunnel && where != phase::tunnel)) return where;
    }
}

// All the way to the target.
task<bool> rude_client::reach() {
    const outcome there = co_await owner_.ways.open(channel_);
    if (!there) ++owner_.count.rude_unable;
    co_return static_cast<bool>(there);
}

task<bool> rude_client::say(std::string_view text) {
    const result<void> sent = co_await channel_.send(as_bytes(text));
    co_return sent.has_value();
}

task<void> rude_client::break_off(phase where) {
    if (where == phase::connect || where == phase::half_tunnel) {
        const outcome there = co_await owner_.ways.open_first_hop(channel_);
        if (!there) ++owner_.count.rude_unable;
        if (!there || where == phase::connect) co_return;
        const std::string greeting = owner_.ways.tunnel_request();
        co_await say(std::string_view(greeting).substr(0, greeting.size() / 2));
        co_return;
    }
    const bool there = co_await reach();
    if (!there || where == phase::tunnel) co_return;
    if (where == phase::upload) {
        co_await break_off_in_upload();
        co_return;
    }
    const std::string_view head = request_.head;
    const std::size_t size = where == phase::half_head ? head.size() / 2 : head.size();
    co_await say(head.substr(0, size));
    if (where != phase::first_byte) co_return;
    const result<std::size_t> got = co_await channel_.fill();
    if (got && *got == 0) ++owner_.count.rude_ended;
}

task<void> rude_client::break_off_in_upload() {
    load_options announced = owner_.chosen;
    announced.body_bytes = announced_bytes;
    const request large(announced, false);
    const bool sent = co_await say(large.head);
    for (std::uint64_t at = 0; sent && at < announced_bytes / 2;) {
        const const_bytes piece = pattern(at, announced_bytes / 2 - at);
        const result<void> more = co_await channel_.send(piece);
        if (!more) co_return;
        at += piece.size();
    }
}

task<void> rude_client::expect_answer() {
    exchange one(channel_, request_);
    const outcome got = co_await one.receive();
    if (got) {
        ++owner_.count.rude_answered;
    } else if (got.how != ending::stopped) {
        ++owner_.count.rude_ended;
    }
}

task<void> rude_client::half_close() {
    const bool there = co_await reach();
    if (!there) co_return;
    const bool sent = co_await say(request_.head);
    if (!sent || !channel_.shutdown_send()) co_return;
    co_await expect_answer();
}

task<void> rude_client::send_slowly() {
    const bool there = co_await reach();
    if (!there) co_return;
    for (std::size_t at = 0; at + 1 < request_.head.size(); ++at) {
        const bool sent = co_await say(std::string_view(request_.head).substr(at, 1));
        if (!sent) {
            ++owner_.count.rude_ended;
            co_return;
        }
        const result<void> rested = co_await sleep_for(between_slow_bytes);
        if (!rested) co_return;
    }
}

// What does not come to an end by itself lasts until the run does.
task<void> rude_client::read_nothing() {
    const bool there = co_await reach();
    if (!there) co_return;
    const bool sent = co_await say(request_.head);
    if (sent) co_await sleep_for(std::chrono::hours(24));
}

task<void> rude_client::send_early() {
    const way& how = owner_.chosen.way;
    if (!how.tunnelled()) {
        const bool there = co_await reach();
        if (!there) co_return;
        const std::string twice = request_.head + request_.head;
        const bool sent = co_await say(twice);
        if (sent) co_await expect_answer();
        if (sent && channel_.is_open()) co_await expect_answer();
        co_return;
    }
    const outcome there = co_await owner_.ways.open_first_hop(channel_);
    if (!there) {
        ++owner_.count.rude_unable;
        co_return;
    }
    // the beginning of a TLS record for https, of which the rest never comes
    const std::string first = how.target.secure ? std::string("\x16\x03\x01\x02\x00\x01", 6) : request_.head;
    const bool sent = co_await say(owner_.ways.tunnel_request() + first);
    if (!sent) co_return;
    if (how.through->kind != proxy_kind::http || how.target.secure) {
        const result<std::size_t> got = co_await channel_.fill();
        if (!got || *got == 0) ++owner_.count.rude_ended;
        co_return;
    }
    const outcome open = co_await owner_.ways.connect_answer(channel_);
    if (open) {
        co_await expect_answer();
    } else if (open.how != ending::stopped) {
        ++owner_.count.rude_ended;
    }
}

}  // namespace co_wq::probe
