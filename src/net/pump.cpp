#include "net/pump.hpp"

#include "net/idle_guard.hpp"
#include "sync/with_scope.hpp"
#include "task/when.hpp"

namespace co_wq::net {

const char* name_of(end_reason reason) noexcept {
    static constexpr const char* names[] = {"eof", "reset", "failed", "idle", "stopped"};
    return names[static_cast<unsigned>(reason)];
}

namespace {

constexpr std::size_t block_bytes = 16 * 1024;
constexpr int full_blocks_before_splice = 4;

end_reason reason_of(error what) noexcept {
    switch (what.code()) {
        case errc::connection_reset:
        case errc::broken_pipe: return end_reason::reset;
        case errc::timed_out: return end_reason::idle;
        case errc::stopped:
        case errc::closed: return end_reason::stopped;
        default: return end_reason::failed;
    }
}

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
    bool may_splice() const noexcept { return options_.splice && loop().reactor().calls().can_splice(); }

private:
    const pump_options& options_;
    pump_progress& progress_;
};

// A pipe of the loop's pool, for as long as a direction is busy.
class borrowed_pipe {
public:
    explicit borrowed_pipe(io::event_loop& loop) noexcept : loop_(loop) {}
    borrowed_pipe(const borrowed_pipe&) = delete;
    borrowed_pipe& operator=(const borrowed_pipe&) = delete;
    ~borrowed_pipe() { give_back(); }

    bool take() noexcept {
        result<io::pipe_pair> got = loop_.pipes().take(loop_.reactor().calls());
        if (!got) return false;
        pipe_ = *got;
        held_ = true;
        return true;
    }
    void give_back() noexcept {
        if (std::exchange(held_, false)) loop_.pipes().give_back(loop_.reactor().calls(), pipe_);
    }
    io::pipe_pair& pipe() noexcept { return pipe_; }

private:
    io::event_loop& loop_;
    io::pipe_pair pipe_{};
    bool held_ = false;
};

struct step_result {
    bool goes_on;
    end_reason end;
};

step_result stop(error what) noexcept { return {false, reason_of(what)}; }

// Splices until the sender pauses or ends.
task<step_result> splice_burst(tunnel& both, tcp_stream& from, tcp_stream& to, std::uint64_t& count) {
    borrowed_pipe lent(both.loop());
    if (!lent.take()) co_return step_result{true, end_reason::eof};
    do {
        const result<std::size_t> got = co_await from.socket().recv(lent.pipe());
        if (!got) co_return stop(got.error());
        if (*got == 0) co_return step_result{false, end_reason::eof};
        both.touch();
        const result<void> sent = co_await to.socket().send_all(lent.pipe());
        if (!sent) co_return stop(sent.error());
        count += *got;
        both.touch();
    } while (from.socket().maybe_readable());
    co_return step_result{true, end_reason::eof};
}

task<end_reason> carry(tunnel& both, tcp_stream& from, tcp_stream& to, std::uint64_t& count) {
    int full_blocks = 0;
    for (;;) {
        if (full_blocks >= full_blocks_before_splice && both.may_splice()) {
            // wait without holding a pipe
            if (!from.socket().maybe_readable()) {
                const result<void> ready = co_await from.socket().ready(io::direction::read);
                if (!ready) co_return reason_of(ready.error());
            }
            const step_result burst = co_await splice_burst(both, from, to, count);
            if (!burst.goes_on) co_return burst.end;
            full_blocks = full_blocks_before_splice - 1;
        }
        result<io::lease> got = co_await from.recv_lease(block_bytes);
        if (!got) co_return reason_of(got.error());
        if (got->empty()) co_return end_reason::eof;
        both.touch();
        full_blocks = got->size() == block_bytes ? full_blocks + 1 : 0;
        const std::size_t size = got->size();
        const result<void> sent = co_await to.send_all(got->data());
        if (!sent) co_return reason_of(sent.error());
        count += size;
        both.touch();
    }
}

task<direction_result> run_direction(tunnel& both, tcp_stream& from, tcp_stream& to, std::uint64_t& count) {
    const end_reason end = co_await carry(both, from, to, count);
    if (end == end_reason::eof) {
        (void)to.shutdown_send();
    } else {
        both.scope().cancel(end == end_reason::idle ? errc::timed_out : errc::stopped);
    }
    co_return direction_result{count, end};
}

task<pump_result> run_both(tunnel& both, tcp_stream& first, tcp_stream& second) {
    auto [forth, back] = co_await when_all(run_direction(both, first, second, both.progress().bytes_forth),
                                           run_direction(both, second, first, both.progress().bytes_back));
    co_return pump_result{forth, back};
}

}  // namespace

task<pump_result> pump(tcp_stream& first, tcp_stream& second, pump_options options, pump_progress* progress) {
    pump_progress own;
    tunnel both(first.loop(), options, progress ? *progress : own);
    const pump_result done = co_await with_scope(both.scope(), run_both(both, first, second));
    const bool clean = done.forth.end == end_reason::eof && done.back.end == end_reason::eof;
    const auto broken = [](end_reason end) { return end != end_reason::eof && end != end_reason::idle; };
    if (!clean && (broken(done.forth.end) || broken(done.back.end))) {
        first.reset();
        second.reset();
    }
    co_return done;
}

}  // namespace co_wq::net
