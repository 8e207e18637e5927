// The pump between two streams of any kind; those of TCP are spliced.
#pragma once

#include <type_traits>

#include "net/idle_guard.hpp"
#include "net/pump.hpp"
#include "task/when.hpp"

namespace co_wq::net::detail {

inline constexpr std::size_t pump_block_bytes = 16 * 1024;
inline constexpr int full_blocks_before_splice = 4;

end_reason reason_of(error what) noexcept;

// What both directions share.
class tunnel : public idle_guard {
public:
    tunnel(io::event_loop& loop, const pump_options& options, pump_progress& progress) noexcept
        : idle_guard(loop, options.idle_timeout), options_(options), progress_(progress) {}

    pump_progress& progress() noexcept { return progress_; }
    void touch() noexcept {
        idle_guard::touch();
        progress_.touched = loop().turn_time();
    }
    // An end is passed on as one; anything else ends both directions.
    template <class To>
    void ended(end_reason how, To& to) noexcept {
        if (how == end_reason::eof) {
            (void)to.shutdown_send();
        } else {
            scope().cancel(how == end_reason::idle ? errc::timed_out : errc::stopped);
        }
    }
    bool may_splice() const noexcept { return options_.splice && loop().reactor().calls().can_splice(); }

private:
    const pump_options& options_;
    pump_progress& progress_;
};

struct step_result {
    bool goes_on;
    end_reason end;
};

inline step_result stop(error what) noexcept { return {false, reason_of(what)}; }

// Waits for bytes, then splices until the sender pauses or ends.
task<step_result> splice_burst(tunnel& both, tcp_stream& from, tcp_stream& to, std::uint64_t& count);

// One direction, in one frame, since an idle tunnel holds it.
template <class From, class To>
task<direction_result> carry(tunnel& both, From& from, To& to, std::uint64_t& count) {
    constexpr bool sockets = std::is_same_v<From, tcp_stream> && std::is_same_v<To, tcp_stream>;
    end_reason end = end_reason::eof;
    int full_blocks = 0;
    for (;;) {
        if constexpr (sockets) {
            if (full_blocks >= full_blocks_before_splice && both.may_splice()) {
                const step_result burst = co_await splice_burst(both, from, to, count);
                end = burst.end;
                if (!burst.goes_on) break;
                full_blocks = full_blocks_before_splice - 1;
            }
        }
        result<io::lease> got = co_await from.recv_lease(pump_block_bytes);
        if (!got) end = reason_of(got.error());
        if (!got || got->empty()) break;
        both.touch();
        if constexpr (sockets) full_blocks = got->size() == pump_block_bytes ? full_blocks + 1 : 0;
        const std::size_t size = got->size();
        const result<void> sent = co_await to.send_all(got->data());
        if (!sent) end = reason_of(sent.error());
        if (!sent) break;
        count += size;
        both.touch();
    }
    both.ended(end, to);
    co_return direction_result{count, end};
}

template <class First, class Second>
task<pump_result> run_pump(First& first, Second& second, pump_options options, pump_progress* progress) {
    pump_progress own;
    tunnel both(first.loop(), options, progress ? *progress : own);
    auto [forth, back] = co_await when_all_in(both.scope(), carry(both, first, second, both.progress().bytes_forth),
                                              carry(both, second, first, both.progress().bytes_back));
    const pump_result done{forth, back};
    const bool clean = done.forth.end == end_reason::eof && done.back.end == end_reason::eof;
    const auto broken = [](end_reason end) { return end != end_reason::eof && end != end_reason::idle; };
    if (!clean && (broken(done.forth.end) || broken(done.back.end))) {
        first.reset();
        second.reset();
    }
    co_return done;
}

}  // namespace co_wq::net::detail
