#include "proxy/server.hpp"

#include "base/os/limits.hpp"
#include "base/os/service.hpp"
#include "net/pump.hpp"
#include "proxy/seeing/admin_server.hpp"
#include "proxy/seeing/tunnel_survey.hpp"
#include "proxy/session.hpp"
#include "proxy/upstream/parent_checks.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "sync/with_scope.hpp"

namespace co_wq::proxy {

using namespace std::chrono_literals;

namespace {

std::vector<door> only(net::tcp_listener one) {
    std::vector<door> made;
    made.push_back({std::move(one), 0});
    return made;
}

}  // namespace

proxy_server::proxy_server(server_group& group, io::event_loop& loop, net::tcp_listener listener)
    : proxy_server(group, loop, only(std::move(listener))) {}

proxy_server::proxy_server(server_group& group, io::event_loop& loop, std::vector<door> doors)
    : group_(group),
      loop_(loop),
      limit_(group.chosen_limits()),
      memory_(group.limiter().memory()),
      doors_(std::move(doors)),
      resolver_(loop, group.chosen().names),
      pool_(loop, limit()),
      seeing_(group.seeing(), loop),
      idle_timer_(*this),
      drain_timer_(*this),
      shed_timer_(*this),
      trim_timer_(*this),
      sessions_(loop, [](std::exception_ptr failure, const char* name) {
          try {
              std::rethrow_exception(failure);
          } catch (const std::exception& what) {
              log::error("{} ended with an exception: {}", name, what.what());
          }
      }) {}

proxy_server::~proxy_server() = default;

task<void> proxy_server::run() {
    for (door& each : doors_) sessions_.spawn(accept_loop(each), "accept");
    co_await sessions_.join();
    idle_timer_.cancel();
    drain_timer_.cancel();
    shed_timer_.cancel();
    trim_timer_.cancel();
    pool_.clear();
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

// Ends when the listener has stopped and nobody waits in its queue. Whoever has come while we drain is served.
task<void> proxy_server::accept_loop(door& from) {
    bool told = false;
    for (;;) {
        result<net::tcp_stream> client = co_await from.listener.accept();
        if (client) {
            told = false;
            co_await wait_for_room();
            sessions_.spawn(serve(std::move(*client), from.place), "session");
            continue;
        }
        if (client.error() == errc::stopped || client.error() == errc::closed) co_return from.listener.close();
        ++count().accept_errors;
        if (!std::exchange(told, true))
            log::warn("accept: {}: new connections wait until there is room", client.error().message());
        co_await sleep_for(50ms);
    }
}

namespace {

struct pool_deleter {
    void operator()(session* one) const noexcept { pool_delete(one); }
};

// A tunnel that is destroyed before its end is reset on both sides: what is cut must not look whole.
class reset_unless_done {
public:
    reset_unless_done(net::tls::connection& client, net::tls::connection& origin) noexcept
        : client_(client), origin_(origin) {}
    reset_unless_done(const reset_unless_done&) = delete;
    reset_unless_done& operator=(const reset_unless_done&) = delete;
    ~reset_unless_done() {
        if (done_) return;
        client_.reset();
        origin_.reset();
    }
    void done() noexcept { done_ = true; }

private:
    net::tls::connection& client_;
    net::tls::connection& origin_;
    bool done_ = false;
};

// A tunnel has lived as long as it may.
void note_end_of_life(proxy_server& server, live_tunnel* live) {
    ++server.count().limited[static_cast<std::size_t>(limit_kind::tunnel_time)];
    if (live) live->limited(rule_of(limit_kind::tunnel_time));
}

template <class T>
task<T> in_time(time_point until, task<T> work) {
    T done = co_await with_deadline(until, std::move(work));
    co_return done;
}

// Instead of a tunnel: datagrams, as long as the connection lasts.
task<void> run_relay(proxy_server& server, net::tls::connection& client, tunnel_plan& plan, time_point until) {
    task<net::end_reason> carried = plan.relay->run(client, plan.live.get());
    if (until != no_deadline) carried = in_time(until, std::move(carried));
    const net::end_reason end = co_await std::move(carried);
    if (server.loop().now() >= until) note_end_of_life(server, plan.live.get());
    if (plan.live) plan.live->finish({.forth = {.end = end}, .back = {.end = end}});
}

// Bytes that were read together with a head go first, before the pump takes over.
task<bool> send_first(tunnel_plan& plan, net::tls::connection& client, net::tls::connection& origin, live_tunnel* live,
                      net::pacer* pace) {
    for (auto [bytes_first, to] : {std::pair{&plan.to_origin, &origin}, std::pair{&plan.to_client, &client}}) {
        const io::lease first = std::move(*bytes_first);  // goes back now, with or without bytes: the tunnel holds none
        if (first.empty()) continue;
        const result<void> sent = co_await to->send_all(first.data());
        if (!sent && live) live->broke(sent.error());
        if (!sent) co_return false;
        if (live) live->carried_before(to == &origin, first.size());
        if (pace) (void)pace->took(to == &origin, first.size(), origin.loop().now());  // the pump waits for it
    }
    co_return true;
}

}  // namespace

// The frame of an idle tunnel: what its beginning needed is gone by then.
task<void> proxy_server::serve(net::tcp_stream accepted, std::uint32_t listener) {
    guest visitor(*this);
    net::tls::connection client(std::move(accepted));
    ++count().connections;
    std::unique_ptr<session, pool_deleter> http_part(pool_new<session>(*this, client, visitor, listener));
    std::unique_ptr<tunnel_plan> plan = co_await http_part->run();
    http_part.reset();
    if (!plan) co_return client.close();
    const bool mortal = limit().tunnel_timeout > duration::zero();
    const time_point until = mortal ? saturating_add(loop_.now(), limit().tunnel_timeout) : no_deadline;
    if (plan->relay) {
        co_await run_relay(*this, client, *plan, until);
        co_return client.close();
    }
    net::tls::connection origin = std::move(plan->origin);
    const live_tunnel_ptr live = std::move(plan->live);
    const upstream::hold through = std::move(plan->parent);
    reset_unless_done both(client, origin);
    task<bool> first = send_first(*plan, client, origin, live.get(), visitor.pace());
    if (mortal) first = in_time(until, std::move(first));
    const bool begun = co_await std::move(first);
    if (!begun && loop_.now() >= until) note_end_of_life(*this, live.get());
    if (!begun) co_return;
    const std::unique_ptr<const std::string> name = std::move(plan->name);
    plan.reset();
    ++count().tunnels;
    const net::pump_options how{.idle_timeout = limit().idle_timeout, .pace = visitor.pace()};
    task<net::pump_result> carried = net::tls::pump(client, origin, how, live ? &live->progress() : nullptr);
    if (mortal) carried = in_time(until, std::move(carried));
    const net::pump_result done = co_await std::move(carried);
    const bool whole = done.forth.end == net::end_reason::eof && done.back.end == net::end_reason::eof;
    const bool over = !whole && loop_.now() >= until;
    if (over) note_end_of_life(*this, live.get());
    if (!over) both.done();
    if (live) live->finish(done);
    if (!name) co_return;
    log::debug("tunnel {}: {} bytes up ({}), {} down ({})", *name, done.forth.bytes, net::name_of(done.forth.end),
               done.back.bytes, net::name_of(done.back.end));
}

void proxy_server::enter_idle(session& one) noexcept {
    idle_.push_back(one);
    // who comes late, out of the queue, has its moment, too
    if (idle_over_ && !idle_timer_.armed()) loop_.timers()->arm(idle_timer_, loop_.now() + limit().drain_idle_timeout);
}

void proxy_server::drain() {
    if (draining_) return end();
    draining_ = true;
    for (door& each : doors_) {
        if (!each.listener.is_open()) continue;
        if (group_.shares_listeners())
            each.listener.stop();
        else
            each.listener.stop_for_good();
    }
    pool_.clear();
    // A client that keeps its connection may send its next request just now: its answer says that it is the last.
    const duration idle = std::min(limit().drain_idle_timeout, limit().drain_timeout);
    loop_.timers()->arm(idle_timer_, loop_.now() + idle);
    loop_.timers()->arm(drain_timer_, loop_.now() + limit().drain_timeout);
}

void proxy_server::end_idle() {
    idle_over_ = true;
    for (session* one = idle_.first(); one; one = idle_.after(*one)) one->cancel_idle();
}

void proxy_server::end_kept() {
    for (session* one = idle_.first(); one; one = idle_.after(*one))
        if (one->kept()) one->cancel_idle();
}

void proxy_server::shed() {
    const time_point now = loop_.now();
    shed_timer_.cancel();
    if (!memory_.look(now, [this] { group_.shed(); })) return;
    pool_.clear();
    end_kept();
    loop_.reactor().buffers().trim();
    group_.limiter().give_back_memory(now);
    if (!sessions_.empty()) loop_.timers()->arm(shed_timer_, now + memory_guard::interval);
}

namespace {

constexpr std::size_t kept_bytes_min = 1024 * 1024;
constexpr duration trim_interval = std::chrono::seconds(2);
constexpr duration trim_step = std::chrono::milliseconds(5);

}  // namespace

void proxy_server::has_left() noexcept {
    if (!trim_timer_.armed() && !draining_) loop_.timers()->arm(trim_timer_, loop_.turn_time() + trim_interval);
}

// What frames have not needed from one look to the next goes back to the system, one size class at a time, so that the
// loop's turns stay short.
void proxy_server::give_back() {
    const time_point now = loop_.now();
    if (trimmed_ < pool_classes) {
        (void)memory_.trim(trimmed_++);
        if (trimmed_ < pool_classes) return loop_.timers()->arm(trim_timer_, now + trim_step);
        loop_.reactor().buffers().trim();
        return group_.limiter().give_back_memory(now);
    }
    const std::size_t kept = pool_own_bytes() + pool_shared_bytes();
    const bool much = std::min(kept, kept_before_) >= kept_bytes_min;
    kept_before_ = much ? 0 : kept;
    if (much) trimmed_ = 0;
    if (kept >= kept_bytes_min) loop_.timers()->arm(trim_timer_, now + (much ? trim_step : trim_interval));
}

void proxy_server::end() {
    draining_ = true;
    if (!sessions_.empty()) log::debug("{}: {} tasks ended where they stood", loop_.name(), sessions_.size());
    sessions_.destroy_all();
    for (door& each : doors_) each.listener.close();
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
    connections_by_descriptors_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(pairs, 1'000'000));
    limiter_.set(options_.limit, connections_by_descriptors_);
    auto& listeners = options_.rules.listeners;
    if (listeners.empty()) {
        const result<io::socket_address> where = io::socket_address::parse(options_.host, options_.port);
        CO_WQ_REQUIRE(where.has_value(), "the options' host is a numeric address");
        listeners.push_back({.name = "main", .where = *where, .tls = {}});
    }
    for (const policy::listener& each : listeners) where_.push_back(each.where);
    wrong_ways_ = upstream::prepare_ways(options_.rules, nullptr);
    publish(options_.rules);
}

std::string server_group::set_rules(policy::settings chosen) {
    std::vector<policy::listener> open = options_.rules.listeners;
    for (policy::listener& each : open) {
        const auto same = [&](const policy::listener& other) { return other.name == each.name; };
        const auto found = std::find_if(chosen.listeners.begin(), chosen.listeners.end(), same);
        if (found == chosen.listeners.end()) return "there is no listener \"" + each.name + "\", which is open";
        each.policy = found->policy;
        each.open = found->open;
        each.tls = found->tls;
    }
    chosen.listeners = std::move(open);
    for (const policy::listener& each : chosen.listeners)
        if (policy::serves_everybody(chosen, each)) return "listener \"" + each.name + "\" would serve everybody";
    publish(std::move(chosen));
    return {};
}

void server_group::publish(policy::settings chosen) {
    std::vector<io::socket_address> own = where_;
    if (admin_listener_ != io::no_handle)
        if (const auto bound = io::system_calls().local_address(admin_listener_)) own.push_back(*bound);
    auto made = std::make_shared<const policy::engine>(std::move(chosen), std::move(own));
    const std::scoped_lock guard(rules_lock_);
    rules_ = std::move(made);
    rules_version_.fetch_add(1, std::memory_order_release);
}

int server_group::run() {
    const std::string wrong = wrong_ways_.empty() ? tls_.open(options_.rules.listeners) : wrong_ways_;
    if (!wrong.empty()) log::error("{}", on_one_line(wrong));
    if (!wrong.empty() || !open_listeners() || !open_admin() || !open_seeing() || !become_user()) return 1;
    close_spare();
    publish(options_.rules);  // which may have to know the ports that the system chose
    runtime_.run([this](io::event_loop& loop, unsigned index) { return run_loop(loop, index); });
    seeing_.close();
    log::milestone("stopped");
    return 0;
}

// For good: an upgrade runs as the same user.
bool server_group::become_user() const {
    if (options_.user.empty()) return true;
    const result<void> became = os::become_user(
        options_.user, {options_.log.file, options_.seeing.access_log == "-" ? "" : options_.seeing.access_log});
    if (!became) log::error("cannot run as {}: {}", options_.user, became.error().message());
    return became.has_value();
}

bool server_group::open_seeing() {
    const result<void> seen = seeing_.open();
    if (!seen) {
        log::error("--access-log {}: {}", on_one_line(options_.seeing.access_log), seen.error().message());
        return false;
    }
    return true;
}

bool server_group::open_admin() {
    if (options_.seeing.admin.empty()) return true;
    const io::socket_address where = *parse_admin_address(options_.seeing.admin);
    const io::native_handle given = take_spare(where);
    const result<io::native_handle> listening =
        given != io::no_handle ? given : io::system_calls().open_listener(where, backlog, false);
    if (!listening) {
        log::error("--admin {}: {}", where.text(), listening.error().message());
        return false;
    }
    admin_listener_ = *listening;
    return true;
}

// All sockets are open before the first loop runs: those that a supervisor or an older process gives, or our own.
result<void> server_group::open_listeners() {
    listeners_.resize(where_.size());
    adopt_inherited();
    for (std::size_t place = 0; place < where_.size(); ++place) {
        const result<void> opened = listeners_[place].empty() ? open_listener(place) : complete(place);
        if (opened) continue;
        log::error("cannot listen on {}: {}", where_[place].text(), opened.error().message());
        return opened;
    }
    return {};
}

// A socket with another address than we are to listen on is not ours any more.
void server_group::adopt_inherited() {
    io::socket_calls& calls = io::system_calls();
    const os::inherited given = os::take_inherited();
    ready_ = given.ready;
    shared_ = !given.listeners.empty();
    for (const int handle : given.listeners) {
        const result<io::socket_address> bound = calls.local_address(handle);
        const auto wanted = [&](const io::socket_address& where) {
            return bound && (*bound == where || (where.port() == 0 && bound->host() == where.host()));
        };
        const auto found = std::find_if(where_.begin(), where_.end(), wanted);
        if (found != where_.end()) {
            listeners_[static_cast<std::size_t>(found - where_.begin())].push_back(handle);
            *found = *bound;
        } else {
            spare_.push_back(handle);
        }
    }
}

io::native_handle server_group::take_spare(const io::socket_address& where) {
    for (io::native_handle& each : spare_) {
        const result<io::socket_address> bound = io::system_calls().local_address(each);
        if (!bound || *bound != where) continue;
        const io::native_handle taken = each;
        std::erase(spare_, taken);
        return taken;
    }
    return io::no_handle;
}

// Whoever connects to a socket that nobody serves would wait for ever.
void server_group::close_spare() {
    for (const io::native_handle each : spare_) {
        const result<io::socket_address> bound = io::system_calls().local_address(each);
        log::warn("a socket that was handed to us listens elsewhere ({}): closed",
                  bound ? bound->text() : bound.error().message());
        io::system_calls().close(each);
    }
    spare_.clear();
}

// Each loop needs a descriptor; a socket may have several.
result<void> server_group::complete(std::size_t place) {
    std::vector<io::native_handle>& own = listeners_[place];
    for (std::size_t given = own.size(), index = given; index < options_.threads; ++index) {
        const int copy = os::duplicate(own[index % given]);
        if (copy < 0) return fail(errc::too_many_files);
        own.push_back(copy);
    }
    return {};
}

// Several share the port; that nobody else has it is asked first.
result<void> server_group::open_listener(std::size_t place) {
    io::socket_calls& calls = io::system_calls();
    io::socket_address& where = where_[place];
    const bool share = options_.threads > 1 && calls.can_share_port();
    result<io::native_handle> first = calls.open_listener(where, backlog, false);
    if (!first) return std::unexpected(first.error());
    const result<io::socket_address> bound = calls.local_address(*first);
    if (bound) where = *bound;
    if (!share) {
        listeners_[place].push_back(*first);
        return complete(place);
    }
    calls.close(*first);
    for (unsigned index = 0; index < options_.threads; ++index) {
        const result<io::native_handle> one = calls.open_listener(where, backlog, true);
        if (!one) return std::unexpected(one.error());
        listeners_[place].push_back(*one);
    }
    return {};
}

task<void> server_group::run_loop(io::event_loop& loop, unsigned index) {
    // one socket of each listener, and what is more than one for each loop: no queue may be left that nobody serves
    std::vector<door> doors;
    for (std::uint32_t place = 0; place < listeners_.size(); ++place)
        for (std::size_t i = index; i < listeners_[place].size(); i += options_.threads)
            doors.push_back({net::tcp_listener::adopt(loop, listeners_[place][i]), place});
    proxy_server server(*this, loop, std::move(doors));
    void (proxy_server::*ordered)() = nullptr;
    {
        const std::scoped_lock guard(lock_);
        servers_.emplace_back(&loop, &server);
        ordered = ordered_;
        if (++loops_serving_ == options_.threads) serving();
    }
    if (ordered) (server.*ordered)();
    std::optional<admin_server> admin;
    upstream::parent_checks checks(server);
    counting_scope signals(loop);
    if (index == 0) {
        parent_checks_ = &checks;
        signals.spawn(checks.run(), "parent checks");
        start_admin(loop, admin, signals);
        signals.spawn(watch_reopen(loop), "reopen");
        signals.spawn(watch_reload(loop), "reload");
        for (std::size_t place = 0; place < where_.size(); ++place)
            log::milestone("listening on {} ({}{} {}, {}, at most {} connections)", where_[place].text(),
                           tls_.at(place) ? "TLS, " : "", options_.threads, options_.threads == 1 ? "loop" : "loops",
                           loop.reactor_reason(), connections_max());
        if (options_.chaos.rate > 0)
            log::warn("--chaos {}:{}: completions are delayed, put out of order and cancelled on purpose",
                      options_.chaos.seed, options_.chaos.rate);
        signals.spawn(watch_signals(loop), "signals");
        if (const auto limit = os::watchdog_limit()) signals.spawn(feed_watchdog(*limit), "watchdog");
    }
    co_await server.run();
    if (const io::chaos* chaos = loop.chaos())
        log::info("{}: chaos held {} completions, put {} behind others, cancelled {} operations", loop.name(),
                  chaos->count().held, chaos->count().behind, chaos->count().cancelled);
    if (index == 0) parent_checks_ = nullptr;
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
    admin_ = &*admin;
    log::milestone("admin on {}", admin->address().text());
    tasks.spawn(admin->run(), "admin");
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

void server_group::set_limits(const limits& chosen) {
    {
        const std::scoped_lock guard(rules_lock_);
        options_.limit = chosen;
    }
    limiter_.set(chosen, connections_by_descriptors_);
    runtime_.each([this, chosen](io::event_loop& loop) {
        if (proxy_server* here = server_of(loop)) here->set_limits(chosen);
    });
}

void server_group::shed() {
    runtime_.each([this](io::event_loop& loop) {
        if (proxy_server* here = server_of(loop)) here->shed();
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
