// A frame dies with its operation in each state of the slot diagram (task/op_slot.hpp) that a backend lets be seen.
// filled, final and fired last no longer than one call of the slab, in which no code of others runs.
#include <array>
#include <vector>

#include "reactors.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;
using destroy_states = on_every_reactor;

// One operation that waits, and what brings it to its end.
struct stage {
    stage(connection streams, socket listening) : pair(std::move(streams)), listener(std::move(listening)) {}
    connection pair;
    socket listener;
};

task<void> receives(stage& on) {
    std::vector<std::byte> buffer(64);
    (void)co_await on.pair.near.recv(buffer);
}
task<void> receives_leased(stage& on) { (void)co_await on.pair.near.recv_lease(4096); }
task<void> accepts(stage& on) { (void)co_await on.listener.accept(); }
task<void> connects(stage& on) { (void)co_await connect_to(on.listener.loop(), *on.listener.local_address()); }
task<void> sends_small(stage& on) {
    const std::vector<std::byte> message(100);
    (void)co_await on.pair.near.send_all(message);
}
task<void> sends_large(stage& on) {
    const std::vector<std::byte> message(100'000);
    (void)co_await on.pair.near.send_all(message);
}
task<void> polls(stage& on) { (void)co_await on.pair.near.ready(direction::read); }

struct victim {
    task<void> (*work)(stage&);
    op_kind kind;
    bool needs_full_stream;
};
constexpr std::array victims{victim{&receives, op_kind::recv, false},   victim{&receives_leased, op_kind::recv, false},
                             victim{&accepts, op_kind::accept, false},  victim{&connects, op_kind::connect, false},
                             victim{&sends_small, op_kind::send, true}, victim{&sends_large, op_kind::send, true},
                             victim{&polls, op_kind::poll, false}};

enum class event { none, served, cancelled, closed };

task<void> flood(socket& to) {
    const std::vector<std::byte> block(64 * 1024);
    for (;;) {
        const result<void> sent = co_await to.send_all(block);
        if (!sent) co_return;
    }
}

task<stage> set_up(event_loop& loop, bool full) {
    connection pair = co_await make_connection(loop);
    result<socket> listener = listen_on_loopback(loop);
    stage made(std::move(pair), std::move(*listener));
    if (full) co_await with_timeout(10ms, flood(made.pair.near));
    co_return made;
}

// Something happens to the operation: its bytes come, its scope is cancelled, its socket is closed.
task<void> let_happen(event what, const victim& who, stage& on, counting_scope& scope) {
    if (what == event::cancelled) scope.request_stop();
    if (what == event::closed) (who.kind == op_kind::accept ? on.listener : on.pair.near).close();
    if (what != event::served) co_return;
    if (who.kind == op_kind::accept) (void)co_await connect_to(on.listener.loop(), *on.listener.local_address());
    if (who.kind == op_kind::recv || who.kind == op_kind::poll) (void)co_await on.pair.far.send_all(as_bytes("x"));
    if (who.kind == op_kind::send) {
        std::vector<std::byte> room(256 * 1024);
        (void)co_await on.pair.far.recv(room);
    }
}

class sightings {
public:
    explicit sightings(event_loop& loop) : loop_(loop) {}

    // The state of the operation that a frame waits on; free: there is none.
    op_state look(op_kind kind) {
        op_state seen = op_state::free;
        loop_.slots().for_each_live([&](op_slot& slot) {
            if (slot.state() == op_state::orphaned) ++count_[static_cast<std::size_t>(op_state::orphaned)];
            if (slot.kind() == kind && slot.waiter()) seen = slot.state();
        });
        return seen;
    }
    void died_in(op_state state) { ++count_[static_cast<std::size_t>(state)]; }
    int count(op_state state) const { return count_[static_cast<std::size_t>(state)]; }

private:
    event_loop& loop_;
    std::array<int, 8> count_{};
};

// Destroys the victim as soon as its operation is seen in the state, or at the end of its patience wherever it is.
task<void> destroy_in(event_loop& loop, op_state state, const victim& who, event what, sightings& seen) {
    stage on = co_await set_up(loop, who.needs_full_stream);
    counting_scope scope(loop);
    scope.spawn(who.work(on), "victim");
    counting_scope others(loop);
    for (int turn = 0; turn < 40 && !scope.empty(); ++turn) {
        if (turn == 2) others.spawn(let_happen(what, who, on, scope), "event");
        const op_state now = seen.look(who.kind);
        if (now == state && turn >= 3) {
            seen.died_in(now);
            break;
        }
        if (turn % 8 == 7) co_await sleep_for(100us);
        co_await yield();
    }
    scope.destroy_all();
    (void)seen.look(who.kind);
    others.destroy_all();
}

TEST_P(destroy_states, every_state_that_can_be_seen_is_one_to_die_in) {
    sightings seen(*loop);
    const int rounds = GetParam().kind == reactor_kind::sim ? 4 : 1;  // whether the kernel holds something is its whim
    for (int round = 0; round < rounds; ++round)
        for (const op_state state : {op_state::armed, op_state::cancel_requested, op_state::posted})
            for (const victim& who : victims)
                for (const event what : {event::none, event::served, event::cancelled, event::closed})
                    loop->run(destroy_in(*loop, state, who, what, seen));
    EXPECT_GT(seen.count(op_state::armed), 0);
    EXPECT_GT(seen.count(op_state::posted), 0);
    const bool by_readiness = GetParam().kind == reactor_kind::epoll || GetParam().kind == reactor_kind::iocp;
    if (!by_readiness) {  // whose kernels hold nothing: a cancel ends an operation at once
        EXPECT_GT(seen.count(op_state::cancel_requested), 0);
        EXPECT_GT(seen.count(op_state::orphaned), 0);
    }
    loop->run([]() -> task<void> { co_await sleep_for(5ms); }());
    expect_quiet();
    loop.destroy();
}

INSTANTIATE_TEST_SUITE_P(reactors, destroy_states, every_reactor, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
