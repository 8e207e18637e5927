#!/usr/bin/env python3
"""Breaks the core on purpose, one place at a time, and asks the lifetime simulation whether it notices.

Each mutant is a copy of the sources with one text replaced: an ordering or a state check undone. It must fail within
the first SEEDS seeds, and all but a few of them within the first hundred. A mutation whose text is no longer there, or
that does not compile, is an error: the table follows the code.

usage: mutants.py [--list] [--seeds N] [NAME...]
"""
import argparse
import re
import sys
import time

from broken_tree import BrokenTree, choose, run

# name, file below src/, text, what takes its place
MUTANTS = [
    ("slot keeps its generation", "task/op_slot.cpp",
     "if (++slot.generation_ == 0) slot.generation_ = 1;", ""),
    ("abandoned slot keeps its waiter", "task/op_slot.cpp",
     "bool op_slab::abandon(op_slot& slot) noexcept {\n    slot.waiter_ = nullptr;",
     "bool op_slab::abandon(op_slot& slot) noexcept {"),
    ("slot is free as soon as its waiter dies", "task/op_slot.cpp",
     "            move_to(slot, op_state::orphaned);\n            return true;",
     "            release(slot);\n            return true;"),
    ("result of an orphan is not dropped", "task/op_slot.cpp",
     "        if (drop_) drop_(context_, slot);\n        release(slot);\n        return;",
     "        release(slot);\n        return;"),
    ("freed slot stays in its queue", "task/op_slot.cpp", "    slot.leave();\n    slot.state_ = op_state::free;",
     "    slot.state_ = op_state::free;"),
    ("orphan is not asked to end", "io/reactor.cpp", "        if (!asked) request_cancel(slot);\n", ""),
    ("orphaned send is not settled", "io/reactor.cpp", "        if (slot.kind() == op_kind::send) settle(slot);\n", ""),
    ("slot that the kernel holds is withdrawn", "io/reactor.cpp",
     "if (!slot.held_by_kernel) return slots_.withdraw(slot);", "return slots_.withdraw(slot);"),
    ("cancelled operation ends before the kernel says so", "io/reactor.cpp",
     "    if (slot.held_by_kernel) return request_cancel(slot);\n    finish_parked", "    finish_parked"),
    ("cancel of what the kernel holds is forgotten", "io/reactor.cpp",
     "    if (slot.held_by_kernel) return request_cancel(slot);\n    finish_parked",
     "    if (slot.held_by_kernel) return;\n    finish_parked"),
    ("dead waiter keeps its place at the descriptor", "io/reactor.cpp",
     "        leave_place(entry, slot);  // if the kernel", "        // if the kernel"),
    ("served waiter keeps its place", "io/reactor.cpp",
     "    leave_place(entry, slot);\n    me.slots_.deliver(slot, got);", "    me.slots_.deliver(slot, got);"),
    ("file is closed while the kernel uses it", "io/reactor.cpp",
     "    if (entry.pins == 0) finish_close(entry);\n", "    entry.pins = 0;\n    finish_close(entry);\n"),
    ("close forgets who waits", "io/reactor.cpp", "        finish_parked(entry, *slot, -EBADF);\n    }\n    forget",
     "    }\n    forget"),
    ("close forgets what the kernel holds", "io/reactor.cpp",
     "if (slots_.request_cancel(*slot)) request_cancel(*slot);", ";"),
    ("hang-up does not wake the writer", "io/reactor.cpp",
     "if (events & (event_write | event_end)) {", "if (events & event_write) {"),
    ("blocked again, not watched again", "io/reactor.cpp",
     "if (got == would_block) return me.wait_for(entry, slot);", "if (got == would_block) return;"),
    ("ready twice, queued twice", "io/reactor.cpp", "&& !slot->queued())", ")"),
    ("shutdown overtakes a send", "io/reactor.cpp",
     "        if (slot->held_by_kernel) {\n            settle(*slot);\n        } else {",
     "        if (!slot->held_by_kernel) {"),
    ("accepted socket of an orphan stays open", "io/reactor.cpp",
     "if (slot.kind() == op_kind::accept && slot.result() >= 0) me.refuse(slot.result());", ";"),
    ("awaiter dies without a word", "io/io_awaiter.cpp", "if (slot_) where_.loop->reactor().abandon(*slot_);", ""),
    ("cancelled scope still starts operations", "io/io_awaiter.cpp",
     "if (scope && scope->cancelled()) {", "if (false) {"),
    ("operation is not in its scope", "io/io_awaiter.cpp", "    if (scope) scope->add(*this);\n", ""),
    ("ready but not tried", "io/io_awaiter.cpp",
     "if (may_succeed) backend.retry(slot);", "if (false) backend.retry(slot);"),
    ("permit of a dead waiter is lost", "sync/semaphore.cpp",
     "        semaphore_.release();  // before", "        // before"),
    ("lock of a dead waiter is lost", "sync/mutex.cpp",
     "        slab.abandon(*slot_);\n        mutex_.unlock();", "        slab.abandon(*slot_);"),
    ("value of a dead receiver is lost", "sync/channel.cpp",
     "                --reserved_;\n                served = serve_receiver();", "                --reserved_;"),
    ("value of a dead sender dies with it although taken", "sync/channel.cpp",
     "    if (mark == mark_granted) item_ = nullptr;\n", ""),
    ("event wakes one of its waiters", "sync/event.cpp",
     "op_slot* released = waiters_.take_all(detail::mark_granted);",
     "op_slot* released = waiters_.pop_front(detail::mark_granted);\n"
     "    if (released) released->links.next = nullptr;"),
    ("granted wait is withdrawn", "sync/event.cpp",
     "if (!cancelled_ && event::unlink(event_, *slot_)) {", "if ((void)event::unlink(event_, *slot_), true) {"),
    ("cancelled sleep keeps its timer", "sync/sleep.cpp", "    me.timer::cancel();\n", ""),
    ("expired sleep stays in its scope", "sync/sleep.cpp", "    me.cancel_node::unlink();\n", ""),
    ("dead waiter frees a block that is queued", "task/completion.cpp",
     "        case state::armed: return;  //", "        case state::armed: return pool_delete(this);  //"),
    ("queued stop forgets that its task ended", "task/with_stop.cpp",
     "    scope_ = nullptr;  // the message", "    // the message"),
    ("a task elsewhere is not told to stop", "task/run_on.cpp",
     "if (run && me.child_) me.scope_.cancel(me.reason_);", ""),
    ("a task elsewhere outlives its queue", "task/run_on.cpp", "        me.there_.host(me);\n", ""),
    ("a waiter posts to a queue that is gone", "task/run_on.cpp", "    if (!hold_there()) return;\n", ""),
    ("deadline is not in the surrounding scope", "sync/deadline.cpp",
     "    if (outer.scope) cancel_.attach(*outer.scope);\n    if (kind_ == kind::after)",
     "    if (kind_ == kind::after)"),
    ("losers of when_any run on", "task/when.cpp", "        me.cancel_.cancel();\n", ""),
]


def caught_at(program, seeds):
    """The first seed that fails, and why; None if all pass."""
    done = run([program, "lifetime", "--first-seed", "1", "--seeds", str(seeds), "--jobs", "2"], timeout=900)
    failures = re.findall(r"^lifetime seed (\d+) FAILED: (.*)$", done.stdout, re.M)
    if done.returncode == 0 or not failures:
        return None
    seed, why = min(failures, key=lambda one: int(one[0]))
    return int(seed), why


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try; all when none is named")
    parser.add_argument("--seeds", type=int, default=4000)
    parser.add_argument("--list", action="store_true")
    wanted = parser.parse_args()
    chosen = choose(MUTANTS, wanted.names, "mutants")
    if wanted.list:
        print("\n".join(one[0] for one in MUTANTS))
        return
    tree = BrokenTree("mutants", ("src", "apps", "tests/sim", "tests/fuzz", "cmake"),
                      ["-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG -w", "-DCO_WQ_TESTS=OFF", "-DCO_WQ_BENCH=OFF"],
                      "add_subdirectory(tests/sim)\n")
    program = tree.program("co_wq_sim")
    tree.build("co_wq_sim", "the unchanged tree")
    found = caught_at(program, wanted.seeds)
    if found:
        sys.exit(f"mutants: the unchanged sources fail at seed {found[0]}: {found[1]}")
    escaped, early, began = [], 0, time.time()
    for name, place, old, new in chosen:
        with tree.changed(name, f"src/{place}", old, new):
            tree.build("co_wq_sim", f"'{name}'")
            found = caught_at(program, wanted.seeds)
        if found:
            early += found[0] <= 100
            print(f"caught at seed {found[0]:4}  {name}: {found[1][:110]}", flush=True)
        else:
            escaped.append(name)
            print(f"ESCAPED              {name}", flush=True)
    print(f"mutants: {len(chosen) - len(escaped)} of {len(chosen)} caught within {wanted.seeds} seeds, "
          f"{early} within 100; "
          f"{time.time() - began:.0f} s")
    sys.exit(1 if escaped else 0)


if __name__ == "__main__":
    main()
