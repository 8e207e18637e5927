#include "net/pump.hpp"

#include "net/detail/pump_run.hpp"

namespace co_wq::net {

const char* name_of(end_reason reason) noexcept {
    static constexpr const char* names[] = {"eof", "reset", "failed", "idle", "stopped"};
    return names[static_cast<unsigned>(reason)];
}

namespace detail {

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

}  // namespace detail

namespace {

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

}  // namespace

namespace detail {

task<result<void>> pause(tunnel& both, duration owed) {
    const duration step = both.touch_interval();
    const time_point until = saturating_add(both.loop().now(), owed);
    for (time_point now = both.loop().now(); now < until; now = both.loop().now()) {
        const result<void> slept = co_await sleep_for(std::min(step, until - now));
        if (!slept) co_return slept;
        both.touch();
    }
    co_return result<void>();
}

task<step_result> pause_only(tunnel& both, duration owed) {
    const result<void> paused = co_await pause(both, owed);
    if (!paused) co_return stop(paused.error());
    co_return step_result{true, end_reason::eof};
}

task<step_result> pause_and_splice(tunnel& both, tcp_stream& from, tcp_stream& to, std::uint64_t& count, duration owed,
                                   bool splice) {
    if (owed > duration::zero()) {
        const result<void> paused = co_await pause(both, owed);
        if (!paused) co_return stop(paused.error());
    }
    if (!splice) co_return step_result{true, end_reason::eof};
    // wait without holding a pipe
    if (!from.socket().maybe_readable()) {
        const result<void> ready = co_await from.socket().ready(io::direction::read);
        if (!ready) co_return stop(ready.error());
    }
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
    } while (!both.paced() && from.socket().maybe_readable());
    co_return step_result{true, end_reason::eof};
}

}  // namespace detail

task<pump_result> pump(tcp_stream& first, tcp_stream& second, pump_options options, pump_progress* progress) {
    return detail::run_pump(first, second, options, progress);
}

}  // namespace co_wq::net
