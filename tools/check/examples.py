#!/usr/bin/env python3
"""The code shown in documents is the code that is compiled.

A ```cpp block after <!-- example: examples/x.cpp --> must equal that file, without the comment the file opens with.
"""
import re
from typing import Iterator

from tree import Problem, Tree, line_of, main

MARKER = re.compile(r"<!--\s*example:\s*(\S+)\s*-->[ \t]*\n(\s*```cpp\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


def body_of(source: str) -> str:
    return re.sub(r"\A(//[^\n]*\n)+", "", source).strip()


def check(tree: Tree) -> Iterator[Problem]:
    for path in tree.files((".",), (".md",)):
        text = tree.text(path)
        for match in MARKER.finditer(text):
            example, line = match.group(1), line_of(text, match.start())
            if not (tree.root / example).is_file():
                yield Problem(path, line, f"{example} does not exist")
            elif match.group(3) is None:
                yield Problem(path, line, f"no ```cpp block after the marker of {example}")
            elif match.group(3).strip() != body_of(tree.text(example)):
                yield Problem(path, line, f"the block differs from {example}")


if __name__ == "__main__":
    main(check)
