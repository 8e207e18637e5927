#!/usr/bin/env python3
"""Instructions of small pieces of work, counted by callgrind: they must not grow unseen.

Counts, not times: the same on a busy machine. Of two runs with different numbers the difference is taken, so that
start-up does not count. A limit is what was counted when it was set, and 3 in 100. Who makes something cheaper lowers
it; who must make it dearer raises it, and says why in the commit.

    instructions_test.py COUNTS_WORK [--print]
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

COUNTED = {  # with clang 19 -O2 and libstdc++ 12, on x86-64
    "await": 106,  # a task made, awaited and gone
    "spawn": 352,  # a task in a scope, and the scope joined
    "yield": 68,
    "lock": 58,  # of a mutex that is free
    "pair": 424,  # when_all of two
    "timeout": 365,  # armed and cancelled
    "cancel": 1085,  # a receive
    "echo": 2740,  # 64 bytes and back, both ends, on epoll
    "head": 11576,  # a browser's request read
}
FEW, MANY = 500, 2500
# The C library has memcpy and its like for many processors: those of the plainest, wherever this runs.
PLAIN = {**os.environ, "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX,-ERMS,-FSRM,-BMI2,"
                                         "-SSE4_2,-SSSE3,-SSE4_1"}
PROGRAM = pathlib.Path(sys.argv[1])


def instructions(program: pathlib.Path, name: str, times: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", program, name,
                               str(times)], capture_output=True, text=True, check=False, timeout=240, env=PLAIN)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise AssertionError(f"{name}: {done.stderr[-500:]}")
    return int(found[1])


def per_operation(program: pathlib.Path, name: str) -> float:
    return (instructions(program, name, MANY) - instructions(program, name, FEW)) / (MANY - FEW)


class Instructions(unittest.TestCase):
    def test_none_has_grown(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            bare = pathlib.Path(folder) / "work"  # older valgrinds do not read this debug format
            subprocess.run(["objcopy", "--strip-debug", PROGRAM, bare], check=True)
            for name, counted in COUNTED.items():
                with self.subTest(name):
                    self.assertLessEqual(per_operation(bare, name), counted * 1.03)


if __name__ == "__main__":
    if "--print" in sys.argv:
        with tempfile.TemporaryDirectory() as where:
            stripped = pathlib.Path(where) / "work"
            subprocess.run(["objcopy", "--strip-debug", PROGRAM, stripped], check=True)
            for each in COUNTED or sys.argv[3:]:
                print(f'    "{each}": {per_operation(stripped, each):.0f},')
    else:
        unittest.main(argv=sys.argv[:1])
