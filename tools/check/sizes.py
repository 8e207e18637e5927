#!/usr/bin/env python3
"""Files of at most 600 lines, C++ functions of at most 70, lines of at most 120 columns.

sizes_allow.txt lists what is longer: PATH LINES for a file, PATH:FUNCTION LINES for a function. The number must be the
present one, so the list can only shrink: growing past it is a problem, and so is a number that is too high.
"""
import re
from typing import Iterator

from tree import CPP, Problem, Tree, code_only, line_of, main

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 120
ALLOW_LIST = "tools/check/sizes_allow.txt"
FOLDERS = ("src", "apps", "examples", "tests", "bench", "tools", "cmake")
SUFFIXES = CPP + (".py", ".sh", ".cmake")

NO_FUNCTION = re.compile(r"\b(if|for|while|switch|catch|namespace|class|struct|union|enum|concept|do|else|try)\b")
PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
NAME = re.compile(r"(~?[A-Za-z_][\w:~]*|operator\s*\S+?)\s*\(")


def function_name(head: str) -> str | None:
    """The name if head, the text before a brace, introduces a function's body."""
    head = re.sub(r"\[\[.*?\]\]|template\s*<[^{}]*?>\s*(?=\w)|\brequires\b[^(]*\([^)]*\)", " ", head, flags=re.DOTALL)
    match = NAME.search(head)
    if not match or "=" in re.sub(r"operator\s*\S+|[=!<>]=", "", head[:match.start()]):
        return None
    if NO_FUNCTION.search(head[:match.end()]):
        return None
    if match.group(1).isupper():  # TEST(suite, name)
        return re.sub(r"\s", "", head[match.start():])
    return match.group(1)


def functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, first and last line of every function body that is not inside another function."""
    code = PREPROCESSOR.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), code_only(text))
    stack: list[tuple[int, str | None]] = []  # where the head began, the function's name
    head_start = 0
    inside = 0
    for match in re.finditer(r"[;{}]", code):
        offset, mark = match.start(), match.group()
        if mark == ";":
            head_start = offset + 1
        elif mark == "{":
            name = None if inside else function_name(code[head_start:offset])
            # a braced member initialiser is no body: what follows it tells
            stack.append((head_start, name))
            inside += name is not None
            head_start = offset + 1
        elif stack:
            began, name = stack.pop()
            inside -= name is not None
            following = code[offset + 1:offset + 80].lstrip()[:1]
            if following in (",", "{", ")", "."):
                head_start = began
                continue
            if name is not None:
                signature = began + re.match(r"\s*", code[began:]).end()
                yield name, line_of(code, signature), line_of(code, offset)
            head_start = offset + 1


def too_long(tree: Tree, path: str, text: str) -> Iterator[tuple[str, int, int, str]]:
    """Key, line, length, message."""
    length = text.count("\n")
    if length > FILE_LINES_MAX:
        yield path, 1, length, f"{length} lines; at most {FILE_LINES_MAX}"
    if path.endswith(CPP):
        for name, first, last in functions(text):
            if (lines := last - first + 1) > FUNCTION_LINES_MAX:
                yield f"{path}:{name}", first, lines, f"function {name}: {lines} lines; at most {FUNCTION_LINES_MAX}"


def check(tree: Tree) -> Iterator[Problem]:
    allowed = tree.allowed(ALLOW_LIST)
    seen = set()
    for path in [*tree.files(FOLDERS, SUFFIXES), *(name for name in ("dev", ".ci/run") if (tree.root / name).exists())]:
        text = tree.text(path)
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > COLUMNS_MAX:
                yield Problem(path, number, f"{len(line)} columns; at most {COLUMNS_MAX}")
        for key, line, length, message in too_long(tree, path, text):
            seen.add(key)
            if allowed.get(key) != str(length):
                note = f", {ALLOW_LIST} says {allowed[key]}: split it or shrink the entry" if key in allowed else ""
                yield Problem(path, line, message + note)
    for key in allowed:
        if key not in seen:
            yield Problem(ALLOW_LIST, 1, f"{key} is within the limits now: remove the line")


if __name__ == "__main__":
    main(check)
