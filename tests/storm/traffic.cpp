#include "traffic.hpp"

#include <fstream>
#include <mutex>

#include "io/backend/sim_network.hpp"
#include "io/runtime.hpp"
#include "io/socket.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::storm {
namespace {

using namespace std::chrono_literals;

long resident_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (word == "VmRSS:") {
            long kib = 0;
            status >> kib;
            return kib;
        }
    return 0;
}

// What all loops share.
struct world {
    explicit world(const traffic_options& how) : options(how), addresses(how.loops) {}

    const traffic_options& options;
    time_point end;
    std::vector<io::socket_address> addresses;
    std::atomic<unsigned> listening = 0;
    std::atomic<unsigned> clients = 0;
    std::mutex lock;
    // guarded by lock
    traffic_figures total;
};

// What one loop counts.
struct tally : traffic_figures {
    void fault(long& count, const char* what) {
        ++count;
        if (first_fault.empty()) first_fault = what;
    }
};

enum class outcome { done, cancelled, destroyed, ended, failed };

// One end of a connection with a habit of giving up.
struct endpoint {
    endpoint(io::event_loop& on, world& in, tally& counts, std::uint64_t seed)
        : loop(on), shared(in), books(counts), random(seed) {}
    duration a_moment() { return duration(static_cast<std::int64_t>(random.below(300'000))); }

    io::event_loop& loop;
    world& shared;
    tally& books;
    seeded_random random;
    io::socket wire;
    outcome last = outcome::done;
    std::vector<std::byte> arrived;  // by the last operation
    std::size_t sent = 0;            // by the last operation
};

outcome outcome_of(error why) {
    return why == errc::timed_out || why == errc::stopped ? outcome::cancelled : outcome::failed;
}

task<void> receive(endpoint& me) {
    me.arrived.clear();
    if (me.random.below(2)) {
        const result<io::lease> got = co_await me.wire.recv_lease(16 * 1024);
        me.last = !got ? outcome_of(got.error()) : got->empty() ? outcome::ended : outcome::done;
        if (got) me.arrived.assign(got->data().begin(), got->data().end());
    } else {
        std::vector<std::byte> buffer(1 + me.random.below(8000));
        const result<std::size_t> got = co_await me.wire.recv(buffer);
        me.last = !got ? outcome_of(got.error()) : *got == 0 ? outcome::ended : outcome::done;
        if (got) me.arrived.assign(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*got));
    }
}

// The data lives in the caller: a frame that is destroyed must not take it along while the kernel has it.
task<void> send(endpoint& me, const_bytes data) {
    me.sent = 0;
    const std::vector<std::byte> copy(data.begin(), data.end());
    const result<std::size_t> sent = co_await me.wire.send(copy);
    me.last = sent ? outcome::done : outcome_of(sent.error());
    me.sent = sent.value_or(0);
}

// The operation as its owner has it: most live, some are cancelled, some destroyed where they stand.
task<void> somehow(endpoint& me, task<void> operation, unsigned destroyed) {
    ++me.books.operations;
    const std::uint64_t fate = me.random.below(100);
    if (fate < me.shared.options.cancelled) {
        co_await with_timeout(me.a_moment(), std::move(operation));
        me.books.cancelled += me.last == outcome::cancelled;
    } else if (fate < me.shared.options.cancelled + destroyed) {
        me.last = outcome::destroyed;
        counting_scope scope(me.loop);
        scope.spawn(std::move(operation), "victim");
        for (std::uint64_t turns = me.random.below(4); turns > 0; --turns) co_await yield();
        if (me.random.below(2)) (void)co_await sleep_for(me.a_moment());
        scope.destroy_all();
        me.books.destroyed += me.last == outcome::destroyed;
    } else {
        co_await std::move(operation);
    }
}

task<bool> given_up() {
    const task_env& env = co_await this_task::environment();
    co_return env.scope&& env.scope->cancelled();
}

// Sends all; a destroyed send may have sent anything, so that only aborting remains. False: it did not come to an end.
task<bool> send_whole(endpoint& me, const_bytes data, bool may_be_destroyed) {
    const unsigned destroyed = may_be_destroyed;  // of 100: every time costs the connection
    while (!data.empty()) {
        co_await somehow(me, send(me, data.first(std::min<std::size_t>(data.size(), 1 + me.random.below(6000)))),
                         destroyed);
        if (me.last == outcome::cancelled) {
            const bool over = co_await given_up();
            if (over) co_return false;
            continue;
        }
        if (me.last != outcome::done) co_return false;
        data = data.subspan(me.sent);
    }
    co_return true;
}

constexpr auto may_abort = std::byte{1};
constexpr std::size_t period = 251;

// ---- the server

task<void> echo(endpoint me) {
    bool aborts = false;
    for (bool first = true;;) {
        co_await somehow(me, receive(me), me.shared.options.destroyed);
        if (me.last == outcome::cancelled || me.last == outcome::destroyed) {
            const bool over = co_await given_up();
            if (over) co_return;
            continue;
        }
        if (me.last != outcome::done) co_return;
        const_bytes data(me.arrived);
        if (std::exchange(first, false)) {
            aborts = data[0] == may_abort;
            data = data.subspan(1);
        }
        if (aborts && me.random.below(100) < 3) {
            me.wire.reset();
            co_return;
        }
        const std::vector<std::byte> back(data.begin(), data.end());
        const bool sent = co_await send_whole(me, back, false);
        if (!sent) co_return;
    }
}

task<void> accept_one(const io::socket& listener, result<io::socket>& out) { out = co_await listener.accept(); }

task<void> serve(io::event_loop& loop, world& shared, tally& books, io::socket& listener, counting_scope& sessions) {
    seeded_random random(shared.options.seed + 77);
    for (;;) {
        result<io::socket> got = fail(errc::other);
        if (random.below(100) < shared.options.cancelled) {
            co_await with_timeout(duration(static_cast<std::int64_t>(random.below(300'000))),
                                  accept_one(listener, got));
        } else {
            co_await accept_one(listener, got);
        }
        const bool over = co_await given_up();
        if (over) co_return;
        if (!got && got.error() == errc::timed_out) continue;
        if (!got) {
            books.fault(books.broken, "an accept failed");
            co_return;
        }
        endpoint session(loop, shared, books, random.next());
        session.wire = std::move(*got);
        sessions.spawn(echo(std::move(session)), "echo");
    }
}

// ---- the client

struct echo_check {
    std::vector<std::byte> more(std::size_t count) {
        std::vector<std::byte> made(count);
        for (std::byte& one : made) one = static_cast<std::byte>(sent++ % period);
        return made;
    }
    bool take(const_bytes data) {
        for (const std::byte one : data)
            if (one != static_cast<std::byte>(got++ % period)) return false;
        return got <= sent;
    }
    std::uint64_t sent = 0, got = 0;
};

// False: the connection is of no use any more.
task<bool> exchange(endpoint& me, echo_check& stream, bool server_may_abort) {
    const std::vector<std::byte> question = stream.more(1 + me.random.below(20'000));
    const bool sent = co_await send_whole(me, question, server_may_abort);
    while (sent && stream.got < stream.sent) {
        co_await somehow(me, receive(me), me.shared.options.destroyed);
        if (me.last == outcome::cancelled || me.last == outcome::destroyed) {
            const bool over = co_await given_up();
            if (over) break;
            continue;
        }
        if (me.last != outcome::done) break;
        me.books.bytes_echoed += static_cast<long long>(me.arrived.size());
        if (!stream.take(me.arrived)) {
            me.books.fault(me.books.broken, "other bytes than were sent came back");
            co_return false;
        }
    }
    const bool over = co_await given_up();
    if (over) {
        me.books.fault(me.books.hung, "an exchange had no end");
        co_return false;
    }
    if (stream.got == stream.sent) {
        ++me.books.exchanges;
        co_return true;
    }
    if (!server_may_abort) me.books.fault(me.books.broken, "a connection failed that nobody aborted");
    co_return false;
}

task<void> dial(endpoint& me, io::socket_address where) {
    const result<io::native_handle> handle = me.loop.reactor().calls().open_stream(where.family());
    if (!handle) me.last = outcome::failed;
    if (!handle) co_return;
    me.wire = io::socket(me.loop, *handle, io::descriptor_kind::stream);
    const result<void> connected = co_await me.wire.connect(where);
    me.last = connected ? outcome::done : outcome_of(connected.error());
}

task<bool> say_how(endpoint& me, bool server_may_abort) {
    const std::vector<std::byte> order(1, server_may_abort ? may_abort : std::byte{0});
    const bool said = co_await send_whole(me, order, false);
    co_return said;
}

task<void> one_connection(endpoint& me) {
    const auto& places = me.shared.addresses;
    co_await somehow(me, dial(me, places[me.random.below(places.size())]), me.shared.options.destroyed);
    if (me.last == outcome::failed) me.books.fault(me.books.broken, "a connect failed");
    if (me.last != outcome::done) co_return;
    ++me.books.connections;
    const bool server_may_abort = me.random.below(4) == 0;
    bool useful = co_await say_how(me, server_may_abort);
    echo_check stream;
    for (std::uint64_t left = 1 + me.random.below(20); useful && left > 0; --left)
        useful = co_await with_timeout(60s, exchange(me, stream, server_may_abort));
    if (!useful || me.random.below(4) == 0) {
        ++me.books.aborted;
        me.wire.reset();
    }
}

task<void> client(endpoint me) {
    while (me.loop.now() < me.shared.end) {
        co_await one_connection(me);
        me.wire.close();
    }
    --me.shared.clients;
}

// ---- a loop

task<void> run_loop(io::event_loop& loop, unsigned index, world& shared, tally& books) {
    const result<io::native_handle> handle =
        loop.reactor().calls().open_listener(io::socket_address::loopback(0), 512, false);
    io::socket listener(loop, *handle, io::descriptor_kind::listener);
    shared.addresses[index] = *listener.local_address();
    ++shared.listening;
    while (shared.listening < shared.options.loops) (void)co_await sleep_for(1ms);
    counting_scope servers(loop), sessions(loop), clients(loop);
    servers.spawn(serve(loop, shared, books, listener, sessions), "serve");
    for (unsigned i = 0; i < shared.options.clients_per_loop; ++i)
        clients.spawn(client(endpoint(loop, shared, books, shared.options.seed + index * 1000 + i)), "client");
    if (index == 0) {
        (void)co_await sleep_until(loop.now() + (shared.end - loop.now()) / 3);
        books.memory_warm_kib = resident_kib();
    }
    co_await clients.join();
    while (shared.clients > 0) (void)co_await sleep_for(1ms);
    books.memory_end_kib = resident_kib();
    servers.request_stop();
    co_await servers.join();
    sessions.request_stop();
    co_await sessions.join();
}

task<void> audit(io::event_loop& loop, tally& books, std::size_t lent_before) {
    const time_point limit = loop.now() + 5s;
    const auto& counters = loop.slots().counters();
    while (loop.now() < limit && loop.reactor().descriptors().live() > 0) (void)co_await sleep_for(1ms);
    if (loop.reactor().descriptors().live() > 0) books.fault(books.left_over, "descriptors are left");
    if (loop.slots().live() > 0) books.fault(books.left_over, "operations are left");
    if (counters.started != counters.finished + loop.slots().live())
        books.fault(books.left_over, "started is not finished plus in flight");
    if (loop.reactor().buffers().lent() != lent_before) books.fault(books.left_over, "blocks are lent for ever");
    books.started = counters.started;
    books.finished = counters.finished;
    books.orphaned = counters.orphaned;
    books.late = counters.late;
    books.bad_memory = loop.reactor().stats().bad_memory;
}

void add(traffic_figures& to, const traffic_figures& one) {
    to.connections += one.connections;
    to.exchanges += one.exchanges;
    to.operations += one.operations;
    to.cancelled += one.cancelled;
    to.destroyed += one.destroyed;
    to.aborted += one.aborted;
    to.bytes_echoed += one.bytes_echoed;
    to.started += one.started;
    to.finished += one.finished;
    to.orphaned += one.orphaned;
    to.late += one.late;
    to.bad_memory += one.bad_memory;
    to.memory_warm_kib = std::max(to.memory_warm_kib, one.memory_warm_kib);
    to.memory_end_kib = std::max(to.memory_end_kib, one.memory_end_kib);
    to.hung += one.hung;
    to.broken += one.broken;
    to.left_over += one.left_over;
    if (to.first_fault.empty()) to.first_fault = one.first_fault;
}

task<void> run_and_count(io::event_loop& loop, unsigned index, world& shared) {
    tally books;
    const std::size_t lent = loop.reactor().buffers().lent();
    co_await run_loop(loop, index, shared, books);
    co_await audit(loop, books, lent);
    const std::scoped_lock guard(shared.lock);
    add(shared.total, books);
}

}  // namespace

traffic_figures run_traffic(const traffic_options& options) {
    world shared(options);
    shared.end = steady_now() + options.length;
    shared.clients = options.loops * options.clients_per_loop;
    io::runtime cores({.threads = options.loops, .reactor = options.reactor});
    cores.run([&](io::event_loop& loop, unsigned index) { return run_and_count(loop, index, shared); });
    return shared.total;
}

}  // namespace co_wq::storm
