"""Faults put into the library on purpose: each must be caught by one of the scenarios named with it.

A mutant is one textual change of one file under src/. When the text is not there exactly once, that is an error: the
table follows the code. The last table names what is not needed for any outcome a model can see, and why it stays.
"""
import dataclasses


@dataclasses.dataclass
class mutant:
    name: str
    group: str  # scenarios/GROUP.cpp
    file: str
    old: str
    new: str
    scenarios: list


def order(name, group, file, text, strong, weak, scenarios):
    """A memory order made weaker; text holds `@` in its place."""
    full = "std::memory_order_"
    return mutant(name, group, file, text.replace("@", full + strong), text.replace("@", full + weak), scenarios)


_inbox, _serial, _slot, _channel, _remote, _stop = (
    f"{one}_model" for one in ("inbox", "serial", "slot", "channel", "remote", "stop"))
_push = "reinterpret_cast<std::uintptr_t>(&node), @,"
_serial_all = ["serial_2x1", "serial_2x2", "serial_handles", "serial_executor_dies"]
_events = ["slot_event", "slot_event_cancel", "slot_event_destroy"]
_permits = ["slot_permit", "slot_permit_cancel", "slot_permit_destroy"]
_locks = ["slot_lock", "slot_lock_destroy", "slot_lock_3"]
_channels = ["channel_meeting", "channel_meeting_cancel", "channel_meeting_destroy", "channel_stored_destroy"]
_run_on = ["remote_run_on", "remote_run_on_cancel", "remote_run_on_destroy"]
_stops = ["stop_registration", "stop_ends_itself", "stop_runs_all", "stop_two_requests"]

table = [
    # inbox: what the producer wrote, what the taker did, nobody sleeps over a node
    order("inbox_push_no_release", _inbox, "task/inbox.hpp", _push, "acq_rel", "acquire", ["inbox_1x3"]),
    order("inbox_push_no_acquire", _serial, "task/inbox.hpp", _push, "acq_rel", "release", _serial_all),
    order("inbox_take_relaxed", _inbox, "task/inbox.hpp", "word_.exchange(0, @)", "acquire", "relaxed", ["inbox_1x3"]),
    order("inbox_sleep_relaxed", _serial, "task/inbox.hpp", "(expected, idle, @,", "release", "relaxed", _serial_all),
    mutant("inbox_sleep_unchecked", _inbox, "task/inbox.hpp", "return word_.compare_exchange_strong(expected, idle,",
           "word_.store(idle); return true; word_.compare_exchange_strong(expected, idle,", ["inbox_1x3", "inbox_2x2"]),
    mutant("inbox_push_tells_nobody", _inbox, "task/inbox.hpp", "return seen == idle;", "return false;", ["inbox_1x3"]),
    mutant("inbox_push_wakes_before", _inbox, "task/inbox.hpp", "return seen == idle;",
           "return word_.load(std::memory_order_relaxed) == idle;", ["inbox_1x3", "inbox_2x2"]),
    mutant("inbox_idle_is_a_node", _inbox, "task/inbox.hpp", "node.next_ = seen == idle ? nullptr :", "node.next_ =",
           ["inbox_1x3"]),
    mutant("inbox_not_reversed", _inbox, "task/inbox.hpp", "newest->next_ = oldest;\n            oldest = newest;",
           "if (!oldest) oldest = newest;", ["inbox_1x3", "inbox_2x2"]),
    mutant("inbox_awake_unchecked", _inbox, "task/inbox.hpp",
           "word_.compare_exchange_strong(expected, 0, std::memory_order_relaxed, std::memory_order_relaxed);",
           "word_.store(0, std::memory_order_relaxed), (void)expected;", ["inbox_loop"]),
    mutant("inbox_pop_keeps_link", _inbox, "task/inbox.hpp", "node.link_ = nullptr;", "", ["inbox_reuse"]),
    # callback_wq: references, hand-off of the drain
    order("serial_release_relaxed", _serial, "task/callback_wq.hpp", "fetch_sub(1, @)", "acq_rel", "relaxed",
          _serial_all),
    order("serial_release_no_acquire", _serial, "task/callback_wq.hpp", "fetch_sub(1, @)", "acq_rel", "release",
          _serial_all),
    order("serial_release_no_release", _serial, "task/callback_wq.hpp", "fetch_sub(1, @)", "acq_rel", "acquire",
          _serial_all),
    mutant("serial_drain_unreferenced", _serial, "task/callback_wq.hpp", "add_reference();  // the drain's own", "",
           _serial_all),
    mutant("serial_post_always_schedules", _serial, "task/callback_wq.hpp", "if (inbox_.push(node)) schedule();",
           "inbox_.push(node), schedule();", _serial_all),
    mutant("serial_drain_leaves_unchecked", _serial, "task/callback_wq.cpp", "if (!pending_ && inbox_.try_sleep()) {",
           "if (!pending_ && (inbox_.try_sleep(), true)) {", _serial_all),
    mutant("serial_drain_never_leaves", _serial, "task/callback_wq.cpp", "if (!pending_ && inbox_.try_sleep()) {",
           "if (!pending_ && !inbox_.maybe_filled()) {", _serial_all),
    mutant("serial_drop_keeps_reference", _serial, "task/callback_wq.cpp",
           "state.release();  // the word stays busy", "// the word stays busy", ["serial_executor_dies"]),
    mutant("serial_death_forgets_nodes", _serial, "task/callback_wq.cpp",
           "for (worknode* left = inbox_.take_all(); left;) discard(inbox::pop(left));", "", ["serial_executor_dies"]),
    mutant("serial_full_batch_lets_go", _serial, "task/callback_wq.cpp", "if (left) return executor_.execute(drain_);",
           "if (left) executor_.execute(drain_);", ["serial_long"]),
    mutant("serial_full_batch_forgets", _serial, "task/callback_wq.cpp", "if (left) return executor_.execute(drain_);",
           "if (left) return;", ["serial_long"]),
    # slots: who may touch what when
    mutant("slot_signal_result_late", _slot, "task/op_slot.cpp",
           "slot.result_ = result;\n    slot.slab().queue_.execute(slot);",
           "slot.slab().queue_.execute(slot);\n    slot.result_ = result;", _events),
    mutant("slot_abandon_keeps_waiter", _slot, "task/op_slot.cpp", "slot.waiter_ = nullptr;\n    switch",
           "switch", ["slot_event_destroy"]),
    mutant("slot_signal_reads_state", _slot, "task/op_slot.cpp", "    slot.result_ = result;\n    slot.slab().queue_",
           "    if (slot.state_ == op_state::orphaned) return;\n    slot.result_ = result;\n    slot.slab().queue_",
           ["slot_event_destroy"]),
    mutant("slot_abandon_frees", _slot, "task/op_slot.cpp",
           "++counters_.orphaned;\n            move_to(slot, op_state::orphaned);",
           "++counters_.finished;\n            release(slot);", ["slot_event_destroy"]),
    mutant("queue_execute_does_not_wake", _slot, "task/workqueue.cpp", "if (inbox_.push(node)) wake();",
           "inbox_.push(node);", _events),
    mutant("list_signal_reads_late", _slot, "sync/detail/parking.hpp",
           "chain = slot.links.next;  // once signalled, the slot is its owner's\n"
           "        op_slab::signal(slot, result);",
           "op_slab::signal(slot, result);\n        chain = slot.links.next;", _events),
    # event
    order("event_set_relaxed", _slot, "sync/event.cpp", "set_.store(true, @)", "release", "relaxed", _events),
    order("event_is_set_relaxed", _slot, "sync/event.hpp", "return set_.load(@)", "acquire", "relaxed", _events),
    mutant("event_links_though_set", _slot, "sync/event.cpp",
           "const bool link = !set_.load(std::memory_order_relaxed);",
           "const bool link = true;", _events),
    mutant("event_cancel_unchecked", _slot, "sync/event.cpp",
           "if (event::unlink(me.event_, *me.slot_)) me.end_by_cancel(reason);",
           "event::unlink(me.event_, *me.slot_), me.end_by_cancel(reason);", ["slot_event_cancel"]),
    mutant("event_death_unchecked", _slot, "sync/event.cpp", "if (!cancelled_ && event::unlink(event_, *slot_)) {",
           "if (event::unlink(event_, *slot_) || true) {", ["slot_event_destroy"]),
    mutant("event_mark_without_lock", _slot, "sync/event.cpp",
           "const bool linked = slot.detail == detail::mark_linked;\n    if (linked) on",
           "lock.unlock();\n    const bool linked = slot.detail == detail::mark_linked;\n    lock.lock();\n"
           "    if (linked) on",
           _events),
    # semaphore
    order("permit_release_relaxed", _slot, "sync/semaphore.hpp", "seen + permits, @,", "release", "relaxed", _permits),
    order("permit_take_relaxed", _slot, "sync/semaphore.hpp", "seen - 1, @,", "acquire", "relaxed", _permits),
    order("permit_take_locked_relaxed", _slot, "sync/semaphore.cpp", "seen - 1, @,", "acquire", "relaxed", _permits),
    order("permit_back_relaxed", _slot, "sync/semaphore.cpp", "word_.fetch_add(permits, @)", "release", "relaxed",
          _permits),
    mutant("permit_lost_by_death", _slot, "sync/semaphore.cpp", "semaphore_.release();  // before", "// before",
           ["slot_permit_destroy"]),
    mutant("permit_count_stays_waiting", _slot, "sync/semaphore.cpp",
           "if (waiters_.empty()) word_.store(0, std::memory_order_relaxed);  // -1 before", "// -1 before", _permits),
    mutant("permit_links_though_free", _slot, "sync/semaphore.cpp", "while (seen >= 0) {\n        if (seen > 0) {",
           "while (seen >= 0) {\n        if (false) {", _permits),
    # mutex, spin lock
    order("lock_take_relaxed", _slot, "sync/mutex.hpp", "(expected, here(), @,", "acquire", "relaxed", _locks),
    order("lock_free_relaxed", _slot, "sync/mutex.hpp", "(seen, 0, @,", "release", "relaxed", _locks),
    order("lock_hand_over_relaxed", _slot, "sync/mutex.cpp", "word_.store(word, @)", "release", "relaxed", _locks),
    mutant("lock_lost_by_death", _slot, "sync/mutex.cpp", "slab.abandon(*slot_);\n        mutex_.unlock();",
           "slab.abandon(*slot_);", ["slot_lock_destroy"]),
    mutant("lock_freed_over_waiters", _slot, "sync/mutex.hpp", "if ((seen & waited_for) ||\n", "if (\n", _locks),
    mutant("lock_waits_unseen", _slot, "sync/mutex.cpp",
           "word_.compare_exchange_weak(seen, seen | waited_for, std::memory_order_relaxed)",
           "word_.compare_exchange_weak(seen, seen, std::memory_order_relaxed)", _locks),
    order("spin_take_relaxed", _stop, "sync/detail/spin_lock.hpp", "exchange(true, @)", "acquire", "relaxed",
          ["spin_lock_2"]),
    order("spin_free_relaxed", _stop, "sync/detail/spin_lock.hpp", "store(false, @)", "release", "relaxed",
          ["spin_lock_2"]),
    # channel
    mutant("channel_promise_to_the_dead", _channel, "sync/channel.cpp",
           "--reserved_;\n                served = serve_receiver();", "", _channels),
    mutant("channel_close_forgets_senders", _channel, "sync/channel.cpp",
           "signal_all(senders, -static_cast<std::int32_t>(errc::closed));", "(void)senders;", _channels),
    mutant("channel_sender_not_told", _channel, "sync/channel.cpp",
           "if (woken) op_slab::signal(*woken, 0);\n    return item;", "return item;", _channels),
    mutant("channel_dead_may_be_served", _channel, "sync/channel.cpp", "receivers_.remove(slot, mark_none);\n", "\n",
           _channels),
    # remote work
    order("remote_publish_no_release", _remote, "task/remote.hpp", "phase_.exchange(phase::done, @)", "acq_rel",
          "acquire", ["remote_call", "remote_call_destroy"] + _run_on),
    order("remote_publish_no_acquire", _remote, "task/remote.hpp", "phase_.exchange(phase::done, @)", "acq_rel",
          "release", ["remote_call", "remote_call_destroy"] + _run_on),
    order("remote_give_up_no_release", _remote, "task/remote.hpp", "phase_.exchange(phase::abandoned, @)", "acq_rel",
          "acquire", ["remote_call_destroy", "remote_run_on_destroy"]),
    order("remote_give_up_no_acquire", _remote, "task/remote.hpp", "phase_.exchange(phase::abandoned, @)", "acq_rel",
          "release", ["remote_call_destroy", "remote_run_on_destroy"]),
    mutant("remote_signals_the_gone", _remote, "task/remote.hpp",
           "== phase::abandoned) return true;\n        op_slab::signal(*slot, 0);",
           "== phase::abandoned) { op_slab::signal(*slot, 0); return true; }\n        op_slab::signal(*slot, 0);",
           ["remote_call_destroy", "remote_run_on_destroy"]),
    mutant("remote_slot_read_late", _remote, "task/remote.hpp", "op_slab::signal(*slot, 0);",
           "op_slab::signal(*slot_, 0);",
           ["remote_call_destroy", "remote_run_on_destroy"]),
    mutant("remote_withdraws_the_signalled", _remote, "task/remote.hpp", "slot.slab().abandon(slot);  // the signal",
           "slot.slab().withdraw(slot);  // the signal", ["remote_call_destroy", "remote_run_on_destroy"]),
    order("run_on_release_relaxed", _remote, "task/run_on.hpp", "fetch_sub(1, @)", "acq_rel", "relaxed", _run_on),
    mutant("run_on_cancel_unreferenced", _remote, "task/run_on.cpp",
           "references_.fetch_add(1, std::memory_order_relaxed);  // from", "// from",
           ["remote_run_on_cancel", "remote_run_on_destroy"]),
    mutant("run_on_cancels_twice", _remote, "task/run_on.cpp", "if (std::exchange(cancel_sent_, true)) return;", "",
           ["remote_run_on_cancel", "remote_run_on_destroy", "remote_run_on_cancel_destroy"]),
    mutant("completion_death_unnoticed", _remote, "task/completion.cpp",
           "if (before == state::abandoned) return pool_delete(&me);",
           "if (before == state::abandoned) { if (!run) return; }", ["completion_destroy"]),
    mutant("completion_freed_early", _remote, "task/completion.cpp",
           "case state::armed: return;  // the completer or the drain holds it",
           "case state::armed: return pool_delete(this);",
           ["completion_destroy"]),
    # stop source
    order("stop_lock_no_acquire", _stop, "task/stop_token.hpp", "seen | locked | mark, @,", "acq_rel", "release",
          _stops),
    order("stop_lock_no_release", _stop, "task/stop_token.hpp", "seen | locked | mark, @,", "acq_rel", "acquire",
          _stops),
    order("stop_unlock_relaxed", _stop, "task/stop_token.hpp", "fetch_and(~locked, @)", "release", "relaxed", _stops),
    order("stop_requested_relaxed", _stop, "task/stop_token.hpp", "return (state_.load(@) & requested)", "acquire",
          "relaxed", _stops),
    order("stop_callback_end_relaxed", _stop, "task/stop_token.hpp", "running_.store(nullptr, @)", "release", "relaxed",
          _stops),
    order("stop_second_request_relaxed", _stop, "task/stop_token.hpp", "(void)state_.load(@)", "acquire", "relaxed",
          ["stop_two_requests"]),
    mutant("stop_running_set_late", _stop, "task/stop_token.hpp", "            unlock();\n            one->invoke",
           "            running_.store(nullptr); unlock(); running_.store(one);\n            one->invoke", _stops),
    mutant("stop_end_does_not_wait", _stop, "task/stop_token.hpp", "        if (mine) return;\n",
           "        return;\n", _stops),
    mutant("stop_end_waits_for_itself", _stop, "task/stop_token.hpp", "        if (mine) return;\n",
           "        (void)mine;\n", ["stop_ends_itself"]),
    mutant("stop_end_wakes_nobody", _stop, "task/stop_token.hpp", "detail::wake_all(running_);", "", _stops),
    mutant("stop_add_unchecked", _stop, "task/stop_token.hpp",
           "if (state_.load(std::memory_order_relaxed) & requested) {", "if (false) {", _stops),
    mutant("stop_notifier_unnamed", _stop, "task/stop_token.hpp", "notifier_ = detail::this_thread_mark();", "",
           ["stop_ends_itself"]),
    mutant("stop_two_are_first", _stop, "task/stop_token.hpp", "if (mark && (seen & requested)) {", "if (false) {",
           ["stop_two_requests"]),
]

# Orders that no model needs, each with the reason why it stays. They are run too: one that is caught is needed.
_done = ["completion", "completion_destroy", "completion_schedule", "completion_schedule_destroy"]
equivalent = [
    (order("completion_drain_relaxed", _remote, "task/completion.cpp", "state::fired : state::dropped, @)", "acq_rel",
           "relaxed", _done),
     "a drain runs on the waiter's thread, and who drops a node elsewhere holds the last reference of its queue, which "
     "acquires what the waiter did; it stays for executors that drop on threads of their own"),
    (order("completion_leave_relaxed", _remote, "task/completion.cpp", "state_.exchange(state::abandoned, @)",
           "acq_rel", "relaxed", _done), "the other side of completion_drain_relaxed"),
    (order("run_on_reach_no_release", _remote, "task/run_on.cpp", "reach_.store(reach::open, @)", "release", "relaxed",
           _run_on),
     "no model has a queue that dies while a waiter posts to it (the simulated lifetimes do, on one thread); the order "
     "keeps the post before the queue's death"),
    (order("run_on_reach_no_acquire", _remote, "task/run_on.cpp", "compare_exchange_weak(expected, reach::gone, @)",
           "acquire", "relaxed", _run_on), "the other side of run_on_reach_no_release"),
]
