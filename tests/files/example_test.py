#!/usr/bin/env python3
"""The example examples/copy_file.cpp: example_test.py PROGRAM."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop()


def copy(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False)


class CopyFile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_a_file_is_copied_and_progress_shown(self):
        (self.folder / "a").write_bytes(os.urandom(40_000_000))
        done = copy(str(self.folder / "a"), str(self.folder / "b"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((self.folder / "a").read_bytes(), (self.folder / "b").read_bytes())
        self.assertIn("41.9 %", done.stdout)
        self.assertIn("40000000 bytes", done.stdout)
        self.assertEqual(sorted(os.listdir(self.folder)), ["a", "b"])

    def test_what_is_wrong_is_told(self):
        done = copy(str(self.folder / "none"), str(self.folder / "b"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("not found", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])
        self.assertEqual(copy().returncode, 2)


if __name__ == "__main__":
    unittest.main()
