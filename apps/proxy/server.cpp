#include "proxy/server.hpp"

#include <csignal>

#include "base/os/limits.hpp"
#include "io/signal.hpp"
#include "net/pump.hpp"
#include "proxy/seeing/admin_server.hpp"
#include "proxy/seeing/tunnel_survey.hpp"
#include "proxy/session.hpp"
#include "sync/sleep.hpp"
#include "sync/with_scope.hpp"

namespace co_wq::proxy {

using namespace std::chrono_literals;

proxy_server::proxy_server(server_group& group, io::event_loop& loop, net::tcp_listener listener)
    : group_(group),
      loop_(loop),
      listener_(std::move(listener)),
      resolver_(loop, group.chosen().names),
      pool_(loop, limit()),
      seeing_(group.seeing(), loop),
      drain_timer_(*this),
      sessions_(loop, [](std::exception_ptr failure, const char* name) {
          try {
              std::rethrow_exception(failure);
          } catch (const std::exception& what) {
              log::error("{} ended with an exception: {}", name, what.what());
          }
      }) {}

proxy_server::~proxy_server() = default;

task<void> proxy_server::run() {
    sessions_.spawn(with_accepting_scope(), "accept");
    co_await sessions_.join();
    drain_timer_.cancel();
    pool_.clear();
}

task<void> proxy_server::with_accepting_scope() {
    co_await with_scope(accepting_, accept_loop());
    listener_.close();
}

// Over the limit a connection waits unread, and the ones behind it in the backlog.
task<void> proxy_server::wait_for_room() {
    if (group_.reserve()) co_return;
    log::warn(
        "{} connections, {}: further ones wait until one ends", group_.connections_max(),
        limit().connections_max == group_.connections_max() ? "the limit" : "as many as the descriptor limit allows");
    while (!group_.reserve()) {
        const result<void> slept = co_await sleep_for(20ms);
        if (!slept) co_return;
    }
}

task<void> proxy_server::accept_loop() {
    bool told = false;
    while (!draining_) {
        result<net::tcp_stream> client = co_await listener_.accept();
        if (client) {
            told = false;
            co_await wait_for_room();
            if (draining_) co_return;
            sessions_.spawn(serve(std::move(*client)), "session");
            continue;
        }
        if (client.error() == errc::stopped || client.error() == errc::closed) co_return;
        ++count().accept_errors;
        if (!std::exchange(told, true))
            log::warn("accept: {}: new connections wait until there is room", client.error().message());
        co_await sleep_for(50ms);
    }
}

namespace {

// One connection in the books of all loops, reserved before.
class counted {
public:
    explicit counted(server_group& group) noexcept : group_(group) {}
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { group_.unreserve(); }

private:
    server_group& group_;
};

struct pool_deleter {
    void operator()(session* one) const noexcept { pool_delete(one); }
};

// A tunnel that is destroyed before its end is reset on both sides: what is cut must not look whole.
class reset_unless_done {
public:
    reset_unless_done(net::tcp_stream& client, net::tcp_stream& origin) noexcept : client_(client), origin_(origin) {}
    reset_unless_done(const reset_unless_done&) = delete;
    reset_unless_done& operator=(const reset_unless_done&) = delete;
    ~reset_unless_done() {
        if (done_) return;
        client_.reset();
        origin_.reset();
    }
    void done() noexcept { done_ = true; }

private:
    net::tcp_stream& client_;
    net::tcp_stream& origin_;
    bool done_ = false;
};

// Bytes that were read together with a head go first, then the pump takes over.
task<void> run_tunnel(proxy_server& server, net::tcp_stream& client, tunnel_plan tunnel) {
    reset_unless_done both(client, tunnel.origin);
    for (auto [bytes_first, to] :
         {std::pair{&tunnel.to_origin, &tunnel.origin}, std::pair{&tunnel.to_client, &client}}) {
        const io::lease first = std::move(*bytes_first);  // goes back now, with or without bytes: the tunnel holds none
        if (first.empty()) continue;
        const result<void> sent = co_await to->send_all(first.data());
        if (!sent && tunnel.live) tunnel.live->broke(sent.error());
        if (!sent) co_return;
        if (tunnel.live) tunnel.live->carried_before(to == &tunnel.origin, first.size());
    }
    ++server.count().tunnels;
    net::pump_progress* const progress = tunnel.live ? &tunnel.live->progress() : nullptr;
    const net::pump_result done =
        co_await net::pump(client, tunnel.origin, {.idle_timeout = server.limit().idle_timeout}, progress);
    both.done();
    if (tunnel.live) tunnel.live->finish(done);
    log::debug("tunnel {}: {} bytes up ({}), {} down ({})", tunnel.name, done.forth.bytes, net::name_of(done.forth.end),
               done.back.bytes, net::name_of(done.back.end));
}

}  // namespace

task<void> proxy_server::serve(net::tcp_stream client) {
    const counted here(group_);
    ++count().connections;
    std::unique_ptr<session, pool_deleter> http_part(pool_new<session>(*this, client));
    std::optional<tunnel_plan> tunnel = co_await http_part->run();
    http_part.reset();
    if (tunnel) co_await run_tunnel(*this, client, std::move(*tunnel));
}

void proxy_server::enter_idle(session& one) noexcept {
    idle_.push_back(one);
    if (draining_) one.cancel_idle();
}

void proxy_server::drain() {
    if (draining_) return end();
    draining_ = true;
    accepting_.cancel();
    pool_.clear();
    for (session* one = idle_.first(); one; one = idle_.after(*one)) one->cancel_idle();
    loop_.timers()->arm(drain_timer_, loop_.now() + limit().drain_timeout);
}

void proxy_server::end() {
    draining_ = true;
    if (!sessions_.empty()) log::debug("{}: {} tasks ended where they stood", loop_.name(), sessions_.size());
    sessions_.destroy_all();
    listener_.close();
}

server_group::server_group(const options& chosen)
    : options_(chosen),
      seeing_(chosen.seeing),
      runtime_({.threads = chosen.threads, .reactor = chosen.reactor, .chaos = chosen.chaos}),
      loops_left_(chosen.threads) {
    pseudonym_ = fmt::format("co_http_proxy-{:08x}", os::process_salt() & 0xffffffff);
    const std::uint64_t descriptors = os::raise_descriptor_limit();
    // two for each connection, and some for the log, the resolver and pipes
    const std::uint64_t pairs = (descriptors - std::min<std::uint64_t>(descriptors / 4, 512)) / 2;
    connections_max_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(pairs, 1'000'000));
    if (options_.limit.connections_max > 0)
        connections_max_ = std::min(connections_max_, options_.limit.connections_max);
}

int server_group::run() {
    const result<void> opened = open_listeners();
    if (!opened) {
        log::error("cannot listen on {}: {}", where_.text(), opened.error().message());
        return 1;
    }
    if (!open_seeing()) return 1;
    runtime_.run([this](io::event_loop& loop, unsigned index) { return run_loop(loop, index); });
    seeing_.close();
    log::info("stopped");
    return 0;
}

bool server_group::open_seeing() {
    const result<void> seen = seeing_.open();
    if (!seen) {
        log::error("--access-log {}: {}", on_one_line(options_.seeing.access_log), seen.error().message());
        return false;
    }
    if (options_.seeing.admin.empty()) return true;
    const io::socket_address where = *parse_admin_address(options_.seeing.admin);
    const result<io::native_handle> listening = io::system_calls().open_listener(where, backlog, false);
    if (!listening) {
        log::error("--admin {}: {}", where.text(), listening.error().message());
        return false;
    }
    admin_listener_ = *listening;
    return true;
}

// All sockets are bound before the first loop runs. Several share the port; that nobody else has it is asked first.
result<void> server_group::open_listeners() {
    io::socket_calls& calls = io::system_calls();
    where_ = *io::socket_address::parse(options_.host, options_.port);
    const bool share = options_.threads > 1;
    result<io::native_handle> first = calls.open_listener(where_, backlog, false);
    if (!first) return std::unexpected(first.error());
    const result<io::socket_address> bound = calls.local_address(*first);
    if (bound) where_ = *bound;
    if (!share) {
        listeners_.push_back(*first);
        return {};
    }
    calls.close(*first);
    for (unsigned index = 0; index < options_.threads; ++index) {
        const result<io::native_handle> one = calls.open_listener(where_, backlog, true);
        if (!one) return std::unexpected(one.error());
        listeners_.push_back(*one);
    }
    return {};
}

task<void> server_group::run_loop(io::event_loop& loop, unsigned index) {
    proxy_server server(*this, loop, net::tcp_listener::adopt(loop, listeners_[index]));
    void (proxy_server::*ordered)() = nullptr;
    {
        const std::scoped_lock guard(lock_);
        servers_.emplace_back(&loop, &server);
        ordered = ordered_;
    }
    if (ordered) (server.*ordered)();
    std::optional<admin_server> admin;
    counting_scope signals(loop);
    if (index == 0) {
        start_admin(loop, admin, signals);
        signals.spawn(watch_reopen(loop), "reopen");
        log::info("listening on {} ({} {}, {}, at most {} connections)", where_.text(), options_.threads,
                  options_.threads == 1 ? "loop" : "loops", loop.reactor_reason(), connections_max_);
        if (options_.chaos.rate > 0)
            log::warn("--chaos {}:{}: completions are delayed, put out of order and cancelled on purpose",
                      options_.chaos.seed, options_.chaos.rate);
        signals.spawn(watch_signals(loop), "signals");
    }
    co_await server.run();
    if (const io::chaos* chaos = loop.chaos())
        log::info("{}: chaos held {} completions, put {} behind others, cancelled {} operations", loop.name(),
                  chaos->count().held, chaos->count().behind, chaos->count().cancelled);
    --loops_left_;
    if (index == 0) co_await wait_for_other_loops();
    const std::scoped_lock guard(lock_);
    std::erase_if(servers_, [&](const auto& one) { return one.second == &server; });
}

// Signals and the admin listener are the first loop's.
task<void> server_group::wait_for_other_loops() {
    while (loops_left_ > 0) {
        const result<void> slept = co_await sleep_for(10ms);
        if (!slept) co_return;
    }
}

void server_group::start_admin(io::event_loop& loop, std::optional<admin_server>& admin, counting_scope& tasks) {
    if (admin_listener_ == io::no_handle) return;
    admin.emplace(*this, loop, net::tcp_listener::adopt(loop, admin_listener_));
    log::info("admin on {}", admin->address().text());
    tasks.spawn(admin->run(), "admin");
}

// The first signal drains, the second ends.
task<void> server_group::watch_signals(io::event_loop& loop) {
    io::signal_set signals(loop, {SIGINT, SIGTERM});
    for (int received = 0;; ++received) {
        const result<io::signal_info> which = co_await signals.next();
        if (!which) co_return;
        if (received == 0) {
            log::info("draining: at most {} ms for what is under way",
                      std::chrono::duration_cast<std::chrono::milliseconds>(options_.limit.drain_timeout).count());
        } else {
            log::info("ending now");
        }
        each_server(received == 0 ? &proxy_server::drain : &proxy_server::end);
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

proxy_server* server_group::server_of(const io::event_loop& loop) {
    const std::scoped_lock guard(lock_);
    for (auto& [where, server] : servers_)
        if (where == &loop) return server;
    return nullptr;
}

void server_group::refresh_figures() {
    runtime_.each([this](io::event_loop& loop) {
        if (proxy_server* here = server_of(loop)) here->refresh_figures();
    });
}

std::size_t server_group::survey(const std::shared_ptr<tunnel_survey>& into) {
    return runtime_.each([this, into](io::event_loop& loop) {
        proxy_server* const here = server_of(loop);
        into->add(here ? &here->seeing() : nullptr);
    });
}

void server_group::each_server(void (proxy_server::*act)()) {
    draining_ = true;
    {
        const std::scoped_lock guard(lock_);
        ordered_ = act;
    }
    runtime_.each([this, act](io::event_loop& loop) {
        if (proxy_server* here = server_of(loop)) (here->*act)();
    });
}

}  // namespace co_wq::proxy
