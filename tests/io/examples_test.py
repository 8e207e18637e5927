#!/usr/bin/env python3
"""Runs the examples of io: run_command and watch_directory.   examples_test.py RUN_COMMAND WATCH_DIRECTORY"""
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

RUN, WATCH = sys.argv[1:3]


class RunCommand(unittest.TestCase):
    def run_it(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run([RUN, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)

    def test_shows_in_capitals_and_ends_as_the_program_does(self):
        seen = self.run_it("--", "sh", "-c", "echo hello; exit 3")
        self.assertEqual((seen.stdout, seen.returncode), ("HELLO\n", 3))
        self.assertIn("exit code 3", seen.stderr)

    def test_gives_its_own_input_to_the_program(self):
        self.assertEqual(self.run_it("--", "cat", input="through").stdout, "THROUGH")

    def test_writes_to_files_too(self):
        with tempfile.TemporaryFile() as file:
            subprocess.run([RUN, "--", "echo", "word"], stdout=file, timeout=60, check=True)
            file.seek(0)
            self.assertEqual(file.read(), b"WORD\n")

    def test_says_what_cannot_be_run(self):
        seen = self.run_it("--", "/no/such/program")
        self.assertEqual(seen.returncode, 127)
        self.assertIn("not found", seen.stderr)
        self.assertEqual(self.run_it().returncode, 2)

    def test_ends_when_nobody_reads(self):
        with subprocess.Popen([RUN, "--", "yes"], stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            child.stdout.close()
            # the pipe of yes is closed only with its process object, which goes with the program
            child.terminate()
            child.wait(60)


class WatchDirectory(unittest.TestCase):
    def test_tells_of_files(self):
        with tempfile.TemporaryDirectory() as folder:
            with subprocess.Popen([WATCH, folder, "3"], stdout=subprocess.PIPE, text=True) as child:
                self.assertEqual(child.stdout.readline(), f"watching {folder}\n")
                pathlib.Path(folder, "name").write_text("x", encoding="utf-8")
                pathlib.Path(folder, "name").unlink()
                self.assertEqual(child.stdout.read(), "name: created\nname: written\nname: removed\n")
                self.assertEqual(child.wait(60), 0)

    def test_ends_at_a_signal(self):
        with tempfile.TemporaryDirectory() as folder:
            with subprocess.Popen([WATCH, folder], stdout=subprocess.PIPE, text=True) as child:
                child.stdout.readline()
                child.send_signal(signal.SIGTERM)
                self.assertRegex(child.stdout.read(), r"signal 15 from process \d+\n")
                self.assertEqual(child.wait(60), 0)

    def test_says_what_is_not_there(self):
        seen = subprocess.run([WATCH, "/no/such"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(seen.returncode, 1)
        self.assertIn("not found", seen.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
