// The pump between two streams of any kind; those of TCP are spliced.
#pragma once

#include <algorithm>
#include <type_traits>

#include "net/idle_guard.hpp"
#include "net/pump.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"

namespace co_wq::net::detail {

inline constexpr std::size_t pump_block_bytes = 16 * 1024;
inline constexpr int full_blocks_before_splice = 4;

end_reason reason_of(error what) noexcept;

// What both directions share.
class tunnel : public idle_guard {
public:
    tunnel(io::event_loop& loop, const pump_options& options, pump_progress& progress) noexcept
        : idle_guard(loop, options.idle_timeout),
          options_(options),
          progress_(progress),
          paced_forth_(progress.bytes_forth),
          paced_back_(progress.bytes_back) {}

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
    // A pipe takes more than a slow pace allows.
    bool may_splice() const noexcept {
        const bool slow = options_.pace && options_.pace->piece_max() < io::pipe_pool::capacity_bytes;
        return options_.splice && !slow && loop().reactor().calls().can_splice();
    }
    bool paced() const noexcept { return options_.pace != nullptr; }
    std::size_t piece_max() const noexcept {
        return paced() ? std::min(pump_block_bytes, options_.pace->piece_max()) : pump_block_bytes;
    }
    // So often a direction that waits for its pace has to say that it is not idle.
    duration touch_interval() const noexcept {
        const duration half = options_.idle_timeout / 2;
        return half > duration::zero() ? half : std::chrono::hours(1);
    }
    // How long the direction that counts here has to wait for what it carried since it was asked last.
    duration owed(const std::uint64_t& count) noexcept {
        if (!paced()) return duration::zero();
        const bool forth = &count == &progress_.bytes_forth;
        const std::uint64_t before = std::exchange(forth ? paced_forth_ : paced_back_, count);
        return options_.pace->took(forth, static_cast<std::size_t>(count - before), loop().now());
    }

private:
    const pump_options& options_;
    pump_progress& progress_;
    std::uint64_t paced_forth_, paced_back_;
};

struct step_result {
    bool goes_on;
    end_reason end;
};

inline step_result stop(error what) noexcept { return {false, reason_of(what)}; }

// Until the pace allows more, without seeming idle.
task<result<void>> pause(tunnel& both, duration owed);

// Pauses, if owed is anything; if splice, waits for bytes then, and splices until the sender pauses or ends; with a
// pace, once. One task for both: a second one that carry awaits makes its frame 16 bytes larger, which is a size class
// of the pool, or 128 bytes for each idle tunnel.
task<step_result> pause_and_splice(tunnel& both, tcp_stream& from, tcp_stream& to, std::uint64_t& count, duration owed,
                                   bool splice);
task<step_result> pause_only(tunnel& both, duration owed);

// One direction, in one frame, since an idle tunnel holds it.
template <class From, class To>
task<direction_result> carry(tunnel& both, From& from, To& to, std::uint64_t& count) {
    constexpr bool sockets = std::is_same_v<From, tcp_stream> && std::is_same_v<To, tcp_stream>;
    end_reason end = end_reason::eof;
    int full_blocks = 0;
    for (;;) {
        const duration owed = both.owed(count);
        if constexpr (sockets) {
            const bool splice = full_blocks >= full_blocks_before_splice && both.may_splice();
            if (splice || owed > duration::zero()) {
                const step_result step = co_await pause_and_splice(both, from, to, count, owed, splice);
                end = step.end;
                if (!step.goes_on) break;
                if (splice) full_blocks = full_blocks_before_splice - 1;
            }
        } else if (owed > duration::zero()) {
            const step_result step = co_await pause_only(both, owed);
            end = step.end;
            if (!step.goes_on) break;
        }
        result<io::lease> got = co_await from.recv_lease(both.piece_max());
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
    (void)both.owed(count);  // of what came last, others who share the pace are told
    both.ended(end, to);
    co_return direction_result{count, end};
}

template <class First, class Second>
task<pump_result> run_pump(First& first, Second& second, pump_options options, pump_progress* progress) {
    pump_progress own;
    tunnel both(first.loop(), options, progress ? *progress : own);
    const auto both_ends = co_await when_all_in(both.scope(), carry(both, first, second, both.progress().bytes_forth),
                                                carry(both, second, first, both.progress().bytes_back));
    const auto broken = [](const direction_result& one) {
        return one.end != end_reason::eof && one.end != end_reason::idle;
    };
    if (broken(std::get<0>(both_ends)) || broken(std::get<1>(both_ends))) {
        first.reset();
        second.reset();
    }
    co_return pump_result{std::get<0>(both_ends), std::get<1>(both_ends)};
}

}  // namespace co_wq::net::detail
