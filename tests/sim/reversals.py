#!/usr/bin/env python3
"""Takes back fixes of the core, one at a time, and sees that the test which came with each fails.

docs/verification.md lists them. A fix whose text is no longer there is an error: the table follows the code.
usage: reversals.py [--list] [NAME...]
"""
import argparse
import re
import subprocess
import sys
import time

from broken_tree import BrokenTree, choose, run

# name, file, text, without the fix, test program, test
FIXES = [
    ("a task elsewhere ends with its queue", "src/task/run_on.cpp", "        me.there_.host(me);\n", "",
     "io_tests", "dying_loop.a_task_that_has_begun_there_ends_with_its_loop_and_its_waiter_learns_it"),
    ("nothing begins on a loop that dies", "src/io/event_loop.cpp",
     ("        run_batch(256);\n        evict_guests();\n", "        end_tasks();\n    }\n"),
     ("        run_batch(256);\n", "        collect();\n        while (ready()) run_batch(256);\n    }\n"),
     "io_tests", "dying_loop.a_task_that_only_just_arrived_ends_with_its_loop"),
    ("the rest of an orphaned send is not sent later", "src/io/reactor.cpp",
     "        if (slot.kind() == op_kind::send) settle(slot);\n", "", "io_tests", "*small_send*"),
    ("what the kernel accepted and nobody took is refused", "src/io/backend/reactor_uring.cpp",
     "    for (native_handle one : entry.extra->sockets) refuse(one);\n",
     "    for (native_handle one : entry.extra->sockets) calls_.close(one);\n", "conformance_tests",
     "*listener_closed__a_connection_not_taken*"),
    ("a library's timer is armed once", "src/io/foreign.cpp", "    timer::cancel();\n    if (due", "    if (due",
     "dns_tests", "*a_new_query_does_not_wait_for_the_patience_with_an_old_one*"),
    ("an answer has addresses of the family asked for", "src/net/dns/detail/cares_channel.cpp",
     "        if (one.family() != family) continue;\n", "", "dns_tests", "*hostile*"),
]


def passes(program, test):
    done = run([program, "--gtest_brief=1", f"--gtest_filter={test}"], timeout=120)
    if re.search(r"\b0 tests (from|ran)", done.stdout):
        sys.exit(f"reversals: {program.name} has no test {test}")
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="fixes to take back; all when none is named")
    parser.add_argument("--list", action="store_true")
    wanted = parser.parse_args()
    chosen = choose(FIXES, wanted.names, "reversals")
    if wanted.list:
        print("\n".join(one[0] for one in FIXES))
        return
    tree = BrokenTree("reversals", ("src", "apps", "tests", "cmake", "examples", "README.md", "LICENSE"),
                      ["-DCMAKE_CXX_FLAGS_RELEASE=-O2 -g1 -DNDEBUG", "-DCO_WQ_BENCH=OFF"])
    began, missed = time.time(), 0
    for name, place, old, new, program, test in chosen:
        tree.build(program, program)
        if not passes(tree.program(program), test):
            sys.exit(f"reversals: {program} {test} fails with the fix in place")
        with tree.changed(name, place, old, new):
            tree.build(program, f"the tree without '{name}'")
            try:
                noticed = not passes(tree.program(program), test)
            except subprocess.TimeoutExpired:
                noticed = True  # without the fix somebody waits for ever
        missed += not noticed
        print(f"{'noticed' if noticed else 'MISSED '}  {name}: {program} {test}", flush=True)
    print(f"reversals: {len(chosen) - missed} of {len(chosen)} noticed; {time.time() - began:.0f} s")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
