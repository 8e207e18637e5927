#include "probe/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <stdexcept>

#include "base/os/limits.hpp"
#include "io/runtime.hpp"
#include "io/signal.hpp"
#include "net/tls/errors.hpp"
#include "probe/client.hpp"
#include "probe/live_line.hpp"
#include "probe/rude.hpp"
#include "sync/sleep.hpp"

namespace co_wq::probe {
namespace {

using namespace std::chrono_literals;

std::optional<net::tls::client_context> make_context(const load_options& chosen) {
    if (!chosen.way.target.secure) return std::nullopt;
    net::tls::client_options wanted;
    wanted.sessions_max = 0;  // every handshake is a whole one
    wanted.without_verification = chosen.insecure;
    if (!chosen.ca.empty()) {
        auto trusted = net::tls::trust::from_file(chosen.ca);
        if (!trusted) throw std::runtime_error("--ca " + chosen.ca + ": " + net::tls::explain(trusted.error()));
        wanted.trusted = std::move(*trusted);
    }
    auto made = net::tls::client_context::make(std::move(wanted));
    if (!made) throw std::runtime_error("TLS: " + net::tls::explain(made.error()));
    return std::move(*made);
}

// Of `all`, shared among `loops`, the part of one.
unsigned share(unsigned all, unsigned loops, unsigned index) noexcept {
    return all / loops + (index < all % loops ? 1 : 0);
}

class load {
public:
    load(const load_options& chosen, const std::string& label);
    figures run();

private:
    task<void> run_loop(io::event_loop& loop, unsigned index);
    task<void> watch_signals(io::event_loop& loop);
    task<void> tick(load_loop& mine, std::size_t& published, unsigned index);
    task<void> show(live_line& screen, std::size_t index);
    static task<void> run_client(load_loop& mine);
    static task<void> run_rude(load_loop& mine, unsigned index);
    void stop_all();

    // One loop's clients, for as long as they can be told to stop.
    class known_clients {
    public:
        known_clients(load& owner, io::event_loop& loop, counting_scope& clients) : owner_(owner), clients_(clients) {
            const std::scoped_lock guard(owner_.lock_);
            owner_.clients_.emplace_back(&loop, &clients);
        }
        known_clients(const known_clients&) = delete;
        known_clients& operator=(const known_clients&) = delete;
        ~known_clients() {
            const std::scoped_lock guard(owner_.lock_);
            std::erase_if(owner_.clients_, [this](const auto& one) { return one.second == &clients_; });
        }

    private:
        load& owner_;
        counting_scope& clients_;
    };

    load_options chosen_;
    std::string label_;
    std::optional<net::tls::client_context> context_;
    times when_;
    io::runtime runtime_;
    board board_;
    std::atomic<bool> stopping_{false};
    std::mutex lock_;
    std::vector<std::pair<io::event_loop*, counting_scope*>> clients_;
    time_point stopped_at_{};
    bool shown_ = false;  // the progress line, by the first loop
    figures result_;
};

load::load(const load_options& chosen, const std::string& label)
    : chosen_(chosen),
      label_(label),
      context_(make_context(chosen)),
      runtime_({.threads = chosen.threads, .reactor = chosen.reactor}),
      board_(chosen.threads) {
    when_.start = steady_now() + 10ms;  // when all loops are there
    when_.begin = when_.start + chosen.warmup;
    when_.end = when_.begin + chosen.length;
    when_.rude = chosen.fault == fault_kind::none ? no_deadline : when_.begin + chosen.length / 2;
}

figures load::run() {
    result_.chosen = chosen_;
    result_.descriptors = os::raise_descriptor_limit();
    runtime_.run([this](io::event_loop& loop, unsigned index) { return run_loop(loop, index); });
    if (shown_) std::fputs("\r\x1b[K", stderr);
    result_.interrupted = stopping_.load();
    result_.seconds = board_.seconds();
    const time_point until = result_.interrupted ? std::clamp(stopped_at_, when_.begin, when_.end) : when_.end;
    result_.measured_s = std::chrono::duration<double>(until - when_.begin).count();
    return std::move(result_);
}

task<void> load::run_client(load_loop& mine) {
    client one(mine);
    co_await one.run();
}

task<void> load::run_rude(load_loop& mine, unsigned index) {
    rude_client one(mine, index);
    co_await one.run();
}

void load::stop_all() {
    {
        const std::scoped_lock guard(lock_);
        stopped_at_ = steady_now();
    }
    stopping_.store(true);
    runtime_.each([this](io::event_loop& loop) {
        const std::scoped_lock guard(lock_);
        for (const auto& [where, clients] : clients_) {
            if (where == &loop) clients->request_stop();
        }
    });
}

task<void> load::watch_signals(io::event_loop& loop) {
    io::signal_set signals(loop, {io::signals::interrupt, io::signals::terminate});
    const result<io::signal_info> which = co_await signals.next();
    if (which) stop_all();
}

task<void> load::show(live_line& screen, std::size_t index) {
    co_await sleep_for(50ms);  // until the other loops have told theirs
    const second one = board_.at(index);
    const std::string line =
        fmt::format("{} {} s  {} /s  {} errors  p50 {:.3f} ms  p99 {:.3f} ms{}", label_, index + 1, one.answered,
                    one.failed, static_cast<double>(one.p50_ns) / 1e6, static_cast<double>(one.p99_ns) / 1e6,
                    chosen_.rate > 0 ? fmt::format("  backlog {}", one.backlog) : "");
    shown_ = true;
    co_await screen.show(line);
}

task<void> load::tick(load_loop& mine, std::size_t& published, unsigned index) {
    std::unique_ptr<live_line> screen;
    if (index == 0 && !label_.empty()) {
        result<std::unique_ptr<live_line>> made = live_line::open(mine.loop);
        if (made) screen = std::move(*made);
    }
    for (;;) {
        const time_point next = when_.begin + std::chrono::seconds(published + 1);
        if (next > when_.end) break;
        const result<void> slept = co_await sleep_until(next);
        if (!slept) break;
        (void)board_.publish(published, mine.take_window());
        ++published;
        if (screen) co_await show(*screen, published - 1);
    }
}

task<void> load::run_loop(io::event_loop& loop, unsigned index) {
    load_loop mine(loop, chosen_, context_, when_, index);
    std::size_t published = 0;
    counting_scope clients(loop), others(loop);
    const known_clients known(*this, loop, clients);
    const unsigned rude = chosen_.rude();
    for (unsigned i = 0; i < share(chosen_.connections - rude, chosen_.threads, index); ++i)
        clients.spawn(run_client(mine), "client");
    for (unsigned i = 0; i < share(rude, chosen_.threads, index); ++i) others.spawn(run_rude(mine, i), "rude client");
    others.spawn(tick(mine, published, index), "seconds");
    if (index == 0) others.spawn(watch_signals(loop), "signals");
    if (stopping_.load()) clients.request_stop();
    co_await clients.join();
    others.destroy_all();

    const time_point now = std::min(loop.now(), when_.end);
    mine.count.not_started = mine.pace.backlog(now);
    mine.count.oldest = mine.pace.oldest(now);
    mine.count.backlog_max = std::max(mine.count.backlog_max, mine.count.not_started);
    window rest = mine.take_window();
    if (rest.failed || rest.latency.count()) (void)board_.publish(published, std::move(rest));
    const std::scoped_lock guard(lock_);
    result_.total.merge(mine.count);
}

}  // namespace

figures run_load(const load_options& chosen, const std::string& label) { return load(chosen, label).run(); }

}  // namespace co_wq::probe
