// proxy_server: one loop's share of the proxy: its listener, its sessions, its upstream pool.
// server_group: all loops' shares, and what they have in common.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "io/runtime.hpp"
#include "net/dns/resolver.hpp"
#include "net/tcp.hpp"
#include "proxy/options.hpp"
#include "proxy/seeing/seeing.hpp"
#include "proxy/upstream_pool.hpp"
#include "task/scope.hpp"

namespace co_wq::proxy {

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
    std::uint32_t connections_max() const noexcept { return connections_max_; }
    proxy::seeing& seeing() noexcept { return seeing_; }
    // One more connection; false: there are as many as allowed.
    bool reserve() noexcept {
        if (connections_.fetch_add(1, std::memory_order_relaxed) < connections_max_) return true;
        unreserve();
        return false;
    }
    std::uint32_t connections() const noexcept { return connections_.load(std::memory_order_relaxed); }
    // It has been told to end.
    bool draining() const noexcept { return draining_.load(std::memory_order_relaxed); }
    // Asks each loop to bring its figures up to date, and waits for none.
    void refresh_figures();
    // Asks each loop for its tunnels; how many loops.
    std::size_t survey(const std::shared_ptr<tunnel_survey>& into);
    void unreserve() noexcept { connections_.fetch_sub(1, std::memory_order_relaxed); }

private:
    task<void> run_loop(io::event_loop& loop, unsigned index);
    task<void> watch_signals(io::event_loop& loop);
    task<void> watch_reopen(io::event_loop& loop);
    result<void> open_listeners();
    bool open_seeing();
    void each_server(void (proxy_server::*act)());
    // On a loop's own thread: its server, or null.
    proxy_server* server_of(const io::event_loop& loop);
    void start_admin(io::event_loop& loop, std::optional<admin_server>& admin, counting_scope& tasks);
    task<void> wait_for_other_loops();

    static constexpr int backlog = 4096;

    options options_;
    std::string pseudonym_;
    std::uint32_t connections_max_ = 0;
    proxy::seeing seeing_;
    io::runtime runtime_;
    io::socket_address where_;
    std::atomic<std::uint32_t> connections_{0};
    std::atomic<bool> draining_{false};
    std::atomic<unsigned> loops_left_;
    io::native_handle admin_listener_ = io::no_handle;
    std::vector<io::native_handle> listeners_;  // one per loop, each taken over by its server
    std::mutex lock_;
    std::vector<std::pair<io::event_loop*, proxy_server*>> servers_;
    void (proxy_server::*ordered_)() = nullptr;  // what a server that starts late has to do at once
};

class proxy_server {
public:
    proxy_server(server_group& group, io::event_loop& loop, net::tcp_listener listener);
    ~proxy_server();

    // Accepts until drained; ends when the last session has.
    task<void> run();
    // No new connections; idle ones end; requests and tunnels under way may finish within the drain timeout.
    void drain();
    // Everything ends now.
    void end();
    void refresh_figures() noexcept { seeing_.refresh(pool_.size(), resolver_.counters()); }

    server_group& group() noexcept { return group_; }
    const limits& limit() const noexcept { return group_.chosen().limit; }
    io::event_loop& loop() noexcept { return loop_; }
    upstream_pool& pool() noexcept { return pool_; }
    net::dns::resolver& resolver() noexcept { return resolver_; }
    bool draining() const noexcept { return draining_; }
    loop_seeing& seeing() noexcept { return seeing_; }
    loop_figures& count() noexcept { return seeing_.figures(); }

    // Sessions that wait for a request and can be ended without harm.
    void enter_idle(session& one) noexcept;

private:
    struct drain_timer : timer {
        explicit drain_timer(proxy_server& owner) noexcept
            : timer([](timer& self) noexcept { static_cast<drain_timer&>(self).server.end(); }), server(owner) {}
        proxy_server& server;
    };

    task<void> with_accepting_scope();
    task<void> accept_loop();
    task<void> wait_for_room();
    task<void> serve(net::tcp_stream client);

    server_group& group_;
    io::event_loop& loop_;
    net::tcp_listener listener_;
    net::dns::resolver resolver_;
    upstream_pool pool_;
    loop_seeing seeing_;
    bool draining_ = false;
    drain_timer drain_timer_;
    cancel_scope accepting_;
    intrusive_list<session> idle_;
    counting_scope sessions_;
};

}  // namespace co_wq::proxy
