"""CMake refuses a room that links upwards, and lone_headers a header that does not compile alone."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from sample import REPOSITORY

PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(sample LANGUAGES CXX)
include(cmake/rooms.cmake)
include(cmake/compiler.cmake)
{rooms}
include(cmake/lone_headers.cmake)
"""
BASE = "co_wq_room(base SOURCES src/base/a.cpp)\n"


class Cmake(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)
        shutil.copytree(REPOSITORY / "cmake", self.root / "cmake")
        for name in ("base/a.cpp", "task/b.cpp"):
            self.write(f"src/{name}", "int unused();\n")

    def write(self, name: str, text: str):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def call(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(["cmake", *arguments], cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        return done.returncode, " ".join(done.stdout.split())

    def configure(self, rooms: str) -> tuple[int, str]:
        self.write("CMakeLists.txt", PROJECT.format(rooms=rooms))
        compiler = os.environ.get("CXX", "clang++-19")
        return self.call("-G", "Ninja", "-B", "build", f"-DCMAKE_CXX_COMPILER={compiler}")

    def test_a_downward_link_is_accepted(self):
        status, output = self.configure(BASE + "co_wq_room(task SOURCES src/task/b.cpp USES base)\n")
        self.assertEqual(status, 0, output)

    def test_an_upward_link_is_refused(self):
        status, output = self.configure("co_wq_room(base SOURCES src/base/a.cpp USES task)\n")
        self.assertNotEqual(status, 0)
        self.assertIn("room 'base' must not use 'task'", output)

    def test_an_unknown_room_is_refused(self):
        status, output = self.configure("co_wq_room(attic SOURCES src/base/a.cpp)\n")
        self.assertNotEqual(status, 0)
        self.assertIn("room 'attic' is not in cmake/rooms.txt", output)

    def test_headers_must_compile_alone_and_twice(self):
        self.write("src/base/good.hpp", "#pragma once\n#include <string>\ninline std::string text() { return {}; }\n")
        self.assertEqual(self.configure(BASE)[0], 0)
        status, output = self.call("--build", "build", "--target", "lone_headers")
        self.assertEqual(status, 0, output)
        bad = {"needs_more": "#pragma once\nstd::string text();\n", "once_only": "class guardless {};\n"}
        for name, text in bad.items():
            with self.subTest(name):
                self.write(f"src/base/{name}.hpp", text)
                status, output = self.call("--build", "build", "--target", "lone_headers")
                self.assertNotEqual(status, 0)
                self.assertIn(f"{name}.hpp", output)
                (self.root / f"src/base/{name}.hpp").unlink()


if __name__ == "__main__":
    unittest.main()
