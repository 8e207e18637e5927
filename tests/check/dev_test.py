"""./dev answers wrong arguments with one clear line and exit status 2, from any directory and any path."""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from sample import REPOSITORY


def dev(*arguments: str, script: Path = REPOSITORY / "dev") -> subprocess.CompletedProcess:
    return subprocess.run([script, *arguments], capture_output=True, text=True, cwd="/")


class Dev(unittest.TestCase):
    def test_wrong_arguments_give_one_line_and_exit_status_2(self):
        for arguments in ((), ("nonsense",), ("build", "nonsense"), ("build", "release", "asan"), ("test", "nonsense"),
                          ("test", "quick", "full"), ("check", "x"), ("fmt", "x"), ("ci", "x")):
            with self.subTest(arguments):
                done = dev(*arguments)
                self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
                self.assertTrue(done.stderr.startswith("dev: "))

    def test_help_lists_the_commands(self):
        done = dev("help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for command in ("run", "build", "test", "check", "fmt", "bench", "windows", "ci"):
            self.assertIn(f"\n  {command} ", done.stdout)

    def test_wine_says_what_it_wants(self):
        for arguments in ((), ("--during",)):
            with self.subTest(arguments):
                done = dev(*arguments, script=REPOSITORY / "tools/wine")
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertTrue(done.stderr.startswith("usage: tools/wine "))

    def test_a_checkout_without_the_proxy_says_so_from_a_path_with_spaces(self):
        with tempfile.TemporaryDirectory(suffix=" with spaces") as folder:
            script = Path(shutil.copy(REPOSITORY / "dev", folder))
            done = dev("run", script=script)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "dev: there is no co_http_proxy in this checkout (apps/proxy)\n")


if __name__ == "__main__":
    unittest.main()
