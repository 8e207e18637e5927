// The watch over the whole: signals, reloads, upgrades, and what a supervisor wants to hear.
#include <csignal>

#include "base/os/service.hpp"
#include "io/signal.hpp"
#include "proxy/reload.hpp"
#include "proxy/seeing/admin_server.hpp"
#include "proxy/server.hpp"
#include "proxy/service.hpp"
#include "proxy/upstream/parent_checks.hpp"
#include "sync/sleep.hpp"

namespace co_wq::proxy {

// All loops have their servers. Called once, under the lock.
void server_group::serving() {
    if (ready_ >= 0) report_taken_over(std::exchange(ready_, -1));
    os::notify_supervisor("READY=1\nSTATUS=serving on " + where_.front().text());
}

// A supervisor restarts us when a loop has stopped turning.
task<void> server_group::feed_watchdog(duration limit) {
    for (;;) {
        {
            const std::scoped_lock guard(lock_);
            if (loops_alive_ >= loops_asked_) os::notify_supervisor("WATCHDOG=1");
            loops_alive_ = 0;
            loops_asked_ = static_cast<unsigned>(servers_.size());
        }
        runtime_.each([this](io::event_loop&) { loops_alive_.fetch_add(1, std::memory_order_relaxed); });
        const result<void> slept = co_await sleep_for(limit / 2);
        if (!slept) co_return;
    }
}

task<void> server_group::watch_reload(io::event_loop& loop) {
    io::signal_set signals(loop, {io::signals::hang_up});
    for (;;) {
        const result<io::signal_info> which = co_await signals.next();
        if (!which) co_return;
        os::notify_supervisor(os::reloading_message());
        co_await reload();
        os::notify_supervisor("READY=1");
    }
}

// All of the new rules, or, if anything is wrong, all of the old ones.
task<void> server_group::reload() {
    if (!reader_) reader_ = std::make_unique<thread_pool>(1, "reload");
    // parents bring their trust in files, too: all that is read is read there
    auto read = [self = options_.self, before = rules()] {
        read_again_result made = read_again(self);
        if (!made.problems.empty()) return made;
        std::string wrong = upstream::prepare_ways(made.chosen.rules, &before->chosen());
        if (!wrong.empty()) made.problems.push_back(std::move(wrong));
        return made;
    };
    read_again_result now = co_await reader_->run(std::move(read));
    if (now.problems.empty()) {
        const std::string wrong = tls_.check(now.tls);
        if (!wrong.empty()) now.problems.push_back(wrong);
    }
    if (now.problems.empty()) {
        const std::string wrong = set_rules(std::move(now.chosen.rules));
        if (!wrong.empty()) now.problems.push_back(wrong);
        if (wrong.empty()) set_limits(now.chosen.limit);
    }
    if (now.problems.empty()) {
        tls_.reload(std::move(now.tls));
        if (parent_checks_) parent_checks_->changed();
        log::milestone("reloaded: rules, users, limits and certificates (what else has changed, {} takes)", renewal);
        co_return;
    }
    for (const std::string& each : now.problems) log::error("reload: {}", on_one_line(each));
    log::error("not reloaded: everything stays as it was");
}

// A newer program takes over; once it serves, we finish what is under way.
task<void> server_group::upgrade(io::event_loop& loop) {
    log::info("handing over to {}", options_.self.path);
    std::vector<io::native_handle> all;
    for (const std::vector<io::native_handle>& each : listeners_) all.insert(all.end(), each.begin(), each.end());
    if (admin_listener_ != io::no_handle) all.push_back(admin_listener_);
    const result<int> taken = co_await hand_over(loop, options_.self, all, upgrade_limit);
    upgrading_ = false;
    if (!taken) {
        log::error("the new process did not take over ({}): this one goes on", taken.error().message());
        co_return;
    }
    if (ordered_) co_return;  // the end came first
    log::info("process {} has taken over; draining", *taken);
    os::notify_supervisor("MAINPID=" + std::to_string(*taken));
    if (admin_) admin_->stop();
    shared_ = true;
    each_server(&proxy_server::drain);
}

// The first signal drains, the second ends.
task<void> server_group::watch_signals(io::event_loop& loop) {
    io::signal_set signals(loop, {io::signals::interrupt, io::signals::terminate, io::signals::user_2});
    counting_scope upgrades(loop);
    for (int received = 0;;) {
        const result<io::signal_info> which = co_await signals.next();
        if (!which) co_return;
        if (which->number == io::signals::user_2) {
            if (ordered_ || std::exchange(upgrading_, true)) {
                log::warn("SIGUSR2: the end or an upgrade is under way");
            } else {
                upgrades.spawn(upgrade(loop), "upgrade");
            }
            continue;
        }
        const auto limit = std::chrono::ceil<std::chrono::milliseconds>(options_.limit.drain_timeout);
        os::notify_supervisor(os::stopping_message(limit + end_limit));
        upgrades.destroy_all();  // a new process that does not serve yet ends, too
        if (received == 0) {
            log::milestone("draining: at most {} ms for what is under way", limit.count());
        } else {
            log::milestone("ending now");
        }
        if (received++ > 0) {
            each_server(&proxy_server::end);
        } else if (!ordered_) {
            each_server(&proxy_server::drain);
        }
    }
}

// Whoever rotates logs moves the files first.
task<void> server_group::watch_reopen(io::event_loop& loop) {
    io::signal_set signals(loop, {io::signals::user_1});
    for (;;) {
        const result<io::signal_info> which = co_await signals.next();
        if (!which) co_return;
        seeing_.reopen();
        if (options_.log.file.empty()) continue;
        log::options again = options_.log;
        again.append = true;
        const result<void> opened = log::configure(again);
        if (!opened)
            log::warn("--log-file {}: cannot be opened again: {}", on_one_line(again.file), opened.error().message());
    }
}

}  // namespace co_wq::proxy
