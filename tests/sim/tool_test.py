#!/usr/bin/env python3
"""What ./dev sim promises: equal seeds, equal runs; failures with seed, reason, fewer steps and a way to replay them;
one clear line for nonsense. usage: tool_test.py PROGRAM"""
import re
import subprocess
import sys
import unittest

PROGRAM = ""


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120)


def digest(*arguments: str) -> str:
    done = run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.search(r"digest ([0-9a-f]{16})", done.stdout).group(1)


class Runs(unittest.TestCase):
    def test_equal_seeds_give_equal_runs(self):
        for kind, seeds in (("lifetime", "2000"), ("proxy", "20")):
            alone = digest(kind, "--seeds", seeds, "--jobs", "1")
            self.assertEqual(alone, digest(kind, "--seeds", seeds, "--jobs", "1"))
            self.assertEqual(alone, digest(kind, "--seeds", seeds, "--jobs", "3"), "workers change nothing")
            self.assertNotEqual(alone, digest(kind, "--seeds", seeds, "--first-seed", "5", "--jobs", "1"))

    def test_a_replay_is_the_same_to_the_last_line(self):
        for kind in ("lifetime", "proxy"):
            first, second = run(kind, "--seed", "11"), run(kind, "--seed", "11")
            self.assertEqual((first.returncode, first.stdout), (0, second.stdout))
            self.assertGreater(len(first.stdout.splitlines()), 10)

    def test_the_trace_of_a_range_is_that_of_its_runs(self):
        one = run("lifetime", "--seed", "7").stdout
        self.assertEqual(re.search(r"trace ([0-9a-f]{16})", one).group(1),
                         digest("lifetime", "--first-seed", "7", "--seeds", "1"))

    def test_a_failing_seed_is_reported_and_shrunk(self):
        done = run("selftest", "--first-seed", "1", "--seeds", "40")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"selftest seed 13 FAILED: two of a kind")
        self.assertRegex(done.stdout, r"selftest seed 26 FAILED: signal 11")
        self.assertRegex(done.stdout, r"./dev sim selftest --seed 13 --steps 4,7\n")
        self.assertRegex(done.stdout.splitlines()[-1], r"selftest: 37 seeds from 1, 3 failed;")

    def test_nonsense_gets_one_line(self):
        for words in (["nothing"], ["--seeds"], ["--seeds", "x"], ["--seeds", "0"], ["--seed", "-1"], ["--what", "1"],
                      ["--seed", "1", "--seeds", "2"], ["lifetime", "proxy"], ["--steps", "1"], ["--jobs", "0"],
                      ["--seed", "1", "--steps", "1,,2"], ["--seed", "99999999999999999999999"]):
            done = run(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertEqual(len(done.stderr.splitlines()), 1, words)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
