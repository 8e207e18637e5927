"""What every check script shares: finding files, blanking comments and strings, reporting.

A check is a function that takes a Tree and yields Problems; main() gives it its command line:
NAME.py [ROOT], where ROOT defaults to this repository. Exit status 1 if there is a problem.
"""
import re
import sys
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

CPP = (".hpp", ".cpp", ".h", ".c")
SKIPPED_FOLDERS = {".git", "build", "__pycache__"}


class Problem(NamedTuple):
    path: str
    line: int
    text: str


class Tree:
    def __init__(self, root: Path):
        self.root = root

    def files(self, folders: tuple[str, ...] = (".",), suffixes: tuple[str, ...] = ()) -> Iterator[str]:
        """Paths relative to the root, sorted; every file if no suffixes are given."""
        for folder in folders:
            for path in sorted((self.root / folder).rglob("*")):
                relative = path.relative_to(self.root)
                if SKIPPED_FOLDERS.isdisjoint(relative.parts) and path.is_file():
                    if not suffixes or path.suffix in suffixes:
                        yield relative.as_posix()

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def allowed(self, path: str) -> dict[str, str]:
        """An allow-list: lines of "KEY  REASON"; # starts a comment line."""
        entries = {}
        if (self.root / path).exists():
            for line in self.text(path).splitlines():
                if line.strip() and not line.startswith("#"):
                    key, _, reason = line.partition(" ")
                    entries[key] = reason.strip()
        return entries


CODE_NOISE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"|"""
    r""""(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'""", re.DOTALL)


def code_only(text: str) -> str:
    """C++ text with comments and literals blanked; offsets and line numbers stay as they are."""
    return CODE_NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def closing(code: str, start: int) -> int:
    """The offset of the bracket that closes the one at start; the end of the text if there is none."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    opened, closed = code[start], pairs[code[start]]
    depth = 0
    for offset in range(start, len(code)):
        if code[offset] == opened:
            depth += 1
        elif code[offset] == closed:
            depth -= 1
            if depth == 0:
                return offset
    return len(code) - 1


def main(check: Callable[[Tree], Iterator[Problem]]) -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    problems = sorted(check(Tree(root)))
    for problem in problems:
        print(f"{problem.path}:{problem.line}: {problem.text}")
    name = Path(sys.argv[0]).stem
    print(f"check {name}: {len(problems)} problems" if problems else f"check {name}: ok", flush=True)
    sys.exit(1 if problems else 0)
