"""Runs one check script over a small tree made of samples."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


class CheckTest(unittest.TestCase):
    check = ""

    def run_check(self, files: dict[str, str]) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode())
            script = REPOSITORY / "tools" / "check" / f"{self.check}.py"
            done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True)
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout

    def accepts(self, files: dict[str, str]) -> None:
        status, output = self.run_check(files)
        self.assertEqual((status, output), (0, f"check {self.check}: ok\n"))

    def refuses(self, files: dict[str, str], *expected: str) -> None:
        """Every expected text is a line's beginning, and there are as many problems as expected texts."""
        status, output = self.run_check(files)
        self.assertEqual(status, 1, output)
        for text in expected:
            self.assertTrue(any(line.startswith(text) for line in output.splitlines()), f"{text} not in:\n{output}")
        self.assertIn(f": {len(expected)} problems", output)
