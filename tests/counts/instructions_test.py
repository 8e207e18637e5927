#!/usr/bin/env python3
"""Instructions of small pieces of work, counted by callgrind: they must not grow unseen.

Counts, not times: the same on a busy machine. Of two runs with different numbers the difference is taken, so that
start-up does not count. A limit is what was counted when it was set, and 3 in 100. Who makes something cheaper lowers
it; who must make it dearer raises it, and says why in the commit.

    instructions_test.py COUNTS_WORK [--print]
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from callgrind import instructions, stripped  # noqa: E402

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
PROGRAM = pathlib.Path(sys.argv[1])


def per_operation(program: pathlib.Path, name: str) -> float:
    few, many = (instructions(program, name, str(times)) for times in (FEW, MANY))
    return (many - few) / (MANY - FEW)


class Instructions(unittest.TestCase):
    def test_none_has_grown(self) -> None:
        with stripped(PROGRAM) as bare:
            for name, counted in COUNTED.items():
                with self.subTest(name):
                    self.assertLessEqual(per_operation(bare, name), counted * 1.03)


if __name__ == "__main__":
    if "--print" in sys.argv:
        with stripped(PROGRAM) as work:
            for each in COUNTED or sys.argv[3:]:
                print(f'    "{each}": {per_operation(work, each):.0f},')
    else:
        unittest.main(argv=sys.argv[:1])
