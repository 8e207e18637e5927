// Scenarios of connecting and accepting.
#include "stage.hpp"

namespace co_wq::conformance {
namespace {

task<void> refused(stage& on) {
    co_await on.listens();
    on.listener.close();
    (void)co_await sleep_for(1ms);  // an accept of the kernel's own may still hold the listener
    co_await on.connects(on.near);
}

task<void> addresses(stage& on) {
    co_await on.listens();
    co_await on.connects(on.near);
    co_await on.accepts(on.far);
    const auto same = [](const result<io::socket_address>& a, const result<io::socket_address>& b) {
        return a && b && a->text() == b->text() ? std::string("the same") : std::string("different");
    };
    on.log("near's peer and the listener: " + same(on.near.at.peer_address(), on.listener.local_address()));
    on.log("far and the listener: " + same(on.far.at.local_address(), on.listener.local_address()));
    on.log("far's peer and near: " + same(on.far.at.peer_address(), on.near.at.local_address()));
    const result<io::socket_address> none = on.new_stream().peer_address();
    on.log(std::string("the peer of nobody: ") + (none ? none->text() : "an error"));
}

task<void> port_taken(stage& on) {
    co_await on.listens();
    const result<io::native_handle> again = on.loop.reactor().calls().open_listener(on.where, 1, false);
    on.log("a second listener: " + (again ? "ok" : again.error().message()));
}

task<void> closed_when_accepted(stage& on) {
    co_await on.listens();
    co_await on.connects(on.near);
    co_await on.accepts(on.far);
    on.closes(on.far);
    co_await on.reads(on.near, 1);
    co_await on.reads(on.near, 1);
}

task<void> data_before_accept(stage& on) {
    co_await on.listens();
    co_await on.connects(on.near);
    co_await on.sends(on.near, "early");
    on.closes(on.near);
    co_await on.accepts(on.far);
    co_await on.reads(on.far, 10);
}

task<void> reset_before_accept(stage& on) {
    co_await on.listens();
    co_await on.connects(on.near);
    on.resets(on.near);
    (void)co_await sleep_for(2ms);  // the reset arrives
    co_await on.accepts(on.far);
    co_await on.reads(on.far, 1);
}

task<void> listener_closed(stage& on) {
    co_await on.listens();
    co_await on.connects(on.near);
    on.listener.close();
    co_await on.reads(on.near, 1);
}

task<void> accept_cancelled(stage& on) {
    co_await on.listens();
    for (int i = 0; i < 3; ++i) co_await on.limited(500us, on.accepts(on.far));
    co_await on.connects(on.near);
    co_await on.accepts(on.far);
    co_await on.sends(on.near, "x");
    co_await on.reads(on.far, 1);
}

task<void> pending_when_cancelled(stage& on) {
    co_await on.listens();
    counting_scope waiting(on.loop);
    actor first{"first", {}};
    waiting.spawn(on.accepts(first), "accept");
    co_await yield();
    waiting.destroy_all();
    (void)co_await sleep_for(1ms);  // a simulated kernel takes a moment to let go
    co_await on.connects(on.near);
    actor second{"second", {}};
    co_await on.connects(second);
    co_await on.accepts(on.far);
}

// What a kernel accepted on its own, and nobody took, is refused like what it had not accepted.
task<void> closed_with_untaken(stage& on) {
    co_await on.listens();
    counting_scope waiting(on.loop);
    actor first{"first", {}};
    waiting.spawn(on.accepts(first), "accept");
    co_await yield();
    waiting.destroy_all();
    (void)co_await sleep_for(1ms);  // a simulated kernel takes a moment to let go
    co_await on.connects(on.near);
    (void)co_await sleep_for(1ms);
    on.listener.close();
    co_await on.reads(on.near, 1);
}

// One more than the backlog says gets in; the next is not answered.
task<void> backlog_full(stage& on) {
    co_await on.listens(1);
    actor first{"first", {}}, second{"second", {}}, third{"third", {}};
    co_await on.connects(first);
    co_await on.connects(second);
    co_await on.limited(10ms, on.connects(third));
    third.at.close();
    co_await on.accepts(on.far);
    co_await on.accepts(on.far);
    co_await on.limited(3ms, on.accepts(on.far));
}

// A connect that is not answered is repeated, after a second at first.
task<void> backlog_clears(stage& on) {
    co_await on.listens(0);
    actor first{"first", {}};
    co_await on.connects(first);
    on.others.spawn(on.connects(on.near), "connect");
    co_await on.limited(10ms, on.accepts(on.far));
    (void)co_await sleep_for(1500ms);
    co_await on.accepts(on.far);
}

task<void> connect_cancelled(stage& on) {
    co_await on.listens(0);
    actor first{"first", {}};
    co_await on.connects(first);
    counting_scope waiting(on.loop);
    waiting.spawn(on.connects(on.near), "connect");
    (void)co_await sleep_for(2ms);
    waiting.request_stop();
    co_await waiting.join();
    on.closes(on.near);
    co_await on.accepts(on.far);
    co_await on.limited(3ms, on.accepts(on.far));
}

task<void> closed_while_connecting(stage& on) {
    co_await on.listens(0);
    actor first{"first", {}};
    co_await on.connects(first);
    on.others.spawn(on.connects(on.near), "connect");
    (void)co_await sleep_for(2ms);
    on.closes(on.near);
    co_await on.others.join();
}

task<void> closed_while_accepting(stage& on) {
    co_await on.listens();
    on.others.spawn(on.accepts(on.far), "accept");
    (void)co_await sleep_for(1ms);
    on.listener.close();
    co_await on.others.join();
}

task<void> unconnected(stage& on) {
    on.near.at = on.new_stream();
    const result<void> ended = on.near.at.shutdown_send();
    on.log(std::string("the end of a direction that is not there: ") + (ended ? "ok" : "an error"));
    co_await on.sends(on.near, "x");
}

}  // namespace

std::vector<scenario> connection_scenarios() {
    return {
        {"connect refused", &refused, "near connects: connection refused\n"},
        {"addresses", &addresses,
         "near connects: ok\nfar accepted: ok\nnear's peer and the listener: the same\nfar and the listener: the same\n"
         "far's peer and near: the same\nthe peer of nobody: an error\n"},
        {"port taken", &port_taken, "a second listener: address in use\n"},
        {"closed when accepted", &closed_when_accepted,
         "near connects: ok\nfar accepted: ok\nfar closes\nnear reads: end\nnear reads: end\n"},
        {"data before accept", &data_before_accept,
         "near connects: ok\nnear sends: ok\nnear closes\nfar accepted: ok\nfar reads: 'early', end\n"},
        {"reset before accept", &reset_before_accept,
         "near connects: ok\nnear resets\nfar accepted: ok\nfar reads: connection reset\n"},
        {"listener closed with pending connection", &listener_closed,
         "near connects: ok\nnear reads: connection reset\n"},
        {"accept cancelled", &accept_cancelled,
         "far accepted: timed out\nfar accepted: timed out\nfar accepted: timed out\nnear connects: ok\nfar accepted: "
         "ok\n"
         "near sends: ok\nfar reads: 'x'\n"},
        {"accept destroyed, connections pending", &pending_when_cancelled,
         "near connects: ok\nsecond connects: ok\nfar accepted: ok\n"},
        {"listener closed, a connection not taken", &closed_with_untaken,
         "near connects: ok\nnear reads: connection reset\n"},
        {"backlog full", &backlog_full,
         "first connects: ok\nsecond connects: ok\nthird connects: timed out\nfar accepted: ok\nfar accepted: ok\n"
         "far accepted: timed out\n"},
        {"backlog clears", &backlog_clears,
         "first connects: ok\nfar accepted: ok\nnear connects: ok\nfar accepted: ok\n"},
        {"connect cancelled", &connect_cancelled,
         "first connects: ok\nnear connects: stopped\nnear closes\nfar accepted: ok\nfar accepted: timed out\n"},
        {"closed while connecting", &closed_while_connecting,
         "first connects: ok\nnear closes\nnear connects: closed\n"},
        {"closed while accepting", &closed_while_accepting, "far accepted: closed\n"},
        {"unconnected", &unconnected, "the end of a direction that is not there: an error\nnear sends: broken pipe\n"},
    };
}

}  // namespace co_wq::conformance
