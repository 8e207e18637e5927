// Scenarios of how streams end.
#include "stage.hpp"

namespace co_wq::conformance {
namespace {

using io::direction;

task<void> half_close(stage& on) {
    co_await on.connected();
    co_await on.sends(on.near, "question");
    on.shuts(on.near);
    co_await on.reads(on.far, 100);
    co_await on.sends(on.far, "late answer");
    co_await on.reads(on.near, 11);
    on.closes(on.far);
    co_await on.reads(on.near, 1);
}

task<void> both_half_close(stage& on) {
    co_await on.connected();
    on.shuts(on.near);
    on.shuts(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.arrived(on.far, direction::hang_up);
    co_await on.reads(on.near, 1);
    co_await on.reads(on.far, 1);
    co_await on.sends(on.near, "x");
}

task<void> send_after_end(stage& on) {
    co_await on.connected();
    on.shuts(on.near);
    on.shuts(on.near);
    co_await on.sends(on.near, "x");
    co_await on.sends(on.far, "still open");
    co_await on.reads(on.near, 10);
}

// The first goes out and is answered with a reset; the second meets it. A peer that had ended its direction leaves
// end of stream for reading and a broken pipe for writing.
task<void> send_to_closed(stage& on) {
    co_await on.connected();
    on.closes(on.far);
    co_await on.reads(on.near, 1);
    co_await on.sends(on.near, "first");
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.sends(on.near, "second");
    co_await on.sends(on.near, "third");
    co_await on.reads(on.near, 1);
}

task<void> reset_seen_by_reader(stage& on) {
    co_await on.connected();
    on.resets(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.reads(on.near, 1);
    co_await on.reads(on.near, 1);
    co_await on.sends(on.near, "x");
}

task<void> reset_seen_by_writer(stage& on) {
    co_await on.connected();
    on.resets(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.sends(on.near, "x");
    co_await on.sends(on.near, "x");
    co_await on.reads(on.near, 1);
}

task<void> reset_wakes_reader(stage& on) {
    co_await on.connected();
    on.others.spawn(on.reads(on.near, 1), "read");
    (void)co_await sleep_for(1ms);
    on.resets(on.far);
    co_await on.others.join();
}

task<void> reset_wakes_writer(stage& on) {
    co_await on.connected();
    co_await on.fills_near();
    on.others.spawn(on.sends(on.near, "one more"), "send");
    (void)co_await sleep_for(1ms);
    on.resets(on.far);
    co_await on.others.join();
}

// What has arrived before a reset can still be read.
task<void> reset_behind_bytes(stage& on) {
    co_await on.connected();
    co_await on.sends(on.far, "data");
    co_await on.arrived(on.near, direction::read);
    (void)co_await sleep_for(2ms);  // all of it
    on.resets(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.reads(on.near, 4);
    co_await on.reads(on.near, 1);
    co_await on.reads(on.near, 1);
}

task<void> reset_after_end(stage& on) {
    co_await on.connected();
    on.shuts(on.near);
    co_await on.reads(on.far, 1);
    on.resets(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.reads(on.near, 1);
}

task<void> reset_after_peers_end(stage& on) {
    co_await on.connected();
    on.shuts(on.far);
    co_await on.arrived(on.near, direction::read_end);
    on.resets(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.sends(on.near, "x");
    co_await on.reads(on.near, 1);
}

// To close a stream with bytes unread is to reset it.
task<void> close_with_unread(stage& on) {
    co_await on.connected();
    co_await on.sends(on.near, "unread");
    co_await on.arrived(on.far, direction::read);
    on.closes(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.reads(on.near, 1);
}

task<void> close_with_unread_and_sent(stage& on) {
    co_await on.connected();
    co_await on.sends(on.far, "bye");
    co_await on.arrived(on.near, direction::read);
    (void)co_await sleep_for(2ms);  // all of it
    co_await on.sends(on.near, "unread");
    co_await on.arrived(on.far, direction::read);
    on.closes(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.reads(on.near, 3);
    co_await on.reads(on.near, 1);
}

task<void> close_behind_bytes(stage& on) {
    co_await on.connected();
    co_await on.sends(on.far, "abc");
    on.closes(on.far);
    co_await on.reads(on.near, 10);
    co_await on.reads(on.near, 10);
}

// Nobody reads what is on its way when the reader closes: the writer is reset.
task<void> close_under_writer(stage& on) {
    co_await on.connected();
    co_await on.fills_near();
    on.others.spawn(on.sends(on.near, "one more"), "send");
    (void)co_await sleep_for(1ms);
    on.closes(on.far);
    co_await on.others.join();
}

task<void> polls_of_half_close(stage& on) {
    co_await on.connected();
    co_await on.polls(on.near, direction::read);
    co_await on.polls(on.near, direction::write);
    co_await on.polls(on.near, direction::read_end);
    on.shuts(on.far);
    co_await on.arrived(on.near, direction::read_end);
    co_await on.polls(on.near, direction::read);
    co_await on.polls(on.near, direction::hang_up);
    on.shuts(on.near);
    co_await on.arrived(on.near, direction::hang_up);
    co_await on.arrived(on.far, direction::hang_up);
    co_await on.polls(on.near, direction::write);
}

task<void> polls_of_reset(stage& on) {
    co_await on.connected();
    on.resets(on.far);
    co_await on.arrived(on.near, direction::hang_up);
    for (const direction one : {direction::read, direction::write, direction::read_end, direction::hang_up})
        co_await on.polls(on.near, one);
}

// The end is seen behind bytes that nobody has read.
task<void> read_end_behind_bytes(stage& on) {
    co_await on.connected();
    co_await on.sends(on.far, "unread");
    on.shuts(on.far);
    co_await on.arrived(on.near, direction::read_end);
    co_await on.polls(on.near, direction::hang_up);
    co_await on.reads(on.near, 10);
}

}  // namespace

std::vector<scenario> ending_scenarios() {
    return {
        {"half close", &half_close,
         "near sends: ok\nnear ends its direction: ok\nfar reads: 'question', end\nfar sends: ok\n"
         "near reads: 'late answer'\nfar closes\nnear reads: end\n"},
        {"both half close", &both_half_close,
         "near ends its direction: ok\nfar ends its direction: ok\nnear reads: end\nfar reads: end\n"
         "near sends: broken pipe\n"},
        {"send after end", &send_after_end,
         "near ends its direction: ok\nnear ends its direction: ok\nnear sends: broken pipe\nfar sends: ok\n"
         "near reads: 'still open'\n"},
        {"send to a closed peer", &send_to_closed,
         "far closes\nnear reads: end\nnear sends: ok\nnear sends: broken pipe\nnear sends: broken pipe\n"
         "near reads: end\n"},
        {"reset seen by the reader", &reset_seen_by_reader,
         "far resets\nnear reads: connection reset\nnear reads: end\nnear sends: broken pipe\n"},
        {"reset seen by the writer", &reset_seen_by_writer,
         "far resets\nnear sends: connection reset\nnear sends: broken pipe\nnear reads: end\n"},
        {"reset wakes the reader", &reset_wakes_reader, "far resets\nnear reads: connection reset\n"},
        {"reset wakes the writer", &reset_wakes_writer, "far resets\nnear sends: connection reset\n"},
        {"reset behind bytes", &reset_behind_bytes,
         "far sends: ok\nfar resets\nnear reads: 'data'\nnear reads: connection reset\nnear reads: end\n"},
        {"reset after the end of ours", &reset_after_end,
         "near ends its direction: ok\nfar reads: end\nfar resets\nnear reads: connection reset\n"},
        {"reset after the peer's end", &reset_after_peers_end,
         "far ends its direction: ok\nfar resets\nnear sends: broken pipe\nnear reads: end\n"},
        {"close with bytes unread", &close_with_unread, "near sends: ok\nfar closes\nnear reads: connection reset\n"},
        {"close with bytes unread and sent", &close_with_unread_and_sent,
         "far sends: ok\nnear sends: ok\nfar closes\nnear reads: 'bye'\nnear reads: connection reset\n"},
        {"close behind bytes", &close_behind_bytes,
         "far sends: ok\nfar closes\nnear reads: 'abc', end\nnear reads: end\n"},
        {"close under a writer", &close_under_writer, "far closes\nnear sends: connection reset\n"},
        {"polls of a half-closed stream", &polls_of_half_close,
         "near readable: no\nnear writable: yes\nnear read end: no\nfar ends its direction: ok\nnear readable: yes\n"
         "near hang-up: no\nnear ends its direction: ok\nnear writable: yes\n"},
        {"polls of a reset stream", &polls_of_reset,
         "far resets\nnear readable: yes\nnear writable: yes\nnear read end: yes\nnear hang-up: yes\n"},
        {"end behind bytes", &read_end_behind_bytes,
         "far sends: ok\nfar ends its direction: ok\nnear hang-up: no\nnear reads: 'unread', end\n"},
    };
}

}  // namespace co_wq::conformance
