// proxy_server: one loop's share of the proxy: its listener, its sessions, its upstream pool.
// server_group: all loops' shares, and what they have in common.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/pool.hpp"
#include "io/runtime.hpp"
#include "net/dns/resolver.hpp"
#include "net/tcp.hpp"
#include "proxy/limits/limiter.hpp"
#include "proxy/options.hpp"
#include "proxy/policy/credentials.hpp"
#include "proxy/seeing/seeing.hpp"
#include "proxy/socks/association.hpp"
#include "proxy/tls_doors.hpp"
#include "proxy/upstream_pool.hpp"
#include "task/scope.hpp"
#include "task/thread_pool.hpp"

namespace co_wq::proxy {

namespace upstream {
class parent_checks;
}
class admin_server;
class session;
class proxy_server;
class tunnel_survey;

class server_group {
public:
    explicit server_group(const options& chosen);

    // Runs the whole proxy; the process's exit code.
    int run();

    const options& chosen() const noexcept { return options_; }
    // Our name in Via: unique to this process, so that a request that comes back to us is recognised.
    const std::string& pseudonym() const noexcept { return pseudonym_; }
    std::uint32_t connections_max() const noexcept { return limiter_.connections_max(); }
    proxy::seeing& seeing() noexcept { return seeing_; }
    proxy::limiter& limiter() noexcept { return limiter_; }
    // One more connection; false: there are as many as allowed.
    bool reserve() noexcept { return limiter_.reserve(); }
    std::uint32_t connections() const noexcept { return limiter_.connections(); }
    // It has been told to end.
    bool draining() const noexcept { return draining_.load(std::memory_order_relaxed); }
    // Another process has the listening sockets, too: it gave them to us, or takes over.
    bool shares_listeners() const noexcept { return shared_; }
    // Asks each loop to bring its figures up to date, and waits for none.
    void refresh_figures();
    // Asks each loop for its tunnels; how many loops.
    // The TLS of the listener at this place; null: it speaks none.
    const net::tls::server_context* tls_of(std::size_t listener) const noexcept { return tls_.at(listener); }
    std::size_t survey(const std::shared_ptr<tunnel_survey>& into);
    // Memory is short: each loop lets go of what it can.
    void shed();
    void unreserve() noexcept { limiter_.unreserve(); }
    // Those of this moment, for a loop that begins; each loop has its copy. Any thread.
    limits chosen_limits() const {
        const std::scoped_lock guard(rules_lock_);
        return options_.limit;
    }
    // Others, for whatever begins from now on. Any thread.
    void set_limits(const limits& chosen);
    // The rules of this moment; whoever is under way keeps those it began with. Any thread.
    std::shared_ptr<const policy::engine> rules() const {
        const std::scoped_lock guard(rules_lock_);
        return rules_;
    }
    // Another number: there are other rules.
    unsigned rules_version() const noexcept { return rules_version_.load(std::memory_order_acquire); }
    // Other rules for whoever comes from now on. The listeners are those that are open: of the given ones only their
    // policies count, by name; their ways are prepared (parent_checks.hpp). What is wrong, in words, and nothing has
    // changed; "": done. Any thread.
    std::string set_rules(policy::settings chosen);
    policy::credential_checker& passwords() noexcept { return passwords_; }
    socks::association_ledger& associations() noexcept { return associations_; }

private:
    task<void> run_loop(io::event_loop& loop, unsigned index);
    task<void> watch_signals(io::event_loop& loop);
    task<void> upgrade(io::event_loop& loop);
    task<void> watch_reload(io::event_loop& loop);
    task<void> reload();
    task<void> feed_watchdog(duration limit);
    void publish(policy::settings chosen);
    result<void> open_listeners();
    void adopt_inherited();
    io::native_handle take_spare(const io::socket_address& where);
    void close_spare();
    result<void> complete(std::size_t place);
    result<void> open_listener(std::size_t place);
    bool become_user() const;
    void serving();
    task<void> watch_reopen(io::event_loop& loop);
    bool open_admin();
    bool open_seeing();
    void each_server(void (proxy_server::*act)());
    // On a loop's own thread: its server, or null.
    proxy_server* server_of(const io::event_loop& loop);
    void start_admin(io::event_loop& loop, std::optional<admin_server>& admin, counting_scope& tasks);
    task<void> wait_for_other_loops();

    static constexpr int backlog = 4096;
    static constexpr std::chrono::seconds end_limit{5};  // for what comes after the drain
    static constexpr duration upgrade_limit = std::chrono::seconds(30);  // until the new process serves

    options options_;
    std::string pseudonym_;
    std::uint32_t connections_by_descriptors_ = 0;
    policy::credential_checker passwords_;  // outlives the loops, whose tasks it serves
    mutable std::mutex rules_lock_;
    std::shared_ptr<const policy::engine> rules_;  // guarded by rules_lock_
    std::atomic<unsigned> rules_version_{0};
    std::unique_ptr<thread_pool> reader_;  // of files, for reloads
    upstream::parent_checks* parent_checks_ = nullptr;  // of the first loop
    std::string wrong_ways_;  // with which it does not run
    proxy::seeing seeing_;
    io::runtime runtime_;
    std::vector<io::socket_address> where_;  // the listeners, as bound
    tls_doors tls_;
    proxy::limiter limiter_;
    // Those of each of the options' listeners: at least one for each loop, which its server takes over.
    std::vector<std::vector<io::native_handle>> listeners_;
    std::atomic<bool> shared_{false};
    int ready_ = -1;  // where the process that handed over waits for word
    unsigned loops_serving_ = 0;
    bool upgrading_ = false;
    std::atomic<unsigned> loops_alive_{0};  // that answered since the watchdog was fed
    unsigned loops_asked_ = 0;
    socks::association_ledger associations_;
    std::atomic<bool> draining_{false};
    std::atomic<unsigned> loops_left_;
    io::native_handle admin_listener_ = io::no_handle;
    admin_server* admin_ = nullptr;  // of the first loop
    std::vector<io::native_handle> spare_;  // handed to us, and nobody's yet
    std::mutex lock_;
    std::vector<std::pair<io::event_loop*, proxy_server*>> servers_;
    void (proxy_server::*ordered_)() = nullptr;  // what a server that starts late has to do at once
};

// A socket that clients come to.
struct door {
    net::tcp_listener listener;
    std::uint32_t place = 0;  // among the options' listeners
};

class proxy_server {
public:
    proxy_server(server_group& group, io::event_loop& loop, net::tcp_listener listener);
    proxy_server(server_group& group, io::event_loop& loop, std::vector<door> doors);
    ~proxy_server();

    // Accepts until drained; ends when the last session has.
    task<void> run();
    // No new connections; who has come already is served once; idle ones end soon; requests and tunnels under way may
    // finish within the drain timeout.
    void drain();
    // Everything ends now.
    void end();
    void refresh_figures() noexcept { seeing_.refresh(pool_.size(), resolver_.counters()); }

    server_group& group() noexcept { return group_; }
    const limits& limit() const noexcept { return limit_; }
    void set_limits(const limits& chosen) noexcept { limit_ = chosen; }
    // Whether new work is to be refused for want of memory.
    bool short_of_memory() {
        return memory_.look(loop_.turn_time(), [this] { group_.shed(); });
    }
    // Lets go of what serves nobody now, and goes on to until there is memory again.
    void shed();
    void give_back();
    io::event_loop& loop() noexcept { return loop_; }
    upstream_pool& pool() noexcept { return pool_; }
    net::dns::resolver& resolver() noexcept { return resolver_; }
    bool draining() const noexcept { return draining_; }
    loop_seeing& seeing() noexcept { return seeing_; }
    loop_figures& count() noexcept { return seeing_.figures(); }

    // Once a second: for lines that clients could cause without end.
    bool may_complain() noexcept {
        const time_point now = loop_.turn_time();
        if (now < next_complaint_) return false;
        next_complaint_ = now + std::chrono::seconds(1);
        return true;
    }
    // A connection ends: its memory may not be needed again.
    void has_left() noexcept;

    // Sessions that wait for a request and can be ended without harm.
    void enter_idle(session& one) noexcept;

private:
    template <void (proxy_server::*Act)()>
    struct drain_timer : timer {
        explicit drain_timer(proxy_server& owner) noexcept
            : timer([](timer& self) noexcept { (static_cast<drain_timer&>(self).server.*Act)(); }), server(owner) {}
        proxy_server& server;
    };

    void end_idle();
    void end_kept();
    task<void> accept_loop(door& from);
    task<void> wait_for_room();
    task<void> serve(net::tcp_stream client, std::uint32_t listener);

    server_group& group_;
    io::event_loop& loop_;
    limits limit_;  // written between two turns
    memory_watch memory_;
    std::vector<door> doors_;
    net::dns::resolver resolver_;
    upstream_pool pool_;
    loop_seeing seeing_;
    bool draining_ = false;
    bool idle_over_ = false;
    drain_timer<&proxy_server::end_idle> idle_timer_;
    drain_timer<&proxy_server::end> drain_timer_;
    drain_timer<&proxy_server::shed> shed_timer_;
    drain_timer<&proxy_server::give_back> trim_timer_;
    time_point next_complaint_{};
    std::size_t kept_before_ = 0;  // by the pool of frames, when it was looked at last
    std::size_t trimmed_ = pool_classes;  // its size classes, so far
    intrusive_list<session> idle_;
    counting_scope sessions_;
};

}  // namespace co_wq::proxy
