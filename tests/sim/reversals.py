#!/usr/bin/env python3
"""Takes back fixes of the core, one at a time, and sees that the test which came with each fails.

docs/verification.md lists them. A fix whose text is no longer there is an error: the table follows the code.
usage: reversals.py [--list] [NAME...]
"""
import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "reversals"
PARTS = ("src", "apps", "tests", "cmake", "examples")

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
    ("a query's timer is armed once", "src/net/dns/detail/cares_channel.cpp",
     "    tick_.cancel();\n    loop_.timers()", "    loop_.timers()", "dns_tests",
     "*a_new_query_does_not_wait_for_the_patience_with_an_old_one*"),
    ("an answer has addresses of the family asked for", "src/net/dns/detail/cares_channel.cpp",
     "        if (one.family() != family) continue;\n", "", "dns_tests", "*hostile*"),
]


def run(command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def prepare():
    tree = BUILD / "tree"
    for part in PARTS:
        for path in (one for one in (ROOT / part).rglob("*") if one.is_file()):
            copy = tree / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                shutil.copy2(path, copy)
    for name in ("CMakeLists.txt", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, tree / name)
    return tree


def without(name, source, old, new):
    """The source without the fix, which is one text or several."""
    for text, instead in ((old, new),) if isinstance(old, str) else zip(old, new):
        if source.count(text) != 1:
            sys.exit(f"reversals: '{name}': a text of it is there {source.count(text)} times, not once: {text!r}")
        source = source.replace(text, instead)
    return source


def build(tree, target):
    out = BUILD / "out"
    if not (out / "build.ninja").exists():
        made = run(["cmake", "-G", "Ninja", "-S", tree, "-B", out, "-DCMAKE_CXX_COMPILER=clang++-19",
                    "-DCMAKE_C_COMPILER=clang-19", "-DCMAKE_BUILD_TYPE=Release",
                    "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -g1 -DNDEBUG", "-DCO_WQ_BENCH=OFF"])
        if made.returncode != 0:
            sys.exit(f"reversals: the tree cannot be configured\n{made.stdout[-3000:]}")
    made = run(["cmake", "--build", out, "--target", target])
    if made.returncode != 0:
        sys.exit(f"reversals: {target} does not build\n{made.stdout[-3000:]}")


def passes(program, test):
    done = run([BUILD / "out" / "bin" / program, "--gtest_brief=1", f"--gtest_filter={test}"], timeout=120)
    if re.search(r"\b0 tests (from|ran)", done.stdout):
        sys.exit(f"reversals: {program} has no test {test}")
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="fixes to take back; all when none is named")
    parser.add_argument("--list", action="store_true")
    wanted = parser.parse_args()
    unknown = set(wanted.names) - {one[0] for one in FIXES}
    if unknown:
        sys.exit(f"reversals: no fix is called {', '.join(sorted(unknown))}; --list names them")
    if wanted.list:
        print("\n".join(one[0] for one in FIXES))
        return
    tree, began, missed = prepare(), time.time(), 0
    chosen = [one for one in FIXES if not wanted.names or one[0] in wanted.names]
    for name, place, old, new, program, test in chosen:
        build(tree, program)
        if not passes(program, test):
            sys.exit(f"reversals: {program} {test} fails with the fix in place")
        path = tree / place
        before = path.read_text()
        path.write_text(without(name, before, old, new))
        try:
            build(tree, program)
            try:
                noticed = not passes(program, test)
            except subprocess.TimeoutExpired:
                noticed = True  # without the fix somebody waits for ever
        finally:
            path.write_text(before)
        missed += not noticed
        print(f"{'noticed' if noticed else 'MISSED '}  {name}: {program} {test}", flush=True)
    print(f"reversals: {len(chosen) - missed} of {len(chosen)} noticed; {time.time() - began:.0f} s")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
