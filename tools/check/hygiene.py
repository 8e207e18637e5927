#!/usr/bin/env python3
"""Nothing of one machine, no leftovers: every text file of the repository.

Absolute paths of a machine, conflict markers, tabs in sources, blanks at line ends, carriage returns, a missing last
newline, a script that is not executable. The inputs of fuzz targets are bytes and no text.
"""
import os
import re
from typing import Iterator

from tree import CPP, Problem, Tree, main

MACHINE_PATH = re.compile(r"(?<![\w/.:-])/(work|root|home/\w+|Users/\w+)/")
INPUTS = "tests/fuzz/corpus/"
CONFLICT = re.compile(r"^(<{7}|={7}|>{7})( |$)")


def line_problems(path: str, line: str) -> Iterator[str]:
    if match := MACHINE_PATH.search(line):
        yield f"a path of one machine: {match.group()}"
    if CONFLICT.match(line):
        yield "a conflict marker"
    if line.endswith("\r"):
        yield "a carriage return"
    elif line != line.rstrip():
        yield "blanks at the end of the line"
    if "\t" in line and path.endswith(CPP + (".py", ".cmake", ".sh")):
        yield "a tab"


def check(tree: Tree) -> Iterator[Problem]:
    for path in tree.files():
        if path.startswith(INPUTS):
            continue
        raw = (tree.root / path).read_bytes()
        if b"\0" in raw or not raw:
            continue
        text = raw.decode("utf-8", errors="replace")
        for number, line in enumerate(text.split("\n"), 1):
            for message in line_problems(path, line):
                yield Problem(path, number, message)
        if not raw.endswith(b"\n"):
            yield Problem(path, text.count("\n") + 1, "no newline at the end of the file")
        if raw.startswith(b"#!") and not os.access(tree.root / path, os.X_OK):
            yield Problem(path, 1, "starts with #! but is not executable")


if __name__ == "__main__":
    main(check)
